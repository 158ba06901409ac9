// SPDX-License-Identifier: Apache-2.0
// tests/support/test_host.h - a collet_host for kernel tests: real pool, real names, no registry.
#ifndef COLLET_TESTS_SUPPORT_TEST_HOST_H
#define COLLET_TESTS_SUPPORT_TEST_HOST_H

#include "collet/plugin/device.h"
#include "collet/plugin/host.h"
#include "core/base/isa.h"
#include "core/base/pool.h"

typedef struct collet_test_host {
    collet_host host; // host.self is this struct
    collet_host_cpu cpu;
    collet_isa isa; // what this machine offers; lower cpu.isa_mask to test refusals
    struct collet_names *names;
    collet_pool *pool;
    int32_t log_level;
    collet_queue queue; // of the domain "cpu"
} collet_test_host;

// n_workers may be odd or larger than the machine. buf_alloc gives plain host memory for any domain.
void collet_test_host_init(collet_test_host *h, uint32_t n_workers);
void collet_test_host_finish(collet_test_host *h);

// A contiguous tensor of the domain "cpu"; data may be NULL. n_bytes is computed for f32 and i32; pass it for others.
collet_tensor collet_test_tensor(collet_test_host *h, const char *format, void *data, uint32_t n_dims,
                                 const int64_t *shape);

// The fixed pseudo-random numbers of all kernel tests: xorshift, [-1, 1).
float collet_test_random(uint64_t *state);

#endif
