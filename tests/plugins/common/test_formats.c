// SPDX-License-Identifier: Apache-2.0
// tests/plugins/common/test_formats.c - each line of the format table with hostile input, between guard pages.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "collet/base.h"
#include "plugins/common/blocks.h"
#include "plugins/common/f16.h"
#include "plugins/common/formats.h"
#include "plugins/common/quant_k_scales.h"

// ---- memory that ends where a page begins which nobody may touch ----

typedef struct guarded {
    uint8_t *map, *data; // data's last byte is the last one that may be touched
    size_t map_bytes, n_bytes;
} guarded;

static guarded guarded_make(size_t n_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    guarded g = { .map_bytes = (n_bytes + page - 1) / page * page + page, .n_bytes = n_bytes };
    g.map = mmap(NULL, g.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(g.map != MAP_FAILED);
    assert_int_equal(mprotect(g.map + g.map_bytes - page, page, PROT_NONE), 0);
    g.data = g.map + g.map_bytes - page - n_bytes;
    memset(g.map, 0xa5, g.map_bytes - page); // a write in front of data is seen by guarded_free
    return g;
}

static void guarded_free(guarded *g)
{
    for (const uint8_t *p = g->map; p < g->data; p++)
        assert_int_equal(*p, 0xa5);
    munmap(g->map, g->map_bytes);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

// ---- the table ----

static void test_formats__names_and_ids_are_unique(void **state)
{
    (void)state;
    assert_true(collet_n_formats >= 15);
    for (size_t i = 0; i < collet_n_formats; i++) {
        assert_ptr_equal(collet_format_find(collet_formats[i].name), &collet_formats[i]);
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(collet_formats[i].ggml_type, collet_formats[j].ggml_type);
    }
    assert_null(collet_format_find("q4_"));
    assert_null(collet_format_find(""));
}

static void test_formats__any_bytes_decode_within_their_memory(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (size_t i = 0; i < collet_n_formats; i++) {
        const collet_format *f = &collet_formats[i];
        for (uint64_t n_blocks = 0; n_blocks <= 3; n_blocks++) {
            uint64_t n = n_blocks * f->block_elems;
            guarded src = guarded_make(n_blocks * f->block_bytes), dst = guarded_make(n * sizeof(float));
            for (int round = 0; round < 50; round++) { // random, then all zero, then all ones
                for (size_t b = 0; b < src.n_bytes; b++)
                    src.data[b] = round == 0 ? 0 : round == 1 ? 0xff : (uint8_t)next_random(&seed);
                f->dequantize(src.data, (float *)(void *)dst.data, n);
                for (uint64_t e = 0; round == 0 && e < n; e++)
                    assert_true(((float *)(void *)dst.data)[e] == 0.0f); // zero bytes are zero weights
            }
            guarded_free(&dst);
            guarded_free(&src);
        }
    }
}

static void test_formats__unaligned_blocks_decode_alike(void **state)
{
    (void)state;
    uint32_t seed = 2;
    for (size_t i = 0; i < collet_n_formats; i++) {
        const collet_format *f = &collet_formats[i];
        uint8_t bytes[2 * 1024 + 8];
        float want[512], got[512];
        uint64_t n = 2 * f->block_elems;
        size_t n_bytes = 2 * f->block_bytes;
        assert_true(n_bytes + 1 <= sizeof bytes && n <= 512);
        for (size_t b = 0; b < n_bytes; b++)
            bytes[b] = (uint8_t)next_random(&seed);
        f->dequantize(bytes, want, n);
        memmove(bytes + 1, bytes, n_bytes);
        f->dequantize(bytes + 1, got, n);
        assert_memory_equal(got, want, n * sizeof(float));
    }
}

// ---- encoders ----

static const float specials[] = { 0.0f,      -0.0f,  1.0f,   -1.0f,     65504.0f,        -70000.0f, 1e-8f,
                                  3e38f,     -3e38f, 1e-45f, -1.2e-38f, (float)INFINITY, 0.1f,      -(float)INFINITY,
                                  (float)NAN };
#define N_SPECIALS (sizeof specials / sizeof specials[0])

static void test_formats__any_floats_encode_within_their_memory(void **state)
{
    (void)state;
    uint32_t seed = 3;
    for (size_t i = 0; i < collet_n_formats; i++) {
        const collet_format *f = &collet_formats[i];
        if (!f->quantize)
            continue;
        uint64_t n = 2 * f->block_elems;
        guarded src = guarded_make(n * sizeof(float)), dst = guarded_make(2 * f->block_bytes);
        guarded back = guarded_make(n * sizeof(float)), imatrix = guarded_make(n * sizeof(float));
        float *x = (float *)(void *)src.data, *importances = (float *)(void *)imatrix.data;
        for (size_t round = 0; round < 200 + N_SPECIALS; round++) {
            for (uint64_t e = 0; e < n; e++)
                x[e] = round < N_SPECIALS ? specials[round] : specials[next_random(&seed) % N_SPECIALS];
            for (uint64_t e = 0; e < n; e++)
                importances[e] = round % 3 == 0 ? 0.0f : (float)(next_random(&seed) % 1000);
            f->quantize(x, dst.data, n, round % 2 ? (const float *)(const void *)imatrix.data : NULL);
            f->dequantize(dst.data, (float *)(void *)back.data, n);
        }
        guarded_free(&imatrix);
        guarded_free(&back);
        guarded_free(&dst);
        guarded_free(&src);
    }
}

// The largest error that a block of values within +-1 may have: half a step, and what f16 scales and minima cost; where
// a search may cut off the largest values, half of the widest step and as much again.
static float error_max(const collet_format *f)
{
    static const struct {
        const char *name;
        float value;
    } bounds[] = {
        { "f32", 0.0f },
        { "f16", 0x1p-11f },
        { "bf16", 0x1p-8f },
        { "q8_0", 0.5f / 127 + 6e-4f },
        { "q8_1", 0.5f / 127 + 6e-4f },
        { "q8_k", 0.5f / 127 + 1e-6f },
        { "q5_0", 1.0f / 16 + 1e-3f },
        { "q5_1", 1.0f / 31 + 2e-3f },
        { "q4_0", 1.0f / 8 + 1e-3f },
        { "q4_1", 1.0f / 15 + 2e-3f },
        { "q2_k", 2.0f / 3 + 1.0f / 8 }, // scales and minima of 4 bits
        { "q3_k", 1.0f / 4 + 1.0f / 16 },
        { "q6_k", 1.0f / 32 + 1.0f / 64 },
        { "q4_k", 2.0f / 15 + 1.0f / 32 },
        { "q5_k", 2.0f / 31 + 1.0f / 32 },
        { "iq4_nl", 24.0f / 127 + 1e-3f },
        { "iq4_xs", 24.0f / 127 + 1.0f / 32 },
        { "mxfp4", 2.0f / 8 },
    };
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++)
        if (strcmp(bounds[i].name, f->name) == 0)
            return bounds[i].value;
    fail_msg("%s: an encoder without a bound in this test", f->name);
    return 0.0f;
}

static void test_formats__encoders_stay_within_a_step(void **state)
{
    (void)state;
    uint32_t seed = 4;
    for (size_t i = 0; i < collet_n_formats; i++) {
        const collet_format *f = &collet_formats[i];
        uint8_t blocks[4 * 1024]; // f32 needs them all
        float x[1024], back[1024];
        uint64_t n = 1024;
        if (!f->quantize)
            continue;
        for (uint64_t e = 0; e < n; e++)
            x[e] = (float)next_random(&seed) / 8388608.0f - 1.0f;
        f->quantize(x, blocks, n, NULL);
        f->dequantize(blocks, back, n);
        for (uint64_t e = 0; e < n; e++)
            if (!(fabsf(back[e] - x[e]) <= error_max(f)))
                fail_msg("%s: %g became %g, bound %g", f->name, (double)x[e], (double)back[e], (double)error_max(f));
    }
}

static void test_formats__a_nan_spoils_its_own_block_only(void **state)
{
    (void)state;
    uint32_t seed = 5;
    for (size_t i = 0; i < collet_n_formats; i++) {
        const collet_format *f = &collet_formats[i];
        uint8_t clean[3 * 292], spoilt[3 * 292]; // q8_k has the largest blocks
        float x[3 * 256];
        uint64_t n = 3 * f->block_elems, middle = f->block_elems + f->block_elems / 2;
        size_t b = f->block_bytes;
        if (!f->quantize)
            continue;
        assert_true(n <= COLLET_COUNT(x) && 3 * b <= sizeof clean);
        for (uint64_t e = 0; e < n; e++)
            x[e] = (float)next_random(&seed) / 8388608.0f - 1.0f;
        f->quantize(x, clean, n, NULL);
        x[middle] = (float)NAN;
        f->quantize(x, spoilt, n, NULL);
        assert_memory_equal(spoilt, clean, b);
        assert_memory_equal(spoilt + 2 * b, clean + 2 * b, b);
    }
}

// The encoders that read importances: of most values, each 16th matters a thousand times more.
static void test_formats__importances_are_heeded(void **state)
{
    (void)state;
    static const char *const searched[] = { "q4_0", "q4_1", "q5_0", "q5_1",   "q2_k",   "q3_k",
                                            "q4_k", "q5_k", "q6_k", "iq4_nl", "iq4_xs", "mxfp4" };
    for (size_t i = 0; i < COLLET_COUNT(searched); i++) {
        const collet_format *f = collet_format_find(searched[i]);
        static float x[8192], imatrix[8192], back[8192];
        static uint8_t plain[8192], blocks[8192];
        uint32_t seed = 7;
        double error[2] = { 0.0 };
        for (uint32_t e = 0; e < 8192; e++) {
            x[e] = (float)next_random(&seed) / 8388608.0f + (float)next_random(&seed) / 8388608.0f - 2.0f;
            imatrix[e] = e % 16 ? 1.0f : 1000.0f;
        }
        for (int with = 0; with < 2; with++) {
            f->quantize(x, blocks, 8192, with ? imatrix : NULL);
            f->dequantize(blocks, back, 8192);
            for (uint32_t e = 0; e < 8192; e++)
                error[with] += (double)imatrix[e] * (back[e] - x[e]) * (back[e] - x[e]);
        }
        // mxfp4 has powers of two to choose from, and may choose no other.
        if (!(error[1] < (strcmp(f->name, "mxfp4") == 0 ? 0.98 : 0.9) * error[0]))
            fail_msg("%s: weighted error %g with importances, %g without", f->name, error[1], error[0]);
        // Nothing known of any element is the same as no importances, or as equal ones where none means the size of x.
        const bool by_size =
            strcmp(f->name, "q2_k") == 0 || strcmp(f->name, "q4_k") == 0 || strcmp(f->name, "q5_k") == 0;
        for (uint32_t e = 0; e < 8192; e++)
            imatrix[e] = 1.0f;
        f->quantize(x, plain, 8192, by_size ? imatrix : NULL);
        memset(imatrix, 0, sizeof imatrix);
        f->quantize(x, blocks, 8192, imatrix);
        assert_memory_equal(blocks, plain, 8192 / f->block_elems * f->block_bytes);
    }
}

// A value that a format can state exactly comes back as it is, whatever the scale: no drift in requantized files.
static void test_formats__blocks_of_zeros_and_of_one_value_are_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < collet_n_formats; i++) {
        const collet_format *f = &collet_formats[i];
        float x[256], back[256];
        uint8_t blocks[1024];
        if (!f->quantize)
            continue;
        for (int power = -2; power <= 10; power += 3) // below, scales of scales become f16 subnormals
            for (int sign = -1; sign <= 1; sign++) {
                float value = (float)sign * ldexpf(1.0f, power);
                for (uint32_t e = 0; e < 256; e++)
                    x[e] = value;
                f->quantize(x, blocks, 256, NULL);
                f->dequantize(blocks, back, 256);
                for (uint32_t e = 0; e < 256; e++)
                    if (!(fabsf(back[e] - value) <= 0.01f * fabsf(value)))
                        fail_msg("%s: %g became %g", f->name, (double)value, (double)back[e]);
            }
    }
}

static void test_formats__q8_1_carries_the_sum_of_q8_0(void **state)
{
    (void)state;
    float x[32];
    collet_q8_0 q8_0;
    collet_q8_1 q8_1;
    for (int i = 0; i < 32; i++)
        x[i] = (float)(i * i) * 0.01f - 3.0f;
    collet_quantize_q8_0(x, &q8_0, 32, NULL);
    collet_quantize_q8_1(x, &q8_1, 32, NULL);
    int32_t sum = 0;
    for (int i = 0; i < 32; i++)
        sum += q8_1.q[i];
    assert_int_equal(q8_1.d, q8_0.d);
    assert_memory_equal(q8_1.q, q8_0.q, 32);
    float want = (float)sum * collet_f16_to_f32(q8_1.d);
    assert_true(fabsf(collet_f16_to_f32(q8_1.s) - want) <= 0.001f * fabsf(want) + 0.001f);
}

// Packs 8 scales and 8 minima in the other direction than quant_k_scales.h reads them.
static void test_formats__k_scales_are_read_as_they_are_packed(void **state)
{
    (void)state;
    uint32_t seed = 6;
    for (int round = 0; round < 100; round++) {
        uint8_t scale[8], min[8], s[12] = { 0 };
        for (uint32_t j = 0; j < 8; j++) {
            scale[j] = next_random(&seed) & 63;
            min[j] = next_random(&seed) & 63;
            s[j < 4 ? j : j + 4] |= (uint8_t)(j < 4 ? scale[j] : (scale[j] & 15));
            s[j + 4] |= (uint8_t)(j < 4 ? min[j] : (min[j] & 15) << 4);
            if (j >= 4) {
                s[j - 4] |= (uint8_t)(scale[j] >> 4 << 6);
                s[j] |= (uint8_t)(min[j] >> 4 << 6);
            }
        }
        for (uint32_t j = 0; j < 8; j++) {
            assert_int_equal(collet_k_scale(s, j), scale[j]);
            assert_int_equal(collet_k_min(s, j), min[j]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats__names_and_ids_are_unique),
        cmocka_unit_test(test_formats__any_bytes_decode_within_their_memory),
        cmocka_unit_test(test_formats__unaligned_blocks_decode_alike),
        cmocka_unit_test(test_formats__any_floats_encode_within_their_memory),
        cmocka_unit_test(test_formats__encoders_stay_within_a_step),
        cmocka_unit_test(test_formats__a_nan_spoils_its_own_block_only),
        cmocka_unit_test(test_formats__importances_are_heeded),
        cmocka_unit_test(test_formats__blocks_of_zeros_and_of_one_value_are_kept),
        cmocka_unit_test(test_formats__q8_1_carries_the_sum_of_q8_0),
        cmocka_unit_test(test_formats__k_scales_are_read_as_they_are_packed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
