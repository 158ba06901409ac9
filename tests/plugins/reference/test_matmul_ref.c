// SPDX-License-Identifier: Apache-2.0
// tests/plugins/reference/test_matmul_ref.c - cpu.matmul.ref against the sum it is defined by, for every format.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/common/formats.h"
#include "plugins/reference/reference.h"
#include "tests/support/op_call.h"

typedef struct shape {
    uint32_t n_tokens, n_out, n_blocks; // n_in is n_blocks blocks
    uint32_t gap;                       // floats between rows of x and y that belong to somebody else
} shape;

typedef struct matmul_case {
    collet_op_call call;
    collet_matmul_params params;
    const collet_format *format;
    uint32_t n_tokens, n_in, n_out, row; // row: floats from one row of x or y to the next, less n_in or n_out
    float *x, *y;
    uint8_t *w;
    size_t w_row_bytes;
} matmul_case;

static void make(matmul_case *c, collet_test_host *h, const collet_format *format, const shape *s)
{
    *c = (matmul_case){ .format = format,
                        .n_tokens = s->n_tokens,
                        .n_in = s->n_blocks * format->block_elems,
                        .n_out = s->n_out,
                        .row = s->gap,
                        .params = { .size = sizeof c->params, .tensor = "blk.0.ffn_up.weight" } };
    const int64_t x_shape[] = { c->n_tokens, c->n_in }, w_shape[] = { c->n_out, c->n_in };
    const int64_t y_shape[] = { c->n_tokens, c->n_out };
    const size_t between = (size_t)(c->n_tokens - 1) * s->gap; // the last row ends where the memory does
    c->w_row_bytes = (size_t)s->n_blocks * format->block_bytes;
    collet_op_call_begin(&c->call, h, &collet_cpu_matmul_ref, COLLET_OP_MATMUL, &c->params);
    c->x = collet_op_call_in(&c->call, "f32", 2, x_shape, ((size_t)c->n_tokens * c->n_in + between) * sizeof(float));
    c->w = collet_op_call_in(&c->call, format->name, 2, w_shape, c->n_out * c->w_row_bytes);
    c->y = collet_op_call_out(&c->call, "f32", 2, y_shape, ((size_t)c->n_tokens * c->n_out + between) * sizeof(float));
    c->call.in[0].stride[0] = (int64_t)(c->n_in + s->gap) * 4;
    c->call.out[0].stride[0] = (int64_t)(c->n_out + s->gap) * 4;

    uint64_t seed = 1 + c->n_in + 31 * c->n_out;
    for (uint32_t t = 0; t < c->n_tokens; t++)
        for (uint32_t i = 0; i < c->n_in; i++)
            c->x[(size_t)t * (c->n_in + s->gap) + i] = collet_test_random(&seed);
    // Bytes below 60 keep exponents small: no infinity in any format.
    for (size_t i = 0; i < c->n_out * c->w_row_bytes; i++)
        c->w[i] = (uint8_t)fabsf(60.0f * collet_test_random(&seed));
}

static double want(const matmul_case *c, const float *weights, uint32_t token, uint32_t out, double *magnitude)
{
    long double sum = 0.0L, absolute = 0.0L;
    for (uint32_t i = 0; i < c->n_in; i++) {
        const long double p =
            (long double)c->x[(size_t)token * (c->n_in + c->row) + i] * weights[(size_t)out * c->n_in + i];
        sum += p;
        absolute += fabsl(p);
    }
    *magnitude = (double)absolute;
    return (double)sum;
}

static void check(const matmul_case *c)
{
    float *weights = malloc((size_t)c->n_out * c->n_in * sizeof *weights);
    assert_non_null(weights);
    for (uint32_t o = 0; o < c->n_out; o++)
        c->format->dequantize(c->w + o * c->w_row_bytes, weights + (size_t)o * c->n_in, c->n_in);
    for (uint32_t t = 0; t < c->n_tokens; t++) {
        const float *y = c->y + (size_t)t * (c->n_out + c->row);
        for (uint32_t o = 0; o < c->n_out; o++) {
            double magnitude = 0.0;
            const double w = want(c, weights, t, o, &magnitude);
            // The rounding to f32, and what double loses on the way.
            assert_true(fabs(y[o] - w) <= 0x1p-24 * fabs(w) + 1e-13 * magnitude + 0x1p-149);
        }
        for (uint32_t i = 0; i < c->row && t + 1 < c->n_tokens; i++)
            assert_true(isnan(y[c->n_out + i])); // not ours
    }
    free(weights);
}

static void test_matmul_ref__every_format_is_the_sum_of_its_products(void **state)
{
    (void)state;
    static const shape shapes[] = { { 1, 1, 1, 0 }, { 1, 7, 3, 0 }, { 3, 5, 1, 0 }, { 4, 2, 5, 3 } };
    static const uint32_t workers[] = { 1, 3 };
    for (size_t w = 0; w < COLLET_COUNT(workers); w++) {
        collet_test_host h;
        collet_test_host_init(&h, workers[w]);
        for (size_t f = 0; f < collet_n_formats; f++)
            for (size_t s = 0; s < COLLET_COUNT(shapes); s++) {
                matmul_case c;
                make(&c, &h, &collet_formats[f], &shapes[s]);
                collet_op_call_run(&c.call);
                check(&c);
                collet_op_call_end(&c.call);
            }
        collet_test_host_finish(&h);
    }
}

static void test_matmul_ref__tokens_do_not_influence_each_other(void **state)
{
    (void)state;
    collet_test_host h;
    collet_test_host_init(&h, 2);
    matmul_case c;
    make(&c, &h, collet_format_find("q8_0"), &(shape){ 3, 5, 2, 0 });
    c.x[c.n_in + 3] = NAN;
    c.x[2 * c.n_in] = INFINITY;
    collet_op_call_run(&c.call);
    for (uint32_t o = 0; o < c.n_out; o++) {
        assert_true(isfinite(c.y[o]));
        assert_true(isnan(c.y[c.n_out + o]));
        assert_false(isfinite(c.y[2 * c.n_out + o]));
    }
    collet_op_call_end(&c.call);
    collet_test_host_finish(&h);
}

static void test_matmul_ref__does_not_depend_on_the_number_of_workers(void **state)
{
    (void)state;
    float first[4 * 37] = { 0 };
    for (uint32_t n = 1; n <= 5; n += 2) {
        collet_test_host h;
        collet_test_host_init(&h, n);
        matmul_case c;
        make(&c, &h, collet_format_find("q4_1"), &(shape){ 4, 37, 3, 0 });
        collet_op_call_run(&c.call);
        if (n == 1)
            memcpy(first, c.y, sizeof first);
        assert_memory_equal(first, c.y, sizeof first);
        collet_op_call_end(&c.call);
        collet_test_host_finish(&h);
    }
}

static void test_matmul_ref__refuses_with_a_reason(void **state)
{
    (void)state;
    collet_test_host h;
    collet_test_host_init(&h, 1);
    matmul_case sound;
    make(&sound, &h, collet_format_find("q4_0"), &(shape){ 2, 4, 2, 0 });
    COLLET_ASSERT_REFUSED(&sound.call, c.desc.op = h.host.intern(h.host.self, "conv"), "no such op");
    COLLET_ASSERT_REFUSED(&sound.call, c.desc.op = 0, "no such op");
    COLLET_ASSERT_REFUSED(&sound.call, c.desc.n_in = 1, "1 inputs");
    COLLET_ASSERT_REFUSED(&sound.call, c.in_list[1] = NULL, "missing");
    COLLET_ASSERT_REFUSED(&sound.call, c.desc.params = NULL, "params");
    COLLET_ASSERT_REFUSED(&sound.call, c.in[0].format = h.host.intern(h.host.self, "f16"), "x: another element format");
    COLLET_ASSERT_REFUSED(&sound.call, c.in[0].n_dims = 3, "x: 3 dimensions");
    COLLET_ASSERT_REFUSED(&sound.call, c.in[0].stride[1] = 8, "x: elements of a row");
    COLLET_ASSERT_REFUSED(&sound.call, c.in[0].stride[0] = 6 + 4 * 64, "x: rows");
    COLLET_ASSERT_REFUSED(&sound.call, c.out[0].stride[0] = 4, "y: rows");
    COLLET_ASSERT_REFUSED(&sound.call, c.in[1].format = h.host.intern(h.host.self, "q9_9"), "q9_9");
    COLLET_ASSERT_REFUSED(&sound.call, c.in[1].format = 0, "not decoded");
    COLLET_ASSERT_REFUSED(&sound.call, c.in[1].layout = h.host.intern(h.host.self, "q4_0.r8.avx2"), "packed");
    COLLET_ASSERT_REFUSED(&sound.call, c.in[1].shape[1] = 48, "whole blocks of 32");
    COLLET_ASSERT_REFUSED(&sound.call, c.in[1].shape[1] = 96, "does not fit");
    COLLET_ASSERT_REFUSED(&sound.call, c.in[1].shape[0] = 5, "does not fit");
    collet_op_call_end(&sound.call);
    collet_test_host_finish(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matmul_ref__every_format_is_the_sum_of_its_products),
        cmocka_unit_test(test_matmul_ref__tokens_do_not_influence_each_other),
        cmocka_unit_test(test_matmul_ref__does_not_depend_on_the_number_of_workers),
        cmocka_unit_test(test_matmul_ref__refuses_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
