// SPDX-License-Identifier: Apache-2.0
// tests/plugins/reference/test_ops_ref.c - each op of cpu.ops.ref against its formula in ops.h, written once more.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/common/formats.h"
#include "plugins/reference/reference.h"
#include "tests/support/op_call.h"

typedef struct shape {
    uint32_t rows, heads, n; // heads 0: two dimensions
} shape;

// One row, one element, odd sizes, more rows than workers and fewer.
static const shape shapes[] = { { 1, 0, 1 }, { 1, 0, 7 }, { 2, 0, 64 }, { 7, 0, 33 }, { 1, 1, 8 }, { 5, 3, 10 } };

typedef struct ops_case {
    collet_op_call call;
    shape s;
    size_t n; // elements of x
    float *x, *b, *y;
    float *x0; // x before the op: it may work in place
} ops_case;

static int64_t *dims(const shape *s, int64_t out[3])
{
    out[0] = s->rows;
    out[1] = s->heads ? s->heads : s->n;
    out[2] = s->n;
    return out;
}

// x, then further inputs as the op wants them, then y.
static void begin(ops_case *c, collet_test_host *h, const char *op, const void *params, const shape *s)
{
    *c = (ops_case){ .s = *s, .n = (size_t)s->rows * (s->heads ? s->heads : 1) * s->n };
    collet_op_call_begin(&c->call, h, &collet_cpu_ops_ref, op, params);
    int64_t d[3];
    uint64_t seed = 5 + c->n;
    c->x = collet_op_call_in(&c->call, "f32", s->heads ? 3 : 2, dims(s, d), c->n * sizeof(float));
    c->x0 = malloc(c->n * sizeof(float));
    assert_non_null(c->x0);
    for (size_t i = 0; i < c->n; i++)
        c->x[i] = c->x0[i] = 6.0f * collet_test_random(&seed);
}

static void second(ops_case *c)
{
    int64_t d[3];
    uint64_t seed = 77 + c->n;
    c->b = collet_op_call_in(&c->call, "f32", c->s.heads ? 3 : 2, dims(&c->s, d), c->n * sizeof(float));
    for (size_t i = 0; i < c->n; i++)
        c->b[i] = 3.0f * collet_test_random(&seed);
}

static float *vector(ops_case *c, uint32_t n)
{
    uint64_t seed = 99 + n;
    float *v = collet_op_call_in(&c->call, "f32", 1, &(int64_t){ n }, n * sizeof(float));
    for (uint32_t i = 0; i < n; i++)
        v[i] = collet_test_random(&seed);
    return v;
}

static int32_t *indices(ops_case *c, uint32_t n)
{
    return collet_op_call_in(&c->call, "i32", 1, &(int64_t){ n }, n * sizeof(int32_t));
}

static void output(ops_case *c, bool in_place)
{
    int64_t d[3];
    if (in_place)
        collet_op_call_in_place(&c->call);
    else
        collet_op_call_out(&c->call, "f32", c->s.heads ? 3 : 2, dims(&c->s, d), c->n * sizeof(float));
    c->y = c->call.out[0].data;
}

static void end(ops_case *c)
{
    free(c->x0);
    collet_op_call_end(&c->call);
}

static void assert_near(float got, double want)
{
    assert_true(fabs(got - want) <= 1.2e-7 * fabs(want) + 1e-30);
}

// Runs `body` for all shapes, in place and not, with 1 and 3 workers.
static void for_all(void (*body)(collet_test_host *h, const shape *s, bool in_place))
{
    for (uint32_t workers = 1; workers <= 3; workers += 2) {
        collet_test_host h;
        collet_test_host_init(&h, workers);
        for (size_t i = 0; i < COLLET_COUNT(shapes); i++)
            for (int in_place = 0; in_place < 2; in_place++)
                body(&h, &shapes[i], in_place);
        collet_test_host_finish(&h);
    }
}

// ---- rmsnorm ----

static void rmsnorm(collet_test_host *h, const shape *s, bool in_place)
{
    const collet_norm_params params = { .size = sizeof params, .eps = 1e-3f };
    ops_case c;
    begin(&c, h, "rmsnorm", &params, s);
    const float *w = vector(&c, s->n);
    output(&c, in_place);
    for (uint32_t i = 0; i < s->n; i++)
        c.x[i] = c.x0[i] = 0.0f; // a row of zeros stays one: eps
    collet_op_call_run(&c.call);
    for (size_t r = 0; r < c.n / s->n; r++) {
        long double squares = 0.0L;
        for (uint32_t i = 0; i < s->n; i++)
            squares += (long double)c.x0[r * s->n + i] * c.x0[r * s->n + i];
        for (uint32_t i = 0; i < s->n; i++)
            assert_near(c.y[r * s->n + i],
                        (double)(c.x0[r * s->n + i] / sqrtl(squares / s->n + (long double)params.eps) * w[i]));
    }
    end(&c);
}

static void test_ops_ref__rmsnorm_divides_by_the_root_of_the_mean_square(void **state)
{
    (void)state;
    for_all(rmsnorm);
}

// ---- element by element ----

static double silu(double x)
{
    return x / (1.0 + exp(-x));
}

static double gelu(double x)
{
    return 0.5 * x * (1.0 + tanh(sqrt(2.0 / M_PI) * (x + 0.044715 * pow(x, 3.0))));
}

static double want_pair(const char *op, double a, double b)
{
    if (strcmp(op, "add") == 0)
        return a + b;
    return (strcmp(op, "silu_mul") == 0 ? silu(a) : gelu(a)) * b;
}

static void pairs(collet_test_host *h, const shape *s, bool in_place)
{
    static const char *const names[] = { "add", "silu_mul", "gelu_mul" };
    static const float hard[] = { 0.0f, -0.0f, 89.0f, -89.0f, 1000.0f, -1000.0f, 1e-30f };
    for (size_t k = 0; k < COLLET_COUNT(names); k++) {
        ops_case c;
        begin(&c, h, names[k], NULL, s);
        second(&c);
        output(&c, in_place);
        for (size_t i = 0; i < c.n && i < COLLET_COUNT(hard); i++)
            c.x[i] = c.x0[i] = hard[i];
        if (c.n > 8)
            c.x[8] = c.x0[8] = NAN;
        collet_op_call_run(&c.call);
        for (size_t i = 0; i < c.n; i++)
            if (isnan(c.x0[i]))
                assert_true(isnan(c.y[i]));
            else
                assert_near(c.y[i], want_pair(names[k], c.x0[i], c.b[i]));
        end(&c);
    }
}

static void test_ops_ref__add_silu_mul_and_gelu_mul_follow_their_formulas(void **state)
{
    (void)state;
    for_all(pairs);
}

static void softcap(collet_test_host *h, const shape *s, bool in_place)
{
    const collet_softcap_params params = { .size = sizeof params, .cap = 2.5f };
    ops_case c;
    begin(&c, h, "softcap", &params, s);
    output(&c, in_place);
    c.x[0] = c.x0[0] = 1e30f;
    collet_op_call_run(&c.call);
    assert_near(c.y[0], 2.5);
    for (size_t i = 1; i < c.n; i++)
        assert_near(c.y[i], 2.5 * tanh(c.x0[i] / 2.5));
    end(&c);
}

static void test_ops_ref__softcap_bounds_and_keeps_the_sign(void **state)
{
    (void)state;
    for_all(softcap);
}

// ---- rope ----

// Rotation as multiplication of complex numbers.
static void want_rope(double out[2], const float *x, uint32_t i, const collet_rope_params *p, const float *freq,
                      int32_t position)
{
    const uint32_t a = p->pairs == COLLET_ROPE_NORM ? 2 * i : i;
    const uint32_t b = p->pairs == COLLET_ROPE_NORM ? 2 * i + 1 : i + p->n_rot / 2;
    const double angle = (double)position * freq[i];
    out[0] = p->mscale * (x[a] * cos(angle) - x[b] * sin(angle));
    out[1] = p->mscale * (x[b] * cos(angle) + x[a] * sin(angle));
}

static void check_rope(const ops_case *c, const collet_rope_params *p, const float *freq, const int32_t *positions)
{
    for (uint32_t t = 0; t < c->s.rows; t++)
        for (uint32_t h = 0; h < c->s.heads; h++) {
            const float *x = c->x0 + ((size_t)t * c->s.heads + h) * c->s.n;
            const float *y = c->y + ((size_t)t * c->s.heads + h) * c->s.n;
            for (uint32_t i = 0; i < p->n_rot / 2; i++) {
                double want[2];
                want_rope(want, x, i, p, freq, positions[t]);
                const double room = 1e-6 * (fabs(x[0]) + 10.0); // cancellation: absolute
                assert_true(fabs(y[p->pairs == COLLET_ROPE_NORM ? 2 * i : i] - want[0]) <= room);
                assert_true(fabs(y[p->pairs == COLLET_ROPE_NORM ? 2 * i + 1 : i + p->n_rot / 2] - want[1]) <= room);
            }
            assert_memory_equal(y + p->n_rot, x + p->n_rot, (c->s.n - p->n_rot) * sizeof *y);
            if (positions[t] == 0 && p->mscale == 1.0f)
                assert_memory_equal(y, x, c->s.n * sizeof *y);
        }
}

static void rope(collet_test_host *h, const shape *s, bool in_place)
{
    if (s->heads == 0)
        return;
    for (uint32_t pairs_of = COLLET_ROPE_NORM; pairs_of <= COLLET_ROPE_NEOX; pairs_of++)
        for (uint32_t n_rot = 2; n_rot <= s->n; n_rot += s->n - 2) {
            const collet_rope_params params = {
                .size = sizeof params, .pairs = pairs_of, .n_rot = n_rot, .mscale = n_rot == 2 ? 1.0f : 1.25f
            };
            ops_case c;
            begin(&c, h, "rope", &params, s);
            int32_t *positions = indices(&c, s->rows);
            for (uint32_t t = 0; t < s->rows; t++)
                positions[t] = (int32_t)(t * t * 30011); // ragged batches: not consecutive, and far
            const float *freq = vector(&c, n_rot / 2);
            output(&c, in_place);
            collet_op_call_run(&c.call);
            check_rope(&c, &params, freq, positions);
            end(&c);
        }
}

static void test_ops_ref__rope_rotates_pairs_and_copies_the_rest(void **state)
{
    (void)state;
    for_all(rope);
}

// ---- rows ----

static void test_ops_ref__embed_decodes_every_format(void **state)
{
    (void)state;
    enum { VOCAB = 5, TOKENS = 4 };
    static const int32_t ids[TOKENS] = { 4, 0, 4, 2 };
    collet_test_host h;
    collet_test_host_init(&h, 3);
    for (size_t k = 0; k < collet_n_formats; k++) {
        const collet_format *format = &collet_formats[k];
        const int64_t dim = 2 * format->block_elems, row_bytes = 2 * format->block_bytes;
        const collet_embed_params params = { .size = sizeof params, .scale = 1.5f };
        collet_op_call c;
        collet_op_call_begin(&c, &h, &collet_cpu_ops_ref, "embed", &params);
        memcpy(collet_op_call_in(&c, "i32", 1, &(int64_t){ TOKENS }, sizeof ids), ids, sizeof ids);
        uint8_t *table = collet_op_call_in(&c, format->name, 2, (int64_t[]){ VOCAB, dim }, VOCAB * (size_t)row_bytes);
        for (int64_t i = 0; i < VOCAB * row_bytes; i++)
            table[i] = (uint8_t)(i * 7 % 60);
        float *y = collet_op_call_out(&c, "f32", 2, (int64_t[]){ TOKENS, dim }, TOKENS * (size_t)dim * sizeof(float));
        collet_op_call_run(&c);
        float *row = malloc((size_t)dim * sizeof *row);
        assert_non_null(row);
        for (uint32_t t = 0; t < TOKENS; t++) {
            format->dequantize(table + ids[t] * row_bytes, row, (uint64_t)dim);
            for (int64_t i = 0; i < dim; i++)
                assert_true(y[t * dim + i] == row[i] * 1.5f);
        }
        free(row);
        collet_op_call_end(&c);
    }
    collet_test_host_finish(&h);
}

static void test_ops_ref__take_rows_takes_them_in_the_order_given(void **state)
{
    (void)state;
    static const int32_t rows[] = { 6, 1, 1 };
    collet_test_host h;
    collet_test_host_init(&h, 2);
    ops_case c;
    begin(&c, &h, "take_rows", NULL, &(shape){ 7, 0, 5 });
    memcpy(indices(&c, 3), rows, sizeof rows);
    const float *y = collet_op_call_out(&c.call, "f32", 2, (int64_t[]){ 3, 5 }, 3 * 5 * sizeof(float));
    collet_op_call_run(&c.call);
    for (uint32_t r = 0; r < 3; r++)
        assert_memory_equal(y + (size_t)r * 5, c.x + (size_t)rows[r] * 5, 5 * sizeof *y);
    end(&c);
    collet_test_host_finish(&h);
}

// ---- refusals ----

static void test_ops_ref__refuses_what_it_would_misread(void **state)
{
    (void)state;
    collet_test_host h;
    collet_test_host_init(&h, 1);
    const collet_norm_params norm = { .size = sizeof norm, .eps = 1e-5f };
    ops_case sound;
    begin(&sound, &h, "rmsnorm", &norm, &(shape){ 2, 0, 6 });
    vector(&sound, 6);
    output(&sound, false);
    const uint32_t f16 = h.host.intern(h.host.self, "f16");
    const collet_norm_params cut = { .size = 4, .eps = 1e-5f };
    COLLET_ASSERT_REFUSED(&sound.call, c.desc.op = h.host.intern(h.host.self, "layernorm"), "no such op");
    COLLET_ASSERT_REFUSED(&sound.call, c.desc.op = 0, "no such op");
    COLLET_ASSERT_REFUSED(&sound.call, c.desc.params = NULL, "params of 0 bytes");
    COLLET_ASSERT_REFUSED(&sound.call, c.desc.params = &cut, "params of 4 bytes");
    COLLET_ASSERT_REFUSED(&sound.call, c.desc.n_in = 1, "1 inputs");
    COLLET_ASSERT_REFUSED(&sound.call, c.in_list[0] = NULL, "missing");
    COLLET_ASSERT_REFUSED(&sound.call, c.in[0].format = f16, "input");
    COLLET_ASSERT_REFUSED(&sound.call, c.in[0].stride[0] = 32, "input");
    COLLET_ASSERT_REFUSED(&sound.call, c.in[0].shape[1] = 5, "input");
    COLLET_ASSERT_REFUSED(&sound.call, c.in[1].shape[0] = 5, "weight");
    COLLET_ASSERT_REFUSED(&sound.call, c.in[1].format = f16, "weight");
    COLLET_ASSERT_REFUSED(&sound.call, c.out[0].format = f16, "output");
    COLLET_ASSERT_REFUSED(&sound.call, c.out[0].n_dims = 1, "output");
    end(&sound);
    collet_test_host_finish(&h);
}

static void test_ops_ref__refuses_params_without_a_meaning(void **state)
{
    (void)state;
    collet_test_host h;
    collet_test_host_init(&h, 1);
    const collet_rope_params p = { .size = sizeof p, .pairs = COLLET_ROPE_NEOX, .n_rot = 4, .mscale = 1.0f };
    collet_rope_params odd = p, far = p, pairs_of = p;
    odd.n_rot = 3;
    far.n_rot = 10;
    pairs_of.pairs = 2;
    ops_case sound;
    begin(&sound, &h, "rope", &p, &(shape){ 2, 2, 8 });
    indices(&sound, 2);
    vector(&sound, 2);
    output(&sound, false);
    COLLET_ASSERT_REFUSED(&sound.call, c.desc.params = &odd, "even n_rot");
    COLLET_ASSERT_REFUSED(&sound.call, c.desc.params = &far, "even n_rot");
    COLLET_ASSERT_REFUSED(&sound.call, c.desc.params = &pairs_of, "even n_rot");
    COLLET_ASSERT_REFUSED(&sound.call, c.in[2].shape[0] = 3, "freq");
    COLLET_ASSERT_REFUSED(&sound.call, c.in[1].format = c.in[2].format, "positions");
    end(&sound);

    const collet_softcap_params none = { .size = sizeof none, .cap = 0.0f };
    begin(&sound, &h, "softcap", &none, &(shape){ 1, 0, 4 });
    output(&sound, false);
    assert_non_null(strstr(collet_op_call_refusal(&sound.call), "cap above 0"));
    end(&sound);
    collet_test_host_finish(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ops_ref__rmsnorm_divides_by_the_root_of_the_mean_square),
        cmocka_unit_test(test_ops_ref__add_silu_mul_and_gelu_mul_follow_their_formulas),
        cmocka_unit_test(test_ops_ref__softcap_bounds_and_keeps_the_sign),
        cmocka_unit_test(test_ops_ref__rope_rotates_pairs_and_copies_the_rest),
        cmocka_unit_test(test_ops_ref__embed_decodes_every_format),
        cmocka_unit_test(test_ops_ref__take_rows_takes_them_in_the_order_given),
        cmocka_unit_test(test_ops_ref__refuses_what_it_would_misread),
        cmocka_unit_test(test_ops_ref__refuses_params_without_a_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
