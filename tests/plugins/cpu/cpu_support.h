// SPDX-License-Identifier: Apache-2.0
// tests/plugins/cpu/cpu_support.h - a host with real workers for the modules of plugins/cpu, and guarded memory.
#ifndef COLLET_TESTS_PLUGINS_CPU_SUPPORT_H
#define COLLET_TESTS_PLUGINS_CPU_SUPPORT_H

#include <stdbool.h>

#include "collet/plugin/plugin.h"
#include "core/base/intern.h"
#include "core/base/pool.h"
#include "plugins/common/f16.h"

// Memory whose last byte is followed, and whose first page is preceded, by a page that faults.
typedef struct guarded {
    void *map;
    size_t map_bytes;
    void *data;
} guarded;

guarded guard_alloc(size_t n_bytes);
void guard_free(guarded *g); // zeroes; accepts a zeroed one

// Uniform in (-scale, scale); the same numbers everywhere.
float random_float(uint32_t *state, float scale);

// True when this machine offers all of `isa`; else says on stderr what is skipped.
bool cpu_has(uint32_t isa);

// A host table over a pool of its own; offers REF and `isa`.
typedef struct cpu_host {
    collet_host table;
    collet_host_cpu cpu;
    collet_names *names;
    collet_pool *pool;
} cpu_host;

cpu_host *cpu_host_create(uint32_t n_workers, uint32_t isa);
void cpu_host_destroy(cpu_host *h);

// A dense tensor on cpu. layout NULL: canonical. For f16 and f32, i32 only.
collet_tensor tensor_of(const cpu_host *h, const char *format, const char *layout, uint32_t n_dims,
                        const int64_t *shape, void *data);

#endif
