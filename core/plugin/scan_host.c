// SPDX-License-Identifier: Apache-2.0
// core/plugin/scan_host.c - every slot of collet_host, with as little behind it as a probe needs.
#include "core/plugin/scan_host.h"

#include <stdlib.h>
#include <string.h>

#include "collet/plugin/plugin.h"
#include "core/base/arith.h"
#include "core/base/error.h"
#include "core/base/intern.h"
#include "core/base/isa.h"
#include "core/base/log.h"

struct collet_scan_host {
    collet_host table;
    collet_log log;
    collet_names *names;
    collet_host_cpu cpu; // size 0 until somebody asks: the trials of collet_isa_probe() cost milliseconds
};

static void host_log(void *self, int32_t level, const char *module, const char *msg)
{
    collet_scan_host *h = self;
    collet_log_line(&h->log, level, module, "%s", msg ? msg : "");
}

static const void *host_get(void *self, const char *iface)
{
    collet_scan_host *h = self;
    if (!iface || strcmp(iface, COLLET_HOST_CPU_ID) != 0)
        return NULL;
    if (h->cpu.size == 0) {
        collet_isa isa = { 0 };
        collet_isa_probe(&isa);
        h->cpu = (collet_host_cpu){ .size = sizeof h->cpu,
                                    .isa_mask = isa.mask,
                                    .l1d_bytes = isa.l1d_bytes,
                                    .l2_bytes = isa.l2_bytes,
                                    .l3_bytes = isa.l3_bytes };
    }
    return &h->cpu;
}

static uint32_t host_intern(void *self, const char *name)
{
    return collet_names_intern(((collet_scan_host *)self)->names, name);
}

static const char *host_name_of(void *self, uint32_t id)
{
    return collet_names_text(((collet_scan_host *)self)->names, id);
}

static void *host_alloc(void *self, size_t n_bytes, size_t align)
{
    (void)self;
    uint64_t padded;
    size_t at_least = align < sizeof(void *) ? sizeof(void *) : align;
    if ((at_least & (at_least - 1)) != 0 || !collet_align_u64(n_bytes ? n_bytes : 1, at_least, &padded))
        return NULL;
    return aligned_alloc(at_least, padded);
}

static void host_free(void *self, void *p)
{
    (void)self;
    free(p);
}

static collet_status host_buf_alloc(void *self, uint32_t domain, uint64_t n_bytes, const char *tag, collet_buffer **buf,
                                    void **data, collet_error *err)
{
    (void)domain; // a probe has host memory alone
    void *p = n_bytes <= SIZE_MAX ? host_alloc(self, (size_t)n_bytes, 64) : NULL;
    if (!p)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for %llu bytes of %s", (unsigned long long)n_bytes, tag);
    memset(p, 0, (size_t)n_bytes);
    *buf = p; // the handle is the memory itself
    *data = p;
    return COLLET_OK;
}

static void host_buf_free(void *self, collet_buffer *buf)
{
    host_free(self, buf);
}

static uint32_t host_workers(void *self)
{
    (void)self;
    return 1;
}

static void host_parallel(void *self, uint32_t n_tasks, collet_task_fn fn, void *ctx)
{
    (void)self;
    for (uint32_t i = 0; i < n_tasks; i++)
        fn(ctx, i, 0);
}

static uint64_t host_zone_begin(void *self, uint32_t name)
{
    (void)self;
    (void)name;
    return 0;
}

static void host_zone_end(void *self, uint64_t zone)
{
    (void)self;
    (void)zone;
}

collet_scan_host *collet_scan_host_create(void)
{
    collet_scan_host *h = calloc(1, sizeof *h);
    if (!h || !(h->names = collet_names_create())) {
        free(h);
        return NULL;
    }
    h->log.level = COLLET_LOG_INFO;
    h->table = (collet_host){ .size = sizeof h->table,
                              .abi_major = COLLET_ABI_MAJOR,
                              .abi_minor = COLLET_ABI_MINOR,
                              .name = "collet-scan",
                              .version = COLLET_VERSION,
                              .self = h,
                              .log_level = &h->log.level,
                              .log = host_log,
                              .fail = collet_fail_text,
                              .get = host_get,
                              .intern = host_intern,
                              .name_of = host_name_of,
                              .alloc = host_alloc,
                              .free = host_free,
                              .buf_alloc = host_buf_alloc,
                              .buf_free = host_buf_free,
                              .workers = host_workers,
                              .parallel = host_parallel,
                              .zone_begin = host_zone_begin,
                              .zone_end = host_zone_end };
    return h;
}

void collet_scan_host_destroy(collet_scan_host *h)
{
    if (h)
        collet_names_destroy(h->names);
    free(h);
}

const collet_host *collet_scan_host_table(const collet_scan_host *h)
{
    return &h->table;
}
