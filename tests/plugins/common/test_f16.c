// SPDX-License-Identifier: Apache-2.0
// tests/plugins/common/test_f16.c - half and bfloat16 against their definitions, written slowly in double.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/common/f16.h"

// The value of a half that is no NaN, from IEEE 754's definition.
static double half_value(uint16_t half)
{
    int exponent = half >> 10 & 0x1f, fraction = half & 0x3ff;
    double magnitude = exponent == 0x1f ? (double)INFINITY
                       : exponent == 0  ? ldexp(fraction, -24)
                                        : ldexp(1024 + fraction, exponent - 25);
    return half & 0x8000 ? -magnitude : magnitude;
}

static bool half_is_nan(uint16_t half)
{
    return (half & 0x7fff) > 0x7c00;
}

static void test_f16__every_half_has_its_value(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float value = collet_f16_to_f32((uint16_t)h);
        if (half_is_nan((uint16_t)h)) {
            uint32_t want = (h & 0x8000u) << 16 | 0x7fc00000u | (h & 0x3ffu) << 13;
            assert_int_equal(collet_f32_bits(value), want);
        } else {
            assert_int_equal(collet_f32_bits(value), collet_f32_bits((float)half_value((uint16_t)h)));
        }
    }
}

static void test_f16__every_half_survives_the_round_trip(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        uint32_t quiet = half_is_nan((uint16_t)h) ? 0x200 : 0;
        assert_int_equal(collet_f32_to_f16(collet_f16_to_f32((uint16_t)h)), h | quiet);
    }
}

// Positive halves ascend with their bits, so rounding is a search; 2^16 stands where infinity would.
static uint16_t nearest_half(float value)
{
    double magnitude = fabs((double)value);
    uint16_t sign = signbit(value) ? 0x8000 : 0, low = 0, high = 0x7c00;
    while (high - low > 1) {
        uint16_t middle = (uint16_t)((low + high) / 2);
        if (half_value(middle) <= magnitude)
            low = middle;
        else
            high = middle;
    }
    double below = magnitude - half_value(low);
    double above = (high == 0x7c00 ? 65536.0 : half_value(high)) - magnitude;
    bool up = above < below || (above == below && (low & 1));
    return sign | (up ? high : low);
}

static void assert_rounds(uint32_t bits)
{
    float value = collet_f32_from_bits(bits);
    if (!isnan(value))
        assert_int_equal(collet_f32_to_f16(value), nearest_half(value));
    else
        assert_int_equal(collet_f32_to_f16(value), (bits >> 16 & 0x8000) | 0x7e00 | (bits >> 13 & 0x3ff));
}

static void test_f16__floats_round_to_the_nearest_even_half(void **state)
{
    (void)state;
    // Around every half and every midpoint of two: one float to each side.
    for (uint32_t h = 0; h < 0x7c00; h++) {
        double next = h + 1 < 0x7c00 ? half_value((uint16_t)(h + 1)) : 65536.0;
        uint32_t at = collet_f32_bits((float)half_value((uint16_t)h));
        uint32_t between = collet_f32_bits((float)((half_value((uint16_t)h) + next) / 2));
        for (int32_t step = -1; step <= 1; step++) {
            assert_rounds(at + (uint32_t)(h ? step : 0));
            assert_rounds(between + (uint32_t)step);
            assert_rounds(0x80000000u | (between + (uint32_t)step));
        }
    }
    // And a walk through all of f32, NaN and infinity included; 65537 is prime to 2^32.
    for (uint32_t i = 0, bits = 0; i < 200000; i++, bits += 65537u * 21u)
        assert_rounds(bits);
}

static void test_f16__bf16_is_the_rounded_upper_half(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float value = collet_bf16_to_f32((uint16_t)h);
        assert_int_equal(collet_f32_bits(value), h << 16);
        assert_int_equal(collet_f32_to_bf16(value), isnan(value) ? (h | 0x40) : h);
        if (isnan(value) || (h & 0x7f80) == 0x7f80)
            continue;
        // Below, at, and above the midpoint: down, to even, up.
        assert_int_equal(collet_f32_to_bf16(collet_f32_from_bits(h << 16 | 0x7fff)), h);
        assert_int_equal(collet_f32_to_bf16(collet_f32_from_bits(h << 16 | 0x8000)), h + (h & 1));
        assert_int_equal(collet_f32_to_bf16(collet_f32_from_bits(h << 16 | 0x8001)), h + 1);
    }
    assert_int_equal(collet_f32_to_bf16(collet_f32_from_bits(0x7f800001)), 0x7fc0); // a NaN only in the lost bits
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f16__every_half_has_its_value),
        cmocka_unit_test(test_f16__every_half_survives_the_round_trip),
        cmocka_unit_test(test_f16__floats_round_to_the_nearest_even_half),
        cmocka_unit_test(test_f16__bf16_is_the_rounded_upper_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
