// SPDX-License-Identifier: Apache-2.0
// tests/plugins/cpu/test_attention.c - cpu.attention.flash as the core uses it, for every kernel line, against double.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/common/ref_attention.h"
#include "plugins/cpu/attention/attention.h"
#include "tests/support/guard.h"
#include "tests/support/test_host.h"

typedef struct seq {
    uint32_t n_new, kv_len;
} seq;

// One step. Sequences end at the first with kv_len 0.
typedef struct shape {
    const char *name;
    uint32_t n_heads, n_kv_heads, head_dim, block_tokens; // block_tokens 0: contiguous
    uint32_t window;
    float softcap, logit; // logit: how large scores get
    seq seqs[6];
} shape;

static const shape shapes[] = {
    { "one token, nothing before", 9, 3, 64, 0, 0, 0.0f, 3.0f, { { 1, 1 } } },
    { "decode of the demo model", 9, 3, 64, 0, 0, 0.0f, 3.0f, { { 1, 301 } } },
    { "decode of gemma with its window", 4, 1, 256, 0, 100, 0.0f, 3.0f, { { 1, 333 } } },
    { "decode long enough to be cut", 9, 3, 64, 16, 0, 0.0f, 3.0f, { { 1, 2000 } } },
    { "decode of a batch, blocks of 16", 9, 3, 64, 16, 0, 0.0f, 3.0f, { { 1, 1 }, { 1, 17 }, { 1, 700 }, { 1, 64 } } },
    { "group of 8, head of 128", 16, 2, 128, 32, 0, 0.0f, 3.0f, { { 1, 77 }, { 5, 130 } } },
    { "group of 1, head of 40, blocks of 3", 3, 3, 40, 3, 0, 0.0f, 3.0f, { { 1, 10 }, { 7, 7 }, { 2, 3 } } },
    { "group of 5, head of 24", 5, 1, 24, 8, 0, 0.0f, 3.0f, { { 1, 50 }, { 3, 50 } } },
    { "group of 64", 64, 1, 32, 16, 0, 0.0f, 3.0f, { { 3, 70 }, { 1, 5 } } },
    { "prefill of 200 tokens", 9, 3, 64, 0, 0, 0.0f, 3.0f, { { 200, 200 } } },
    { "prefill after 150 tokens, paged", 9, 3, 64, 16, 0, 0.0f, 3.0f, { { 50, 200 } } },
    { "prefill of gemma with its window", 4, 1, 256, 0, 37, 0.0f, 3.0f, { { 130, 161 } } },
    { "window of 1", 4, 2, 64, 16, 1, 0.0f, 3.0f, { { 20, 30 }, { 1, 9 } } },
    { "window smaller than a tile", 6, 2, 72, 8, 5, 0.0f, 3.0f, { { 90, 90 }, { 1, 200 }, { 2, 3 } } },
    { "window larger than the context", 6, 2, 80, 8, 4096, 0.0f, 3.0f, { { 90, 90 }, { 1, 200 } } },
    { "softcap", 8, 4, 64, 16, 0, 20.0f, 30.0f, { { 33, 70 }, { 1, 150 } } },
    { "huge scores", 6, 2, 64, 16, 0, 0.0f, 1e4f, { { 33, 70 }, { 1, 150 } } },
    { "ragged: all phases, and an empty row",
      9,
      3,
      64,
      16,
      64,
      0.0f,
      3.0f,
      { { 1, 600 }, { 65, 65 }, { 0, 12 }, { 17, 300 }, { 1, 2 }, { 2, 129 } } },
};

typedef struct step {
    const shape *s;
    bool f16;
    uint32_t n_seqs, n_tokens, n_blocks, n_blocks_max, block_tokens;
    collet_guard k, v, q, new_k, new_v, out, q_start, kv_len, table, slots, ws;
    float *want;
} step;

static void fill(const collet_guard *g, uint64_t *seed, float scale)
{
    for (size_t i = 0; i < g->n_bytes / sizeof(float); i++)
        ((float *)g->data)[i] = scale * collet_test_random(seed);
}

static collet_guard filled(size_t n, uint64_t *seed, float scale)
{
    collet_guard g = collet_guard_make(n * sizeof(float));
    fill(&g, seed, scale);
    return g;
}

static collet_ref_store store_of(const step *st, const collet_guard *store)
{
    return (collet_ref_store){ store->data, st->f16, st->s->n_kv_heads, st->block_tokens, st->s->head_dim };
}

static uint32_t slot_of(const step *st, uint32_t s, uint32_t p)
{
    const int32_t *row = (const int32_t *)st->table.data + (size_t)s * st->n_blocks_max;
    return (uint32_t)row[p / st->block_tokens] * st->block_tokens + p % st->block_tokens;
}

// Blocks of all sequences are dealt in turns and from the end, so that no sequence has its blocks in order.
static void make_tables(step *st)
{
    uint32_t n_seqs = st->n_seqs, context = 0, n_blocks = 0;
    for (uint32_t s = 0; s < n_seqs; s++)
        context = st->s->seqs[s].kv_len > context ? st->s->seqs[s].kv_len : context;
    st->block_tokens = st->s->block_tokens ? st->s->block_tokens : context;
    st->n_blocks_max = (context + st->block_tokens - 1) / st->block_tokens + 1;
    st->q_start = collet_guard_make((n_seqs + 1) * 4);
    st->kv_len = collet_guard_make(n_seqs * 4);
    st->table = collet_guard_make((size_t)n_seqs * st->n_blocks_max * 4);
    int32_t *table = st->table.data, *q_start = st->q_start.data;
    memset(table, 0xff, (size_t)n_seqs * st->n_blocks_max * 4);
    q_start[0] = 0;
    for (uint32_t s = 0; s < n_seqs; s++) {
        ((int32_t *)st->kv_len.data)[s] = (int32_t)st->s->seqs[s].kv_len;
        q_start[s + 1] = q_start[s] + (int32_t)st->s->seqs[s].n_new;
        n_blocks += (st->s->seqs[s].kv_len + st->block_tokens - 1) / st->block_tokens;
    }
    st->n_tokens = (uint32_t)q_start[n_seqs];
    st->n_blocks = n_blocks;
    for (uint32_t b = 0; n_blocks > 0; b++)
        for (uint32_t s = 0; s < n_seqs; s++)
            if (b * st->block_tokens < st->s->seqs[s].kv_len)
                table[s * st->n_blocks_max + b] = (int32_t)--n_blocks;
}

static step step_make(const shape *s, bool f16)
{
    step st = { .s = s, .f16 = f16 };
    uint64_t seed = 99;
    while (st.n_seqs < COLLET_COUNT(s->seqs) && s->seqs[st.n_seqs].kv_len > 0)
        st.n_seqs++;
    make_tables(&st);
    const size_t store = (size_t)st.n_blocks * s->n_kv_heads * st.block_tokens * s->head_dim * (f16 ? 2 : 4);
    st.k = collet_guard_make(store); // NaN in both formats
    st.v = collet_guard_make(store);
    // q . k is some logit in size, without a scale that hides an error of it: |q| |k| = logit.
    const float q_scale = s->logit * sqrtf(3.0f) / sqrtf((float)s->head_dim);
    st.q = filled((size_t)st.n_tokens * s->n_heads * s->head_dim, &seed, q_scale);
    st.new_k = filled((size_t)st.n_tokens * s->n_kv_heads * s->head_dim, &seed, 1.7f);
    st.new_v = filled((size_t)st.n_tokens * s->n_kv_heads * s->head_dim, &seed, 1.0f);
    st.out = collet_guard_make((size_t)st.n_tokens * s->n_heads * s->head_dim * sizeof(float));
    st.slots = collet_guard_make(st.n_tokens * 4);
    collet_guard row = collet_guard_make((size_t)s->n_kv_heads * s->head_dim * sizeof(float));
    for (uint32_t i = 0, t = 0; i < st.n_seqs; i++) {
        const uint32_t old = s->seqs[i].kv_len - s->seqs[i].n_new;
        for (uint32_t p = 0; p < old; p++) {
            const int32_t slot = (int32_t)slot_of(&st, i, p);
            const collet_ref_store stores[] = { store_of(&st, &st.k), store_of(&st, &st.v) };
            for (int side = 0; side < 2; side++) {
                fill(&row, &seed, 1.5f);
                collet_ref_kv_append(&stores[side], row.data, &slot, 0, 1);
            }
        }
        for (uint32_t p = old; p < s->seqs[i].kv_len; p++)
            ((int32_t *)st.slots.data)[t++] = (int32_t)slot_of(&st, i, p);
    }
    collet_guard_free(&row);
    return st;
}

static void step_free(step *st)
{
    collet_guard *all[] = { &st->k,       &st->v,      &st->q,     &st->new_k, &st->new_v, &st->out,
                            &st->q_start, &st->kv_len, &st->table, &st->slots, &st->ws };
    for (size_t i = 0; i < COLLET_COUNT(all); i++)
        collet_guard_free(all[i]);
    free(st->want);
}

static const float SCALE = 0.8f;

// The twins, from the same old tokens.
static void step_want(step *st)
{
    const shape *s = st->s;
    double *scores = malloc((size_t)st->n_blocks_max * st->block_tokens * sizeof(double));
    st->want = malloc((size_t)st->n_tokens * s->n_heads * s->head_dim * sizeof(float));
    assert_non_null(scores);
    assert_non_null(st->want);
    const collet_ref_attention_args a = { .q = st->q.data,
                                          .out = st->want,
                                          .k = store_of(st, &st->k),
                                          .v = store_of(st, &st->v),
                                          .q_start = st->q_start.data,
                                          .kv_len = st->kv_len.data,
                                          .block_table = st->table.data,
                                          .n_seqs = st->n_seqs,
                                          .n_blocks_max = st->n_blocks_max,
                                          .n_heads = s->n_heads,
                                          .window = s->window,
                                          .scale = SCALE,
                                          .softcap = s->softcap };
    for (uint32_t t = 0; t < st->n_tokens; t++)
        for (uint32_t h = 0; h < s->n_heads; h++)
            collet_ref_attention(&a, scores, t, h);
    free(scores);
}

// The tokens that this step appends are in the stores as the twin would have put them, and nothing beside them changed.
static void check_append(const step *st, const collet_guard *before, const collet_guard *after,
                         const collet_guard *rows)
{
    const collet_ref_store want = store_of(st, before);
    collet_ref_kv_append(&want, rows->data, st->slots.data, 0, st->n_tokens);
    assert_memory_equal(before->data, after->data, before->n_bytes);
}

// ---- the step through the module ----

typedef struct bound {
    collet_tensor t[10];
    const collet_tensor *append_in[3], *append_out[2], *attend_in[6], *attend_out[1];
    collet_attention_params params;
} bound;

static void bind_step(bound *b, const step *st, collet_test_host *h)
{
    const shape *s = st->s;
    const char *layout = s->block_tokens ? "kv.paged" : "kv.contiguous", *format = st->f16 ? "f16" : "f32";
    const int64_t store[] = { st->n_blocks, s->n_kv_heads, st->block_tokens, s->head_dim };
    const int64_t q[] = { st->n_tokens, s->n_heads, s->head_dim }, kv[] = { st->n_tokens, s->n_kv_heads, s->head_dim };
    const int64_t tokens[] = { st->n_tokens }, starts[] = { st->n_seqs + 1 }, seqs[] = { st->n_seqs };
    const int64_t table[] = { st->n_seqs, st->n_blocks_max };
    b->t[0] = collet_test_tensor(h, "f32", st->new_k.data, 3, kv);
    b->t[1] = collet_test_tensor(h, "f32", st->new_v.data, 3, kv);
    b->t[2] = collet_test_tensor(h, "i32", st->slots.data, 1, tokens);
    b->t[3] = collet_test_tensor(h, format, st->k.data, 4, store);
    b->t[3].layout = h->host.intern(h->host.self, layout);
    b->t[4] = collet_test_tensor(h, format, st->v.data, 4, store);
    b->t[4].layout = h->host.intern(h->host.self, layout);
    b->t[5] = collet_test_tensor(h, "f32", st->q.data, 3, q);
    b->t[6] = collet_test_tensor(h, "i32", st->q_start.data, 1, starts);
    b->t[7] = collet_test_tensor(h, "i32", st->kv_len.data, 1, seqs);
    b->t[8] = collet_test_tensor(h, "i32", st->table.data, 2, table);
    b->t[9] = collet_test_tensor(h, "f32", st->out.data, 3, q);
    for (int i = 0; i < 3; i++)
        b->append_in[i] = &b->t[i];
    b->append_out[0] = b->attend_in[1] = &b->t[3];
    b->append_out[1] = b->attend_in[2] = &b->t[4];
    b->attend_in[0] = &b->t[5];
    for (int i = 3; i < 6; i++)
        b->attend_in[i] = &b->t[i + 3];
    b->attend_out[0] = &b->t[9];
    b->params = (collet_attention_params){ .size = sizeof b->params,
                                           .n_heads = s->n_heads,
                                           .n_kv_heads = s->n_kv_heads,
                                           .head_dim = s->head_dim,
                                           .scale = SCALE,
                                           .softcap = s->softcap,
                                           .window = s->window,
                                           .context_max = 4096 };
}

static void run_op(collet_test_host *h, void *mod, const char *op, bound *b, step *st)
{
    const collet_op_vt *vt = collet_cpu_attention_flash.vt;
    const bool append = strcmp(op, "kv_append") == 0;
    const collet_op_desc desc = { .size = sizeof desc,
                                  .op = h->host.intern(h->host.self, op),
                                  .phase = COLLET_PHASE_DECODE,
                                  .n_in = append ? 3 : 6,
                                  .n_out = append ? 2 : 1,
                                  .in = append ? b->append_in : b->attend_in,
                                  .out = append ? b->append_out : b->attend_out,
                                  .params = &b->params };
    collet_op_caps caps = { .size = sizeof caps };
    collet_error err = COLLET_ERROR_INIT;
    void *inst = NULL;
    uint64_t ws_bytes = 0, plan_bytes = 0;
    if (vt->supports(mod, &desc, &caps) != COLLET_OK)
        fail_msg("%s: refused: %s", st->s->name, caps.why);
    assert_int_equal(vt->create(mod, &desc, &inst, &err), COLLET_OK);
    assert_int_equal(vt->prepare(inst, &desc, &ws_bytes, &plan_bytes, &err), COLLET_OK);
    collet_guard_free(&st->ws);
    st->ws = collet_guard_make((ws_bytes + 63) / 64 * 64);
    const collet_frame frame = { .size = sizeof frame,
                                 .n_in = desc.n_in,
                                 .n_out = desc.n_out,
                                 .in = desc.in,
                                 .out = desc.out,
                                 .ws = st->ws.data,
                                 .ws_bytes = ws_bytes,
                                 .err = &err };
    assert_int_equal(vt->run(inst, &frame), COLLET_OK);
    vt->destroy(inst);
}

static void run_bound(collet_test_host *h, bound *b, step *st)
{
    void *mod = NULL;
    assert_int_equal(collet_cpu_attention_flash.open(&h->host, NULL, 0, &mod, NULL), COLLET_OK);
    run_op(h, mod, "kv_append", b, st);
    run_op(h, mod, "attention", b, st);
    collet_cpu_attention_flash.close(mod);
}

static void run_step(collet_test_host *h, step *st)
{
    bound b;
    bind_step(&b, st, h);
    run_bound(h, &b, st);
}

// Scores of 1e4 have an ulp of 1e-3, which is the relative error of a weight.
static double tolerance(const shape *s)
{
    return 3e-6 + 4e-7 * s->logit;
}

static void agree(const shape *s, bool f16, uint32_t isa, uint32_t n_workers)
{
    collet_test_host host, *h = &host;
    collet_test_host_init(h, n_workers);
    h->cpu.isa_mask = COLLET_ISA_REF | isa;
    step st = step_make(s, f16);
    collet_guard k_before = collet_guard_make(st.k.n_bytes), v_before = collet_guard_make(st.v.n_bytes);
    memcpy(k_before.data, st.k.data, st.k.n_bytes);
    memcpy(v_before.data, st.v.data, st.v.n_bytes);
    run_step(h, &st);
    check_append(&st, &k_before, &st.k, &st.new_k);
    check_append(&st, &v_before, &st.v, &st.new_v);
    step_want(&st);
    const float *got = st.out.data;
    for (size_t i = 0; i < st.out.n_bytes / sizeof(float); i++)
        if (!(fabsf(got[i] - st.want[i]) <= tolerance(s)))
            fail_msg("%s, %s, %u workers: element %zu is %.9g, not %.9g", s->name, f16 ? "f16" : "f32", n_workers, i,
                     got[i], st.want[i]);
    // Again, into the same cache: the same bits, whoever was faster.
    collet_guard first = collet_guard_make(st.out.n_bytes);
    memcpy(first.data, got, st.out.n_bytes);
    memset(st.out.data, 0xff, st.out.n_bytes);
    run_step(h, &st);
    assert_memory_equal(first.data, st.out.data, st.out.n_bytes);
    collet_guard_free(&first);
    collet_guard_free(&k_before);
    collet_guard_free(&v_before);
    step_free(&st);
    collet_test_host_finish(h);
}

typedef struct level {
    const char *name;
    uint32_t isa;
    bool f16;
} level;

static const level *usable_level(void **state)
{
    const level *l = *state;
    collet_isa here;
    collet_isa_probe(&here);
    if ((here.mask & l->isa) != l->isa) {
        fprintf(stderr, "skipped: this machine does not offer %s\n", l->name);
        skip();
    }
    return l;
}

static void test_attention__step_agrees_with_the_formula(void **state)
{
    const level *l = usable_level(state);
    for (size_t i = 0; i < COLLET_COUNT(shapes); i++) {
        agree(&shapes[i], l->f16, l->isa, 1);
        agree(&shapes[i], l->f16, l->isa, 2);
        agree(&shapes[i], l->f16, l->isa, 5);
    }
}

static const shape mixed = { "three sequences", 6, 2, 64, 16, 0, 0.0f, 3.0f, { { 40, 70 }, { 1, 300 }, { 7, 90 } } };

// q, k and v as columns of one fused row, and out with a gap after each head: the same bits.
static void test_attention__rows_may_lie_apart(void **state)
{
    const level *l = usable_level(state);
    collet_test_host host, *h = &host;
    collet_test_host_init(h, 2);
    h->cpu.isa_mask = COLLET_ISA_REF | l->isa;
    step st = step_make(&mixed, l->f16);
    run_step(h, &st);

    const size_t d = mixed.head_dim, kv = 2 * d, q = 6 * d, row = q + 2 * kv;
    collet_guard fused = collet_guard_make(st.n_tokens * row * sizeof(float));
    collet_guard apart = collet_guard_make(st.n_tokens * 6 * (d + 3) * sizeof(float));
    float *to = fused.data;
    for (uint32_t t = 0; t < st.n_tokens; t++) {
        memcpy(to + t * row, (float *)st.q.data + t * q, q * sizeof(float));
        memcpy(to + t * row + q, (float *)st.new_k.data + t * kv, kv * sizeof(float));
        memcpy(to + t * row + q + kv, (float *)st.new_v.data + t * kv, kv * sizeof(float));
    }
    bound b;
    bind_step(&b, &st, h);
    b.t[5].data = to;
    b.t[0].data = to + q;
    b.t[1].data = to + q + kv;
    b.t[5].stride[0] = b.t[0].stride[0] = b.t[1].stride[0] = (int64_t)(row * sizeof(float));
    b.t[9].data = apart.data;
    b.t[9].stride[1] = (int64_t)((d + 3) * sizeof(float));
    b.t[9].stride[0] = 6 * b.t[9].stride[1];
    run_bound(h, &b, &st);
    for (uint32_t i = 0; i < st.n_tokens * 6; i++) {
        const float *got = (const float *)apart.data + i * (d + 3);
        assert_memory_equal(got, (const float *)st.out.data + i * d, d * sizeof(float));
        for (int gap = 0; gap < 3; gap++)
            assert_true(isnan(got[d + gap]));
    }
    collet_guard_free(&fused);
    collet_guard_free(&apart);
    step_free(&st);
    collet_test_host_finish(h);
}

// A key with a score of -inf weighs nothing; NaN in the middle sequence leaves the others' bits alone, and comes out.
static void test_attention__what_is_not_finite_stays_in_its_sequence(void **state)
{
    const level *l = usable_level(state);
    collet_test_host host, *h = &host;
    collet_test_host_init(h, 2);
    h->cpu.isa_mask = COLLET_ISA_REF | l->isa;
    step st = step_make(&mixed, l->f16);
    const size_t q = 6 * 64, first = 40 * q, second = 41 * q, end = 48 * q;
    for (uint32_t i = 0; i < st.n_tokens * q; i++)
        ((float *)st.q.data)[i] = fabsf(((float *)st.q.data)[i]); // so that one -inf in a key makes its score -inf
    const collet_ref_store k = store_of(&st, &st.k), v = store_of(&st, &st.v);
    float row[2 * 64] = { [5] = -INFINITY, [64] = -INFINITY };
    for (uint32_t s = 0; s < 3; s++) {
        const int32_t slot = (int32_t)slot_of(&st, s, 3);
        collet_ref_kv_append(&k, row, &slot, 0, 1);
    }
    run_step(h, &st);
    step_want(&st);
    for (size_t i = 0; i < end; i++)
        assert_true(fabsf(((float *)st.out.data)[i] - st.want[i]) <= tolerance(&mixed));

    collet_guard clean = collet_guard_make(st.out.n_bytes);
    memcpy(clean.data, st.out.data, st.out.n_bytes);
    for (int i = 0; i < 2 * 64; i++)
        row[i] = NAN;
    const int32_t slot = (int32_t)slot_of(&st, 1, 200);
    collet_ref_kv_append(&v, row, &slot, 0, 1);
    run_step(h, &st);
    const float *was = clean.data, *is = st.out.data;
    assert_memory_equal(was, is, first * sizeof(float));
    assert_memory_equal(was + second, is + second, (end - second) * sizeof(float));
    for (size_t i = first; i < second; i++)
        assert_true(isnan(is[i]));
    collet_guard_free(&clean);
    step_free(&st);
    collet_test_host_finish(h);
}

static void refuses(collet_test_host *h, const bound *b, bool append, const char *why)
{
    const collet_op_vt *vt = collet_cpu_attention_flash.vt;
    const collet_op_desc desc = { .size = sizeof desc,
                                  .op = h->host.intern(h->host.self, append ? "kv_append" : "attention"),
                                  .phase = COLLET_PHASE_DECODE,
                                  .n_in = append ? 3 : 6,
                                  .n_out = append ? 2 : 1,
                                  .in = append ? b->append_in : b->attend_in,
                                  .out = append ? b->append_out : b->attend_out,
                                  .params = &b->params };
    collet_op_caps caps = { .size = sizeof caps };
    void *mod = NULL;
    assert_int_equal(collet_cpu_attention_flash.open(&h->host, NULL, 0, &mod, NULL), COLLET_OK);
    assert_int_equal(vt->supports(mod, &desc, &caps), COLLET_E_UNSUPPORTED);
    assert_string_equal(caps.why, why);
    collet_cpu_attention_flash.close(mod);
}

static void test_attention__what_does_not_fit_is_refused_by_name(void **state)
{
    (void)state;
    collet_test_host host, *h = &host;
    collet_test_host_init(h, 1);
    step st = step_make(&mixed, false);
    bound b;
    bind_step(&b, &st, h);
    h->cpu.isa_mask = COLLET_ISA_REF;
    refuses(h, &b, false, "AVX2 is not offered on this machine");
    h->cpu.isa_mask = COLLET_ISA_REF | COLLET_ISA_AVX2;

    b.params.n_heads = 7;
    refuses(h, &b, false, "7 heads over 2 kv heads");
    b.params.n_heads = 6;
    b.params.head_dim = 60;
    refuses(h, &b, true, "head_dim 60: multiples of 8 up to 512 only");
    b.params.head_dim = 64;
    b.params.size = 8;
    refuses(h, &b, true, "params: 8 bytes, not 32");
    b.params.size = sizeof b.params;

    const collet_tensor k = b.t[3], table = b.t[8], q = b.t[5];
    b.t[3].layout = h->host.intern(h->host.self, "kv.tiled");
    refuses(h, &b, false, "in[1]: layouts kv.contiguous and kv.paged only");
    refuses(h, &b, true, "out[0]: layouts kv.contiguous and kv.paged only");
    b.t[3].layout = h->host.intern(h->host.self, "kv.contiguous");
    refuses(h, &b, false, "the stores of K and V differ in format, layout or shape");
    b.t[3] = k;
    b.t[3].format = h->host.intern(h->host.self, "q8_0");
    refuses(h, &b, false, "in[1]: f32 and f16 stores only");
    b.t[3] = k;
    b.t[8].n_dims = 1;
    refuses(h, &b, false, "in[5]: 1 dimensions, not 2");
    b.t[8] = table;
    b.t[5].shape[1] = 3;
    refuses(h, &b, false, "in[0]: (3, 64), not (6 heads, 64)");
    b.t[5] = q;
    b.attend_in[4] = NULL;
    refuses(h, &b, false, "in[4]: missing");
    step_free(&st);
    collet_test_host_finish(h);
}

int main(void)
{
    static const level levels[] = {
        { "avx2, f32", COLLET_ISA_AVX2, false },
        { "avx2, f16", COLLET_ISA_AVX2, true },
        { "avx512, f32", COLLET_ISA_AVX2 | COLLET_ISA_AVX512, false },
        { "avx512, f16", COLLET_ISA_AVX2 | COLLET_ISA_AVX512, true },
    };
    static const struct {
        const char *name;
        CMUnitTestFunction run;
    } promises[] = {
        { "step_agrees_with_the_formula", test_attention__step_agrees_with_the_formula },
        { "rows_may_lie_apart", test_attention__rows_may_lie_apart },
        { "what_is_not_finite_stays_in_its_sequence", test_attention__what_is_not_finite_stays_in_its_sequence },
    };
    static struct CMUnitTest tests[COLLET_COUNT(levels) * COLLET_COUNT(promises) + 1];
    static char names[COLLET_COUNT(tests)][96];
    size_t n = 0;
    for (size_t p = 0; p < COLLET_COUNT(promises); p++)
        for (size_t i = 0; i < COLLET_COUNT(levels); i++, n++) {
            snprintf(names[n], sizeof names[n], "test_attention__%s/%s", promises[p].name, levels[i].name);
            tests[n] = (struct CMUnitTest){ .name = names[n],
                                            .test_func = promises[p].run,
                                            .initial_state = (void *)&levels[i] };
        }
    tests[n] = (struct CMUnitTest)cmocka_unit_test(test_attention__what_does_not_fit_is_refused_by_name);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
