// SPDX-License-Identifier: Apache-2.0
// plugins/reference/device_cpu.c - cpu.device: the host itself. Queues are call order, copies are memcpy.
//
// Memory comes from anonymous maps: zeroed without being touched, so that the worker that packs a weight is the one
// that first touches its pages.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collet/plugin/device.h"
#include "plugins/reference/reference.h"

static collet_status info(void *mod, int32_t index, collet_device_info *out, collet_error *err)
{
    const collet_reference_mod *m = mod;
    if (index != 0)
        return m->host->fail(err, COLLET_E_NOT_FOUND, 0, "the domain cpu has one device, 0");
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    out->host_visible = 1;
    out->mem_bytes_total = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    snprintf(out->name, sizeof out->name, "host memory");
    return COLLET_OK;
}

static collet_status mem_alloc(void *mod, int32_t index, uint64_t n_bytes, void **data, collet_error *err)
{
    (void)index;
    const collet_reference_mod *m = mod;
    void *p = n_bytes <= SIZE_MAX
                  ? mmap(NULL, n_bytes ? n_bytes : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                  : MAP_FAILED;
    if (p == MAP_FAILED)
        return m->host->fail(err, COLLET_E_NOMEM, errno, "out of memory");
    *data = p;
    return COLLET_OK;
}

static void mem_free(void *mod, int32_t index, void *data, uint64_t n_bytes)
{
    (void)mod;
    (void)index;
    if (data)
        munmap(data, n_bytes ? n_bytes : 1);
}

static collet_status queue_create(void *mod, int32_t index, collet_queue **out, collet_error *err)
{
    const collet_reference_mod *m = mod;
    collet_queue *q = m->host->alloc(m->host->self, sizeof *q, 16);
    if (!q)
        return m->host->fail(err, COLLET_E_NOMEM, 0, "no memory for a queue");
    *q = (collet_queue){ .size = sizeof *q, .domain = m->host->intern(m->host->self, "cpu"), .index = index };
    *out = q;
    return COLLET_OK;
}

static void queue_destroy(void *mod, collet_queue *q)
{
    const collet_reference_mod *m = mod;
    m->host->free(m->host->self, q);
}

static collet_status copy(void *mod, const collet_queue *q, int32_t kind, void *dst, const void *src, uint64_t n_bytes,
                          collet_error *err)
{
    (void)mod;
    (void)q;
    (void)kind;
    (void)err;
    memmove(dst, src, n_bytes);
    return COLLET_OK;
}

static collet_status queue_sync(void *mod, const collet_queue *q, collet_error *err)
{
    (void)mod;
    (void)q;
    (void)err;
    return COLLET_OK;
}

static const collet_device_vt vt = {
    .size = sizeof vt,
    .info = info,
    .mem_alloc = mem_alloc,
    .mem_free = mem_free,
    .queue_create = queue_create,
    .queue_destroy = queue_destroy,
    .copy = copy,
    .event_record = NULL, // one queue only
    .event_wait = NULL,
    .sync = queue_sync,
    .capture_begin = NULL, // work is done before run() returns: there is nothing to record
    .capture_end = NULL,
    .graph_launch = NULL,
    .graph_destroy = NULL,
};

const collet_module collet_cpu_device = {
    .size = sizeof(collet_module),
    .tier = COLLET_TIER_GENERIC,
    .score = 100,
    .id = "cpu.device",
    .iface = COLLET_DEVICE_IFACE,
    .domain = "cpu",
    .summary = "the host's memory and processors",
    .vt = &vt,
    .open = collet_reference_open,
    .close = collet_reference_close,
};
