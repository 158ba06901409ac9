// SPDX-License-Identifier: Apache-2.0
// tests/core/base/test_isa.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/isa.h"

static void test_isa__every_level_is_offered_or_explained(void **state)
{
    (void)state;
    collet_isa isa;
    collet_isa_probe(&isa);
    assert_true(isa.mask & COLLET_ISA_REF);
    for (uint32_t level = 0; level < COLLET_ISA_LEVELS; level++)
        assert_int_equal((isa.mask >> level & 1) != 0, isa.why[level][0] == '\0');
    if (isa.mask & COLLET_ISA_AMX) // levels build on each other
        assert_true(isa.mask & COLLET_ISA_AVX512);
    if (isa.mask & COLLET_ISA_DOTPROD)
        assert_true(isa.mask & COLLET_ISA_NEON);
    if (isa.mask & COLLET_ISA_AVX512)
        assert_true(isa.mask & COLLET_ISA_AVX2);
}

static void test_isa__the_environment_lowers_the_mask(void **state)
{
    (void)state;
    collet_isa isa;
    setenv("COLLET_ISA_MAX", "ref", 1);
    collet_isa_probe(&isa);
    unsetenv("COLLET_ISA_MAX");
    assert_int_equal(isa.mask & ~(uint32_t)COLLET_ISA_REF, 0);
}

static void test_isa__names_go_both_ways(void **state)
{
    (void)state;
    const char *const names[] = { "ref", "avx2", "avx512", "amx", "neon", "dotprod" };
    for (size_t i = 0; i < COLLET_COUNT(names); i++)
        assert_string_equal(collet_isa_name(collet_isa_from_name(names[i])), names[i]);
    assert_int_equal(collet_isa_from_name("mmx"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_isa__every_level_is_offered_or_explained),
        cmocka_unit_test(test_isa__the_environment_lowers_the_mask),
        cmocka_unit_test(test_isa__names_go_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
