// SPDX-License-Identifier: Apache-2.0
// tests/plugins/cpu/cpu_support.c - a host with real workers for the modules of plugins/cpu, and guarded memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "core/base/error.h"
#include "core/base/isa.h"
#include "cpu_support.h"

guarded guard_alloc(size_t n_bytes)
{
    const size_t page = 4096, body = (n_bytes + page - 1) / page * page;
    guarded g = { .map_bytes = body + 2 * page };
    g.map = mmap(NULL, g.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(g.map != MAP_FAILED);
    assert_int_equal(mprotect(g.map, page, PROT_NONE), 0);
    assert_int_equal(mprotect((char *)g.map + page + body, page, PROT_NONE), 0);
    g.data = (char *)g.map + page + body - n_bytes;
    return g;
}

void guard_free(guarded *g)
{
    if (g->map)
        munmap(g->map, g->map_bytes);
    *g = (guarded){ 0 };
}

float random_float(uint32_t *state, float scale)
{
    *state = *state * 1664525u + 1013904223u;
    return scale * ((float)(*state >> 8) * 0x1p-23f - 1.0f);
}

bool cpu_has(uint32_t isa)
{
    collet_isa here;
    collet_isa_probe(&here);
    for (uint32_t bit = 1; bit <= COLLET_ISA_NEON; bit <<= 1)
        if ((isa & bit) && !(here.mask & bit)) {
            fprintf(stderr, "skipped: this machine has no %s\n", collet_isa_name(bit));
            return false;
        }
    return true;
}

static uint32_t host_intern(void *self, const char *name)
{
    return collet_names_intern(((cpu_host *)self)->names, name);
}

static const char *host_name_of(void *self, uint32_t id)
{
    return collet_names_text(((cpu_host *)self)->names, id);
}

static const void *host_get(void *self, const char *iface)
{
    return strcmp(iface, COLLET_HOST_CPU_ID) == 0 ? &((cpu_host *)self)->cpu : NULL;
}

static void *host_alloc(void *self, size_t n_bytes, size_t align)
{
    (void)self;
    return aligned_alloc(align, (n_bytes + align - 1) / align * align);
}

static void host_free(void *self, void *p)
{
    (void)self;
    free(p);
}

static uint32_t host_workers(void *self)
{
    return collet_pool_workers(((cpu_host *)self)->pool);
}

static void host_parallel(void *self, uint32_t n_tasks, collet_task_fn fn, void *ctx)
{
    collet_pool_run(((cpu_host *)self)->pool, n_tasks, fn, ctx);
}

cpu_host *cpu_host_create(uint32_t n_workers, uint32_t isa)
{
    cpu_host *h = calloc(1, sizeof *h);
    assert_non_null(h);
    const collet_pool_opts opts = { .n_workers = n_workers, .spin_us = 1 };
    assert_int_equal(collet_pool_create(&h->pool, &opts, NULL), COLLET_OK);
    h->names = collet_names_create();
    assert_non_null(h->names);
    h->cpu = (collet_host_cpu){ .size = sizeof h->cpu, .isa_mask = COLLET_ISA_REF | isa };
    h->table = (collet_host){ .size = sizeof h->table,
                              .name = "test",
                              .version = "0",
                              .self = h,
                              .fail = collet_fail_text,
                              .get = host_get,
                              .intern = host_intern,
                              .name_of = host_name_of,
                              .alloc = host_alloc,
                              .free = host_free,
                              .workers = host_workers,
                              .parallel = host_parallel };
    return h;
}

void cpu_host_destroy(cpu_host *h)
{
    collet_pool_destroy(h->pool);
    collet_names_destroy(h->names);
    free(h);
}

collet_tensor tensor_of(const cpu_host *h, const char *format, const char *layout, uint32_t n_dims,
                        const int64_t *shape, void *data)
{
    void *self = h->table.self;
    collet_tensor t = { .size = sizeof t,
                        .n_dims = (uint16_t)n_dims,
                        .format = host_intern(self, format),
                        .layout = layout ? host_intern(self, layout) : 0,
                        .domain = host_intern(self, "cpu"),
                        .data = data };
    int64_t stride = strcmp(format, "f16") == 0 ? 2 : 4;
    for (uint32_t i = n_dims; i-- > 0; stride *= shape[i]) {
        t.shape[i] = shape[i];
        t.stride[i] = stride;
    }
    t.n_bytes = (uint64_t)stride;
    return t;
}
