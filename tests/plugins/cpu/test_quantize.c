// SPDX-License-Identifier: Apache-2.0
// tests/plugins/cpu/test_quantize.c - every line of quant_kernels.inc writes the bytes of its plain twin.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "collet/plugin/host.h"
#include "collet/plugin/quant.h"
#include "plugins/cpu/quant/quant_kernels.h"
#include "tests/support/guard.h"
#include "tests/support/test_host.h"

typedef struct line {
    const char *name, *format;
    uint32_t isa;
    collet_quantize_fn *run;
    const collet_module *module;
} line;

static const line lines[] = {
#define QUANTIZER(level, i, f, ggml, elems, bytes) \
    { .name = "quantize_" #f "_" #level,           \
      .format = #f,                                \
      .isa = COLLET_ISA_##i,                       \
      .run = collet_cpu_quantize_##f##_##level,    \
      .module = &collet_cpu_quant_##f##_##level },
#include "plugins/cpu/quant/quant_kernels.inc"
#undef QUANTIZER
    { .name = NULL },
};

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static float uniform(uint32_t *seed)
{
    return (float)next_random(seed) / 8388608.0f - 1.0f;
}

// What a weight may be: values of one size, of all sizes, mostly zeros, and the edges of f32 and f16.
enum { BELL, HEAVY, ANY_SIZE, SPARSE, ONE_SIDED, EDGES, N_KINDS };

static float value_of(int kind, uint64_t i, uint32_t *seed)
{
    static const float edges[] = { 0.0f,  -0.0f,  1.0f,   -1.0f,     65504.0f, -70000.0f, 1e-8f,
                                   3e38f, -3e38f, 1e-45f, -1.2e-38f, 0.1f,     1e-15f,    -1e-16f };
    float bell = uniform(seed) + uniform(seed) + uniform(seed);
    switch (kind) {
    case BELL:
        return bell;
    case HEAVY:
        return 0.02f * bell * bell * bell;
    case ANY_SIZE:
        return ldexpf(bell, (int)(i / 256 % 250) - 125);
    case SPARSE:
        return next_random(seed) % 4 ? 0.0f : bell;
    case ONE_SIDED:
        return 2.0f + fabsf(bell);
    default:
        return edges[next_random(seed) % COLLET_COUNT(edges)];
    }
}

static const line *offered(void **state)
{
    const line *l = *state;
    collet_test_host h;
    collet_test_host_init(&h, 1);
    const collet_host_cpu *cpu = h.host.get(h.host.self, COLLET_HOST_CPU_ID);
    int here = cpu && (cpu->isa_mask & l->isa);
    collet_test_host_finish(&h);
    if (!here) {
        fprintf(stderr, "skipped: %s: this CPU lacks the level\n", l->name);
        skip();
    }
    return l;
}

static void compare(const line *l, const collet_format *f, uint64_t n, int kind, int with_imatrix, uint32_t *seed)
{
    size_t n_bytes = n / f->block_elems * f->block_bytes;
    collet_guard x = collet_guard_make(n * sizeof(float)), p = collet_guard_make(n * sizeof(float));
    collet_guard want = collet_guard_make(n_bytes), got = collet_guard_make(n_bytes);
    float *values = x.data, *importances = p.data;
    for (uint64_t i = 0; i < n; i++) {
        values[i] = value_of(kind, i, seed);
        importances[i] = i % 1024 < 256 || next_random(seed) % 8 == 0 ? 0.0f : expf(3.0f * uniform(seed));
    }
    f->quantize(values, want.data, n, with_imatrix ? importances : NULL);
    l->run(values, got.data, n, with_imatrix ? importances : NULL);
    for (size_t b = 0; b < n_bytes; b++)
        if (((uint8_t *)got.data)[b] != ((uint8_t *)want.data)[b])
            fail_msg("%s, kind %d, imatrix %d: byte %zu of block %zu is %02x, the twin's %02x", l->name, kind,
                     with_imatrix, b % f->block_bytes, b / f->block_bytes, ((uint8_t *)got.data)[b],
                     ((uint8_t *)want.data)[b]);
    collet_guard_free(&got);
    collet_guard_free(&want);
    collet_guard_free(&p);
    collet_guard_free(&x);
}

static void test_quantize__kernel_writes_the_bytes_of_its_twin(void **state)
{
    const line *l = offered(state);
    const collet_format *f = collet_format_find(l->format);
    static const uint64_t blocks[] = { 1, 2, 3, 21, 64 };
    uint32_t seed = 1;
    assert_non_null(f);
    for (int kind = 0; kind < N_KINDS; kind++)
        for (int with = 0; with < 2; with++)
            for (size_t b = 0; b < COLLET_COUNT(blocks); b++)
                compare(l, f, blocks[b] * (blocks[b] == 64 ? 4096 / f->block_elems : 1) * f->block_elems, kind, with,
                        &seed);
}

// A block with NaN or infinity has no meaning; its neighbours keep theirs.
static void test_quantize__kernel_keeps_neighbours_of_a_nan(void **state)
{
    const line *l = offered(state);
    const collet_format *f = collet_format_find(l->format);
    static const float bad[] = { (float)NAN, (float)INFINITY, -(float)INFINITY };
    float x[3 * 256];
    uint8_t clean[3 * 292], spoilt[3 * 292];
    uint32_t seed = 2;
    size_t b = f->block_bytes;
    for (size_t k = 0; k < COLLET_COUNT(bad); k++)
        for (uint32_t at = 0; at < f->block_elems; at += 7) {
            for (uint32_t i = 0; i < 3 * f->block_elems; i++)
                x[i] = uniform(&seed);
            l->run(x, clean, 3 * f->block_elems, NULL);
            x[f->block_elems + at] = bad[k];
            l->run(x, spoilt, 3 * f->block_elems, NULL);
            assert_memory_equal(spoilt, clean, b);
            assert_memory_equal(spoilt + 2 * b, clean + 2 * b, b);
        }
}

// f16 and bf16 have decoders of their own here: every value, NaN too.
static void test_quantize__modules_decode_bit_for_bit(void **state)
{
    enum { N = 65536 + 37 };
    (void)state;
    collet_guard bytes = collet_guard_make(2 * N);
    collet_guard want = collet_guard_make(N * sizeof(float)), got = collet_guard_make(N * sizeof(float));
    uint16_t *halves = bytes.data;
    for (uint32_t i = 0; i < N; i++)
        halves[i] = (uint16_t)(i * 3);
    collet_test_host h;
    collet_test_host_init(&h, 1);
    const collet_host_cpu *cpu = h.host.get(h.host.self, COLLET_HOST_CPU_ID);
    for (const line *l = lines; l->name; l++) {
        const collet_quant_vt *vt = l->module->vt;
        if (!cpu || !(cpu->isa_mask & l->isa) || vt->block_bytes != 2)
            continue;
        collet_format_find(l->format)->dequantize(halves, want.data, N);
        vt->dequantize(NULL, halves, got.data, N);
        assert_memory_equal(got.data, want.data, N * sizeof(float));
    }
    collet_test_host_finish(&h);
    collet_guard_free(&got);
    collet_guard_free(&want);
    collet_guard_free(&bytes);
}

static void test_quantize__modules_state_the_geometry_of_their_format(void **state)
{
    (void)state;
    for (const line *l = lines; l->name; l++) {
        const collet_quant_vt *vt = l->module->vt;
        const collet_format *f = collet_format_find(vt->format);
        assert_non_null(f);
        assert_string_equal(vt->format, l->format);
        assert_int_equal(vt->ggml_type, f->ggml_type);
        assert_int_equal(vt->block_elems, f->block_elems);
        assert_int_equal(vt->block_bytes, f->block_bytes);
        assert_non_null(vt->quantize);
    }
}

static const void *no_cpu(void *self, const char *iface)
{
    (void)self;
    (void)iface;
    return NULL;
}

static void test_quantize__a_missing_level_is_refused_with_a_reason(void **state)
{
    (void)state;
    collet_test_host h;
    collet_test_host_init(&h, 1);
    collet_host bare = h.host;
    bare.get = no_cpu;
    for (const line *l = lines; l->name; l++) {
        collet_probe found = { .size = sizeof found, .verdict = COLLET_PROBE_OK };
        l->module->probe(&bare, &found);
        assert_int_equal(found.verdict, COLLET_PROBE_UNAVAILABLE);
        assert_true(found.why[0] != '\0');
    }
    collet_test_host_finish(&h);
}

int main(void)
{
    enum { N = 2 * (sizeof lines / sizeof lines[0]) };
    static char names[N][96];
    struct CMUnitTest tests[N + 3] = {
        cmocka_unit_test(test_quantize__modules_state_the_geometry_of_their_format),
        cmocka_unit_test(test_quantize__a_missing_level_is_refused_with_a_reason),
        cmocka_unit_test(test_quantize__modules_decode_bit_for_bit),
    };
    size_t n = 3;
    for (const line *l = lines; l->name; l++) {
        snprintf(names[n - 3], sizeof names[0], "test_quantize__%s_writes_the_bytes_of_its_twin", l->name);
        tests[n] = (struct CMUnitTest){ .name = names[n - 3],
                                        .test_func = test_quantize__kernel_writes_the_bytes_of_its_twin,
                                        .initial_state = (void *)(uintptr_t)l };
        n++;
        snprintf(names[n - 3], sizeof names[0], "test_quantize__%s_keeps_neighbours_of_a_nan", l->name);
        tests[n] = (struct CMUnitTest){ .name = names[n - 3],
                                        .test_func = test_quantize__kernel_keeps_neighbours_of_a_nan,
                                        .initial_state = (void *)(uintptr_t)l };
        n++;
    }
    return _cmocka_run_group_tests("quantize", tests, n, NULL, NULL);
}
