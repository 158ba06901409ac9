// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/device.c - the least that a device module can be: no events, no capture.
#include "collet/plugin/device.h"
#include "collet/plugin/plugin.h"

static collet_status info(void *mod, int32_t index, collet_device_info *out, collet_error *err)
{
    (void)mod;
    (void)index;
    (void)out;
    (void)err;
    return COLLET_OK;
}

static collet_status mem_alloc(void *mod, int32_t index, uint64_t n_bytes, void **data, collet_error *err)
{
    (void)mod;
    (void)index;
    (void)n_bytes;
    (void)data;
    (void)err;
    return COLLET_E_NOMEM;
}

static void mem_free(void *mod, int32_t index, void *data, uint64_t n_bytes)
{
    (void)mod;
    (void)index;
    (void)data;
    (void)n_bytes;
}

static collet_status queue_create(void *mod, int32_t index, collet_queue **out, collet_error *err)
{
    (void)mod;
    (void)index;
    (void)out;
    (void)err;
    return COLLET_E_NOMEM;
}

static void queue_destroy(void *mod, collet_queue *queue)
{
    (void)mod;
    (void)queue;
}

static collet_status copy(void *mod, const collet_queue *queue, int32_t kind, void *dst, const void *src,
                          uint64_t n_bytes, collet_error *err)
{
    (void)mod;
    (void)queue;
    (void)kind;
    (void)dst;
    (void)src;
    (void)n_bytes;
    (void)err;
    return COLLET_OK;
}

static collet_status sync(void *mod, const collet_queue *queue, collet_error *err)
{
    (void)mod;
    (void)queue;
    (void)err;
    return COLLET_OK;
}

// Written with a header that ended at `sync`.
static const collet_device_vt vt = { .size = offsetof(collet_device_vt, capture_begin),
                                     .info = info,
                                     .mem_alloc = mem_alloc,
                                     .mem_free = mem_free,
                                     .queue_create = queue_create,
                                     .queue_destroy = queue_destroy,
                                     .copy = copy,
                                     .sync = sync };
static const collet_module module = { .size = sizeof module,
                                      .score = 1,
                                      .id = "fixture.device",
                                      .iface = COLLET_DEVICE_IFACE,
                                      .domain = "fixture",
                                      .vt = &vt };
static const collet_module *const modules[] = { &module };
static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = "fixture", .version = "1.0", .n_modules = 1,
                                      .modules = modules };
COLLET_PLUGIN(record)
