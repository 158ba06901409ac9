// SPDX-License-Identifier: Apache-2.0
// tests/support/test_host.c
#include "tests/support/test_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/intern.h"

struct collet_buffer {
    void *data;
};

static collet_test_host *self_of(void *self)
{
    return self;
}

static void host_log(void *self, int32_t level, const char *module, const char *msg)
{
    (void)self;
    fprintf(stderr, "%d %s: %s\n", level, module, msg);
}

static const void *host_get(void *self, const char *iface)
{
    return strcmp(iface, COLLET_HOST_CPU_ID) == 0 ? &self_of(self)->cpu : NULL;
}

static uint32_t host_intern(void *self, const char *name)
{
    return collet_names_intern(self_of(self)->names, name);
}

static const char *host_name_of(void *self, uint32_t id)
{
    return collet_names_text(self_of(self)->names, id);
}

static void *host_alloc(void *self, size_t n_bytes, size_t align)
{
    (void)self;
    size_t a = align < 16 ? 16 : align;
    return aligned_alloc(a, (n_bytes + a - 1) / a * a);
}

static void host_free(void *self, void *p)
{
    (void)self;
    free(p);
}

static collet_status host_buf_alloc(void *self, uint32_t domain, uint64_t n_bytes, const char *tag, collet_buffer **buf,
                                    void **data, collet_error *err)
{
    (void)domain;
    (void)tag;
    *buf = malloc(sizeof **buf);
    if (!*buf)
        return collet_fail(err, COLLET_E_NOMEM, "no memory");
    *data = (*buf)->data = host_alloc(self, n_bytes ? n_bytes : 64, 64);
    memset(*data, 0, n_bytes);
    return COLLET_OK;
}

static void host_buf_free(void *self, collet_buffer *buf)
{
    (void)self;
    if (buf)
        free(buf->data);
    free(buf);
}

static uint32_t host_workers(void *self)
{
    return collet_pool_workers(self_of(self)->pool);
}

static void host_parallel(void *self, uint32_t n_tasks, collet_task_fn fn, void *ctx)
{
    collet_pool_run(self_of(self)->pool, n_tasks, fn, ctx);
}

static uint64_t host_zone_begin(void *self, uint32_t name)
{
    (void)self;
    return name;
}

static void host_zone_end(void *self, uint64_t zone)
{
    (void)self;
    (void)zone;
}

void collet_test_host_init(collet_test_host *h, uint32_t n_workers)
{
    memset(h, 0, sizeof *h);
    const collet_pool_opts opts = { .n_workers = n_workers, .spin_us = 1 };
    h->names = collet_names_create();
    if (!h->names || collet_pool_create(&h->pool, &opts, NULL) != COLLET_OK)
        exit(1);
    collet_isa_probe(&h->isa);
    h->log_level = COLLET_LOG_WARN;
    h->cpu = (collet_host_cpu){ .size = sizeof h->cpu,
                                .isa_mask = h->isa.mask,
                                .l1d_bytes = h->isa.l1d_bytes,
                                .l2_bytes = h->isa.l2_bytes,
                                .l3_bytes = h->isa.l3_bytes };
    h->host = (collet_host){ .size = sizeof h->host,
                             .abi_major = 0,
                             .abi_minor = 1,
                             .name = "test",
                             .version = "0",
                             .self = h,
                             .log_level = &h->log_level,
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
    h->queue = (collet_queue){ .size = sizeof h->queue, .domain = collet_names_intern(h->names, "cpu") };
}

void collet_test_host_finish(collet_test_host *h)
{
    collet_pool_destroy(h->pool);
    collet_names_destroy(h->names);
}

collet_tensor collet_test_tensor(collet_test_host *h, const char *format, void *data, uint32_t n_dims,
                                 const int64_t *shape)
{
    collet_tensor t = { .size = sizeof t,
                        .n_dims = (uint16_t)n_dims,
                        .format = host_intern(h, format),
                        .domain = host_intern(h, "cpu"),
                        .data = data };
    int64_t stride = strcmp(format, "f16") == 0 || strcmp(format, "bf16") == 0 ? 2 : 4;
    for (uint32_t d = n_dims; d-- > 0;) {
        t.shape[d] = shape[d];
        t.stride[d] = stride;
        stride *= shape[d];
    }
    t.n_bytes = (uint64_t)stride;
    return t;
}

float collet_test_random(uint64_t *state)
{
    uint64_t x = *state ? *state : 88172645463325252u;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return (float)((double)(x >> 11) * 0x1p-52 - 1.0);
}
