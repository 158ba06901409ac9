// SPDX-License-Identifier: Apache-2.0
// tests/core/measure/test_probe.c - probes measure what the machine has, and say 0 of what it has not.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/isa.h"
#include "core/measure/probe.h"
#include "core/measure/probe_isa.h"

static collet_pool *pool;
static collet_isa isa;

static int open_pool(void **state)
{
    (void)state;
    const collet_pool_opts opts = { .n_workers = 2 };
    collet_isa_probe(&isa);
    return collet_pool_create(&pool, &opts, NULL) == COLLET_OK ? 0 : -1;
}

static int close_pool(void **state)
{
    (void)state;
    collet_pool_destroy(pool);
    return 0;
}

static void test_peak__is_zero_without_the_unit(void **state)
{
    (void)state;
    for (collet_peak peak = 0; peak < COLLET_N_PEAKS; peak++)
        assert_true(collet_peak_run(pool, peak, COLLET_ISA_REF) == 0.0);
}

static void need_avx2(void)
{
    if (isa.mask & COLLET_ISA_AVX2)
        return;
    fprintf(stderr, "skipped: this machine does not offer avx2\n");
    skip();
}

static void test_peak__orders_the_units(void **state)
{
    (void)state;
    need_avx2();
    const double f32 = collet_peak_run(pool, COLLET_PEAK_F32, isa.mask);
    assert_true(f32 > 1e9 && f32 < 1e14); // two cores at 16 to 64 operations a cycle
    assert_true(collet_peak_run(pool, COLLET_PEAK_INT8, isa.mask) > 1e9);
    if (isa.mask & COLLET_ISA_AMX) {
        assert_true(collet_peak_run(pool, COLLET_PEAK_TILE_BF16, isa.mask) > f32);
        assert_true(collet_peak_run(pool, COLLET_PEAK_TILE_INT8, isa.mask) > f32);
    }
}

// One changed byte anywhere changes the result: no load was left out.
static void check_reads_all(collet_probe_read_fn *read)
{
    enum { N = 4096 };
    uint8_t *data = aligned_alloc(64, N);
    assert_non_null(data);
    memset(data, 0, N);
    const uint64_t zero = read(data, N);
    for (int i = 0; i < N; i++) {
        data[i] = 1;
        assert_int_not_equal(read(data, N), zero);
        data[i] = 0;
    }
    free(data);
}

static void test_read__touches_every_byte(void **state)
{
    (void)state;
    need_avx2();
    check_reads_all(collet_probe_read_avx2);
    if (isa.mask & COLLET_ISA_AVX512)
        check_reads_all(collet_probe_read_avx512);
}

static void test_read__measures_at_every_level(void **state)
{
    (void)state;
    collet_read_probe *probe = NULL;
    assert_int_equal(collet_read_probe_create(&probe, pool, 1 << 20, COLLET_ISA_REF, NULL), COLLET_OK);
    assert_true(collet_read_probe_run(probe) > 0.0);
    collet_read_probe_destroy(probe);
    assert_int_equal(collet_read_probe_create(&probe, pool, (1 << 20) + 7, isa.mask, NULL), COLLET_OK);
    assert_true(collet_read_probe_run(probe) > 0.0);
    collet_read_probe_destroy(probe);
    collet_read_probe_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peak__is_zero_without_the_unit),
        cmocka_unit_test(test_peak__orders_the_units),
        cmocka_unit_test(test_read__touches_every_byte),
        cmocka_unit_test(test_read__measures_at_every_level),
    };
    return cmocka_run_group_tests(tests, open_pool, close_pool);
}
