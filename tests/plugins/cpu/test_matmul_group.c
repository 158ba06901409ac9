// SPDX-License-Identifier: Apache-2.0
// tests/plugins/cpu/test_matmul_group.c - several weights at once against one after the other, to the bit.
//
// x, packed weights, y and the workspace stand between guard pages; y and the workspace begin as NaN.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/common/formats.h"
#include "plugins/cpu/matmul/matmul.h"
#include "plugins/cpu/ops/ops.h"
#include "tests/support/guard.h"
#include "tests/support/test_host.h"

#define N_MAX COLLET_MATMUL_GROUP_MAX

typedef struct shape {
    uint32_t n, n_in, n_out[N_MAX], n_tokens, n_workers;
    const char *format[N_MAX];
    bool glu;
    uint32_t act;
} shape;

// The last weight of a group is called a value projection: with 576 columns, up to 288 of its rows take activations in
// two planes. So do output matrices, from 9216 rows on.
static const shape shapes[] = {
    { 3, 576, { 576, 192, 192 }, 1, 2, { "q4_1", "q4_1", "q4_1" }, false, 0 },
    { 3, 576, { 576, 192, 192 }, 37, 2, { "q4_1", "q4_1", "q4_1" }, false, 0 },
    { 3, 256, { 256, 200, 129 }, 1, 3, { "q4_k", "q4_k", "q6_k" }, false, 0 },
    { 3, 256, { 9, 130, 1 }, 5, 7, { "q4_k", "q5_k", "q6_k" }, false, 0 },
    { 3, 512, { 300, 7, 4101 }, 3, 2, { "q8_0", "q2_k", "q3_k" }, false, 0 },
    { 4, 32, { 1, 2, 8, 600 }, 2, 5, { "q4_0", "q5_0", "q5_1", "iq4_nl" }, false, 0 },
    { 2, 256, { 250, 257 }, 33, 3, { "iq4_xs", "mxfp4" }, false, 0 },
    { 3, 64, { 64, 70, 33 }, 4, 1, { "f16", "q8_0", "f32" }, false, 0 },
    { 2, 96, { 17, 90 }, 31, 2, { "bf16", "f32" }, false, 0 },
    { 2, 576, { 1536, 1536 }, 1, 2, { "q4_1", "q4_1" }, true, COLLET_GLU_SILU },
    { 2, 576, { 1536, 1536 }, 150, 2, { "q4_1", "q4_1" }, true, COLLET_GLU_SILU },
    { 2, 256, { 1031, 1031 }, 3, 3, { "q4_k", "q6_k" }, true, COLLET_GLU_GELU },
    { 2, 256, { 131, 131 }, 9, 5, { "q6_k", "q4_k" }, true, COLLET_GLU_SILU },
    { 2, 64, { 33, 33 }, 2, 7, { "f32", "q8_0" }, true, COLLET_GLU_GELU },
    { 2, 50, { 61, 61 }, 30, 2, { "f16", "bf16" }, true, COLLET_GLU_SILU },
    { 2, 32, { 17, 17 }, 257, 2, { "q8_0", "q8_0" }, true, COLLET_GLU_GELU },
};

static const struct level {
    const collet_module *module;
    uint32_t isa;
} levels[] = { { &collet_cpu_matmul_avx2, COLLET_ISA_AVX2 }, { &collet_cpu_matmul_avx512, COLLET_ISA_AVX512 } };

// A module with its weights, canonical and as it packs them.
typedef struct bound {
    collet_test_host host;
    const collet_op_vt *vt;
    const collet_module *module;
    void *mod;
    const shape *s;
    uint8_t *canonical[N_MAX];
    collet_guard packed[N_MAX];
    collet_tensor x, w[N_MAX], y[N_MAX];
    collet_guard x_memory;
    const char *names[N_MAX];
} bound;

static uint64_t row_bytes(const collet_format *f, uint32_t n)
{
    return (uint64_t)n / f->block_elems * f->block_bytes;
}

static void make_weight(bound *b, uint32_t k, uint64_t *seed)
{
    const shape *s = b->s;
    const collet_format *f = collet_format_find(s->format[k]);
    assert_non_null(f);
    float *row = malloc(s->n_in * sizeof *row);
    b->canonical[k] = malloc(s->n_out[k] * row_bytes(f, s->n_in));
    assert_true(row && b->canonical[k]);
    for (uint32_t o = 0; o < s->n_out[k]; o++) {
        for (uint32_t i = 0; i < s->n_in; i++)
            row[i] = collet_test_random(seed);
        f->quantize(row, b->canonical[k] + o * row_bytes(f, s->n_in), s->n_in, NULL);
    }
    free(row);
    const int64_t shape[2] = { s->n_out[k], s->n_in };
    b->w[k] = collet_test_tensor(&b->host, f->name, b->canonical[k], 2, shape);
    b->w[k].stride[0] = (int64_t)row_bytes(f, s->n_in);
    b->w[k].stride[1] = f->block_elems == 1 ? f->block_bytes : 0;
    b->w[k].n_bytes = s->n_out[k] * row_bytes(f, s->n_in);
}

static void open_shape(bound *b, const shape *s, const struct level *level)
{
    *b = (bound){ .s = s, .module = level->module, .vt = level->module->vt };
    uint64_t seed = 7;
    collet_test_host_init(&b->host, s->n_workers);
    assert_int_equal(b->module->open(&b->host.host, NULL, 0, &b->mod, NULL), COLLET_OK);
    for (uint32_t k = 0; k < s->n; k++) {
        make_weight(b, k, &seed);
        b->names[k] = s->glu || k + 1 < s->n ? "blk.0.some.weight" : "blk.0.attn_v.weight";
    }
    const int64_t x_shape[2] = { s->n_tokens, s->n_in };
    b->x_memory = collet_guard_make((size_t)s->n_tokens * s->n_in * sizeof(float));
    for (size_t i = 0; i < (size_t)s->n_tokens * s->n_in; i++)
        ((float *)b->x_memory.data)[i] = 3.0f * collet_test_random(&seed);
    collet_guard_seal(&b->x_memory);
    b->x = collet_test_tensor(&b->host, "f32", b->x_memory.data, 2, x_shape);
}

static void close_shape(bound *b)
{
    for (uint32_t k = 0; k < b->s->n; k++)
        free(b->canonical[k]);
    collet_guard_free(&b->x_memory);
    b->module->close(b->mod);
    collet_test_host_finish(&b->host);
}

static collet_guard packed_form(bound *b, const collet_tensor *w, uint32_t layout, collet_tensor *packed)
{
    uint64_t n_bytes = w->n_bytes;
    uint32_t group = 1;
    *packed = *w;
    if (layout)
        assert_int_equal(b->vt->pack_size(b->mod, w, layout, &n_bytes, &group, NULL), COLLET_OK);
    collet_guard g = collet_guard_make(n_bytes);
    packed->data = g.data;
    packed->n_bytes = n_bytes;
    packed->layout = layout;
    if (layout)
        assert_int_equal(b->vt->pack(b->mod, w, packed, 0, (uint32_t)w->shape[0], NULL), COLLET_OK);
    else
        memcpy(g.data, w->data, n_bytes);
    collet_guard_seal(&g);
    return g;
}

// Runs `op` on n weights from the k-th on into n_out tensors of y.
static void run_op(bound *b, const char *op, const void *params, uint32_t k, uint32_t n, uint32_t n_out,
                   const collet_tensor *y)
{
    const collet_tensor *in[1 + N_MAX] = { &b->x }, *out[N_MAX];
    collet_tensor packed[N_MAX];
    collet_guard memory[N_MAX];
    for (uint32_t i = 0; i < n; i++)
        in[1 + i] = &b->w[k + i];
    for (uint32_t i = 0; i < n_out; i++)
        out[i] = &y[i];
    const collet_op_desc desc = { .size = sizeof desc,
                                  .op = b->host.host.intern(b->host.host.self, op),
                                  .phase = b->s->n_tokens == 1 ? COLLET_PHASE_DECODE : COLLET_PHASE_PREFILL,
                                  .n_layers = 1,
                                  .n_in = 1 + n,
                                  .n_out = n_out,
                                  .in = in,
                                  .out = out,
                                  .params = params };
    collet_op_caps caps = { .size = sizeof caps };
    uint64_t ws_bytes = 0, plan_bytes = 0;
    void *inst = NULL;
    if (b->vt->supports(b->mod, &desc, &caps) != COLLET_OK)
        fail_msg("%s", caps.why);
    for (uint32_t i = 0; i < n; i++) {
        memory[i] = packed_form(b, &b->w[k + i], caps.layout[1 + i], &packed[i]);
        in[1 + i] = &packed[i];
    }
    assert_int_equal(b->vt->create(b->mod, &desc, &inst, NULL), COLLET_OK);
    assert_int_equal(b->vt->prepare(inst, &desc, &ws_bytes, &plan_bytes, NULL), COLLET_OK);
    collet_guard ws = collet_guard_make(ws_bytes);
    const collet_frame frame = { .size = sizeof frame,
                                 .n_in = 1 + n,
                                 .n_out = n_out,
                                 .queue = &b->host.queue,
                                 .in = in,
                                 .out = out,
                                 .ws = ws.data,
                                 .ws_bytes = ws_bytes };
    assert_int_equal(b->vt->run(inst, &frame), COLLET_OK);
    b->vt->destroy(inst);
    collet_guard_free(&ws);
    for (uint32_t i = 0; i < n; i++)
        collet_guard_free(&memory[i]);
}

// (n_tokens, n_out) with `gap` floats between rows.
static collet_guard make_y(bound *b, uint32_t k, uint32_t gap, collet_tensor *y)
{
    const shape *s = b->s;
    const int64_t shape[2] = { s->n_tokens, s->n_out[k] };
    collet_guard g = collet_guard_make(((size_t)s->n_tokens * (s->n_out[k] + gap) - gap) * sizeof(float));
    *y = collet_test_tensor(&b->host, "f32", g.data, 2, shape);
    y->stride[0] = 4 * (int64_t)(s->n_out[k] + gap);
    return g;
}

static const float *row_of(const collet_tensor *y, uint32_t t)
{
    return (const float *)(const void *)((const uint8_t *)y->data + t * y->stride[0]);
}

static void assert_same(const bound *b, uint32_t k, const collet_tensor *want, const collet_tensor *got)
{
    const uint32_t n = (uint32_t)got->shape[1], gap = (uint32_t)got->stride[0] / 4 - n;
    for (uint32_t t = 0; t < b->s->n_tokens; t++) {
        for (uint32_t o = 0; o < n; o++)
            if (memcmp(row_of(want, t) + o, row_of(got, t) + o, sizeof(float)) != 0)
                fail_msg("%s, weight %u (%s, %u x %u), token %u of %u, row %u: %.9g, not %.9g", b->module->id, k,
                         b->s->format[k], n, b->s->n_in, t, b->s->n_tokens, o, (double)row_of(got, t)[o],
                         (double)row_of(want, t)[o]);
        for (uint32_t g = 0; t + 1 < b->s->n_tokens && g < gap; g++)
            assert_true(isnan(row_of(got, t)[n + g])); // between rows nothing is written
    }
}

static collet_matmul_fused_params fused_params(const bound *b)
{
    return (collet_matmul_fused_params){
        .size = sizeof(collet_matmul_fused_params), .n_weights = b->s->n, .act = b->s->act, .tensor = b->names
    };
}

static void decomposed(bound *b, uint32_t k, const collet_tensor *y)
{
    const collet_matmul_params params = { .size = sizeof params, .tensor = b->names[k] };
    run_op(b, COLLET_OP_MATMUL, &params, k, 1, 1, y);
}

static void check_group(bound *b)
{
    collet_guard got_memory[N_MAX];
    collet_tensor got[N_MAX];
    for (uint32_t k = 0; k < b->s->n; k++)
        got_memory[k] = make_y(b, k, k, &got[k]);
    const collet_matmul_fused_params params = fused_params(b);
    run_op(b, COLLET_OP_MATMUL_GROUP, &params, 0, b->s->n, b->s->n, got);
    for (uint32_t k = 0; k < b->s->n; k++) {
        collet_tensor want;
        collet_guard memory = make_y(b, k, 0, &want);
        decomposed(b, k, &want);
        assert_same(b, k, &want, &got[k]);
        collet_guard_free(&memory);
        collet_guard_free(&got_memory[k]);
    }
}

static void check_glu(bound *b, uint32_t isa)
{
    collet_tensor got, gate, up;
    collet_guard got_memory = make_y(b, 0, 3, &got);
    collet_guard gate_memory = make_y(b, 0, 0, &gate), up_memory = make_y(b, 1, 0, &up);
    const collet_matmul_fused_params params = fused_params(b);
    run_op(b, COLLET_OP_MATMUL_GLU, &params, 0, 2, 1, &got);
    decomposed(b, 0, &gate);
    decomposed(b, 1, &up);
    const char *op = b->s->act == COLLET_GLU_GELU ? "gelu_mul" : "silu_mul";
    const uint32_t n = b->s->n_out[0];
    const collet_cpu_ops_args act = {
        .y = gate.data, .x = gate.data, .b = up.data, .y_row = n, .x_row = n, .b_row = n, .n_heads = 1, .n = n
    };
    collet_cpu_ops_choose(op, "any", isa | (isa - 1))->run(&act, 0, b->s->n_tokens);
    assert_same(b, 0, &gate, &got);
    collet_guard_free(&got_memory);
    collet_guard_free(&gate_memory);
    collet_guard_free(&up_memory);
}

static const struct level *level_or_skip(void **state)
{
    const struct level *level = *state;
    collet_isa isa;
    collet_isa_probe(&isa);
    if (!(isa.mask & level->isa)) {
        fprintf(stderr, "skipped: this machine does not offer %s\n", collet_isa_name(level->isa));
        skip();
    }
    return level;
}

static void test_matmul_group__numbers_are_the_decompositions(void **state)
{
    const struct level *level = level_or_skip(state);
    for (size_t i = 0; i < COLLET_COUNT(shapes); i++) {
        bound b;
        open_shape(&b, &shapes[i], level);
        if (shapes[i].glu)
            check_glu(&b, level->isa);
        else
            check_group(&b);
        close_shape(&b);
    }
}

// ---- refusals ----

typedef struct question {
    collet_op_desc desc;
    collet_matmul_fused_params params;
    const collet_tensor *in[2 + N_MAX], *out[1 + N_MAX];
    collet_tensor y[1 + N_MAX];
} question;

static void ask(question *q, bound *b, const char *op, uint32_t n_out)
{
    *q = (question){ .params = fused_params(b) };
    q->in[0] = &b->x;
    for (uint32_t k = 0; k < b->s->n; k++) {
        const int64_t shape[2] = { b->s->n_tokens, b->s->n_out[k] };
        q->y[k] = collet_test_tensor(&b->host, "f32", NULL, 2, shape);
        q->in[1 + k] = &b->w[k];
        q->out[k] = &q->y[k];
    }
    q->desc = (collet_op_desc){ .size = sizeof q->desc,
                                .op = b->host.host.intern(b->host.host.self, op),
                                .phase = COLLET_PHASE_PREFILL,
                                .n_layers = 1,
                                .n_in = 1 + b->s->n,
                                .n_out = n_out,
                                .in = q->in,
                                .out = q->out,
                                .params = &q->params };
}

static void refuses(bound *b, const question *q, const char *why)
{
    collet_op_caps caps = { .size = sizeof caps };
    assert_int_equal(b->vt->supports(b->mod, &q->desc, &caps), COLLET_E_UNSUPPORTED);
    if (!strstr(caps.why, why))
        fail_msg("'%s' does not say '%s'", caps.why, why);
}

static void test_matmul_group__what_does_not_fit_is_refused_by_name(void **state)
{
    const struct level *level = level_or_skip(state);
    bound b;
    question q;
    open_shape(&b, &shapes[2], level);
    ask(&q, &b, COLLET_OP_MATMUL_GROUP, 3);
    q.desc.n_out = 2;
    refuses(&b, &q, "4 inputs and 2 outputs");
    ask(&q, &b, COLLET_OP_MATMUL_GROUP, 1);
    q.desc.n_in = 2; // a group of one is a matmul
    refuses(&b, &q, "2 inputs and 1 outputs");
    ask(&q, &b, COLLET_OP_MATMUL_GROUP, 3);
    q.in[2] = NULL;
    refuses(&b, &q, "in[2]: missing");
    ask(&q, &b, COLLET_OP_MATMUL_GROUP, 3);
    q.out[1] = NULL;
    refuses(&b, &q, "out[1]: missing");
    ask(&q, &b, COLLET_OP_MATMUL_GROUP, 3);
    q.params.n_weights = 2;
    refuses(&b, &q, "params");
    ask(&q, &b, COLLET_OP_MATMUL_GROUP, 3);
    q.desc.params = NULL;
    refuses(&b, &q, "params");
    ask(&q, &b, COLLET_OP_MATMUL_GROUP, 3);
    q.y[2].shape[1]++;
    q.y[2].stride[0] += 4;
    refuses(&b, &q, "weight (129, 256) for x of 256 and y of 130");
    ask(&q, &b, COLLET_OP_MATMUL_GLU, 1);
    refuses(&b, &q, "4 inputs and 1 outputs");
    close_shape(&b);

    open_shape(&b, &shapes[11], level);
    ask(&q, &b, COLLET_OP_MATMUL_GLU, 1);
    q.params.act = 2;
    refuses(&b, &q, "act 2");
    close_shape(&b);
    const shape dense = { 2, 32, { 32, 32 }, 32, 1, { "q8_0", "bf16" }, false, 0 };
    open_shape(&b, &dense, level);
    ask(&q, &b, COLLET_OP_MATMUL_GROUP, 2);
    refuses(&b, &q, "bf16: from 32 tokens on");
    close_shape(&b);
    const shape output = { 2, 32, { 512, 512 }, 1, 1, { "q8_0", "q8_0" }, true, COLLET_GLU_SILU };
    open_shape(&b, &output, level);
    ask(&q, &b, COLLET_OP_MATMUL_GLU, 1);
    refuses(&b, &q, "activations in two planes");
    close_shape(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "numbers_are_the_decompositions.avx2", test_matmul_group__numbers_are_the_decompositions, NULL, NULL,
          (void *)(uintptr_t)&levels[0] },
        { "numbers_are_the_decompositions.avx512", test_matmul_group__numbers_are_the_decompositions, NULL, NULL,
          (void *)(uintptr_t)&levels[1] },
        { "what_does_not_fit_is_refused_by_name", test_matmul_group__what_does_not_fit_is_refused_by_name, NULL, NULL,
          (void *)(uintptr_t)&levels[0] },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
