// SPDX-License-Identifier: Apache-2.0
// tests/plugins/reference/test_attention_ref.c - kv_append and attention of cpu.attention.ref against attention.h.
//
// The expected values come from keys and values kept in the order of their sequences, without blocks, and from a
// softmax that takes no maximum out. Stores begin as NaN: a token that was never appended must not be read.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/common/f16.h"
#include "plugins/reference/reference.h"
#include "tests/support/op_call.h"

enum { SEQS_MAX = 3, TABLE_MAX = 6 };

typedef struct sequence {
    uint32_t n_past, n_new;
    int32_t blocks[TABLE_MAX]; // of the store, in order of tokens; -1: none
} sequence;

typedef struct shape {
    uint32_t n_heads, n_kv_heads, head_dim, n_blocks, block_tokens, window;
    float softcap;
    const char *k_format, *v_format, *layout;
    uint32_t n_seqs;
    sequence seqs[SEQS_MAX];
} shape;

#define SEQ(past, new, ...)                                             \
    {                                                                   \
        .n_past = past, .n_new = new, .blocks = { __VA_ARGS__, -1, -1 } \
    }
static const shape shapes[] = {
    // One head, one token, one element.
    { 1, 1, 1, 1, 1, 0, 0.0f, "f32", "f32", "kv.contiguous", 1, { SEQ(0, 1, 0) } },
    // Decode of a long sequence; grouped heads of odd size.
    { 6, 2, 5, 1, 40, 0, 0.0f, "f32", "f32", "kv.contiguous", 1, { SEQ(38, 1, 0) } },
    // Prefill from nothing.
    { 3, 3, 16, 2, 12, 0, 0.0f, "f16", "f16", "kv.contiguous", 1, { SEQ(0, 12, 1) } },
    // A ragged batch: prefill, decode, a chunk of a longer prompt; sequences are not in the order of their blocks.
    { 4, 1, 8, 3, 16, 0, 0.0f, "f16", "f16", "kv.contiguous", 3, { SEQ(0, 5, 2), SEQ(9, 1, 0), SEQ(7, 4, 1) } },
    // Blocks out of order, the last one partly filled.
    { 4, 2, 8, 8, 4, 0, 0.0f, "f16", "f16", "kv.paged", 2, { SEQ(9, 2, 6, 0, 3), SEQ(0, 7, 7, 1) } },
    // Sliding windows: of one token, just shorter than the sequence, just as long.
    { 2, 1, 8, 4, 4, 1, 0.0f, "f32", "f32", "kv.paged", 1, { SEQ(5, 4, 2, 0, 3) } },
    { 2, 1, 8, 4, 4, 4, 0.0f, "f32", "f32", "kv.paged", 2, { SEQ(0, 6, 2, 0), SEQ(3, 1, 1) } },
    { 2, 1, 8, 1, 9, 9, 0.0f, "f32", "f32", "kv.contiguous", 1, { SEQ(0, 9, 0) } },
    // Soft cap with a window; keys and values of different types.
    { 2, 2, 6, 5, 2, 3, 1.5f, "f16", "f32", "kv.paged", 1, { SEQ(3, 5, 4, 0, 2, 1) } },
};
#undef SEQ

typedef struct attention_case {
    const shape *s;
    collet_attention_params params;
    uint32_t n_tokens, n_past, table_width;
    float *k[SEQS_MAX], *v[SEQS_MAX]; // (n_past + n_new, n_kv_heads, head_dim), as the stores round them
    uint8_t *k_store, *v_store;
    size_t k_bytes, v_bytes;
} attention_case;

static size_t elem_bytes(const char *format)
{
    return strcmp(format, "f16") == 0 ? 2 : 4;
}

static float rounded(float x, const char *format)
{
    return strcmp(format, "f16") == 0 ? collet_f16_to_f32(collet_f32_to_f16(x)) : x;
}

static void make(attention_case *c, const shape *s)
{
    *c = (attention_case){ .s = s,
                           .params = { .size = sizeof c->params,
                                       .n_heads = s->n_heads,
                                       .n_kv_heads = s->n_kv_heads,
                                       .head_dim = s->head_dim,
                                       .scale = 1.0f / sqrtf((float)s->head_dim),
                                       .softcap = s->softcap,
                                       .window = s->window,
                                       .context_max = s->n_blocks * s->block_tokens } };
    const size_t elems = (size_t)s->n_blocks * s->n_kv_heads * s->block_tokens * s->head_dim;
    c->k_bytes = elems * elem_bytes(s->k_format);
    c->v_bytes = elems * elem_bytes(s->v_format);
    c->k_store = malloc(c->k_bytes);
    c->v_store = malloc(c->v_bytes);
    assert_non_null(c->k_store);
    assert_non_null(c->v_store);
    memset(c->k_store, 0xff, c->k_bytes);
    memset(c->v_store, 0xff, c->v_bytes);
    uint64_t seed = 3 + elems;
    for (uint32_t q = 0; q < s->n_seqs; q++) {
        const uint32_t n = s->seqs[q].n_past + s->seqs[q].n_new, row = s->n_kv_heads * s->head_dim;
        c->n_tokens += s->seqs[q].n_new;
        c->n_past += s->seqs[q].n_past;
        c->table_width = TABLE_MAX;
        c->k[q] = malloc((size_t)n * row * sizeof(float));
        c->v[q] = malloc((size_t)n * row * sizeof(float));
        assert_non_null(c->k[q]);
        assert_non_null(c->v[q]);
        for (uint32_t i = 0; i < n * row; i++) {
            c->k[q][i] = rounded(3.0f * collet_test_random(&seed), s->k_format);
            c->v[q][i] = rounded(3.0f * collet_test_random(&seed), s->v_format);
        }
    }
}

static void finish(attention_case *c)
{
    for (uint32_t q = 0; q < c->s->n_seqs; q++) {
        free(c->k[q]);
        free(c->v[q]);
    }
    free(c->k_store);
    free(c->v_store);
}

static void add_stores(collet_op_call *call, attention_case *c, bool out)
{
    const shape *s = c->s;
    const int64_t d[] = { s->n_blocks, s->n_kv_heads, s->block_tokens, s->head_dim };
    const uint32_t first = out ? 0 : 1;
    void *(*add)(collet_op_call *, const char *, uint32_t, const int64_t *, size_t) =
        out ? collet_op_call_out : collet_op_call_in;
    memcpy(add(call, s->k_format, 4, d, c->k_bytes), c->k_store, c->k_bytes);
    memcpy(add(call, s->v_format, 4, d, c->v_bytes), c->v_store, c->v_bytes);
    collet_tensor *stores = out ? call->out : call->in;
    const uint32_t layout = call->host->host.intern(call->host->host.self, s->layout);
    stores[first].layout = stores[first + 1].layout = layout;
}

// Appends tokens [begin, end) of each sequence: `past` or new ones.
static void append(attention_case *c, collet_test_host *h, bool past)
{
    const shape *s = c->s;
    const uint32_t n = past ? c->n_past : c->n_tokens, row = s->n_kv_heads * s->head_dim;
    if (n == 0)
        return;
    collet_op_call call;
    collet_op_call_begin(&call, h, &collet_cpu_attention_ref, COLLET_OP_KV_APPEND, &c->params);
    const int64_t d[] = { n, s->n_kv_heads, s->head_dim };
    float *k = collet_op_call_in(&call, "f32", 3, d, (size_t)n * row * sizeof *k);
    float *v = collet_op_call_in(&call, "f32", 3, d, (size_t)n * row * sizeof *v);
    int32_t *slots = collet_op_call_in(&call, "i32", 1, d, n * sizeof *slots);
    add_stores(&call, c, true);
    uint32_t t = 0;
    for (uint32_t q = 0; q < s->n_seqs; q++) {
        const sequence *seq = &s->seqs[q];
        const uint32_t end = past ? seq->n_past : seq->n_past + seq->n_new;
        for (uint32_t p = past ? 0 : seq->n_past; p < end; p++, t++) {
            memcpy(k + (size_t)t * row, c->k[q] + (size_t)p * row, row * sizeof *k);
            memcpy(v + (size_t)t * row, c->v[q] + (size_t)p * row, row * sizeof *v);
            slots[t] = seq->blocks[p / s->block_tokens] * (int32_t)s->block_tokens + (int32_t)(p % s->block_tokens);
        }
    }
    collet_op_call_run(&call);
    memcpy(c->k_store, call.out[0].data, c->k_bytes);
    memcpy(c->v_store, call.out[1].data, c->v_bytes);
    collet_op_call_end(&call);
}

// The op "attention" with random q; lends q and out until collet_op_call_end.
static void begin_attention(collet_op_call *call, attention_case *c, collet_test_host *h, float **q, float **out)
{
    const shape *s = c->s;
    const size_t n = (size_t)c->n_tokens * s->n_heads * s->head_dim;
    const int64_t d[] = { c->n_tokens, s->n_heads, s->head_dim }, seqs = s->n_seqs, starts = seqs + 1;
    collet_op_call_begin(call, h, &collet_cpu_attention_ref, COLLET_OP_ATTENTION, &c->params);
    *q = collet_op_call_in(call, "f32", 3, d, n * sizeof(float));
    add_stores(call, c, false);
    int32_t *q_start = collet_op_call_in(call, "i32", 1, &starts, (size_t)starts * sizeof(int32_t));
    int32_t *kv_len = collet_op_call_in(call, "i32", 1, &seqs, (size_t)seqs * sizeof(int32_t));
    int32_t *table = collet_op_call_in(call, "i32", 2, (int64_t[]){ seqs, c->table_width },
                                       (size_t)seqs * c->table_width * sizeof(int32_t));
    *out = collet_op_call_out(call, "f32", 3, d, n * sizeof(float));
    uint64_t seed = 11;
    for (size_t i = 0; i < n; i++)
        (*q)[i] = 2.0f * collet_test_random(&seed);
    q_start[0] = 0;
    for (uint32_t i = 0; i < s->n_seqs; i++) {
        const sequence *seq = &s->seqs[i];
        q_start[i + 1] = q_start[i] + (int32_t)seq->n_new;
        kv_len[i] = (int32_t)(seq->n_past + seq->n_new);
        for (uint32_t b = 0; b < c->table_width; b++)
            table[i * c->table_width + b] =
                b * s->block_tokens < seq->n_past + seq->n_new ? seq->blocks[b] : -1; // never followed
    }
}

// One output head at `position` of sequence `seq`.
static void want(double *out, const attention_case *c, const float *q, uint32_t seq, uint32_t position, uint32_t head)
{
    const shape *s = c->s;
    const uint32_t d = s->head_dim, kv_head = head / (s->n_heads / s->n_kv_heads);
    long double total = 0.0L;
    for (uint32_t i = 0; i < d; i++)
        out[i] = 0.0;
    for (uint32_t p = 0; p <= position; p++) {
        if (s->window > 0 && p + s->window <= position)
            continue;
        const float *k = c->k[seq] + ((size_t)p * s->n_kv_heads + kv_head) * d;
        const float *v = c->v[seq] + ((size_t)p * s->n_kv_heads + kv_head) * d;
        long double score = 0.0L;
        for (uint32_t i = 0; i < d; i++)
            score += (long double)q[i] * k[i];
        score *= c->params.scale;
        if (s->softcap > 0.0f)
            score = s->softcap * tanhl(score / s->softcap);
        const long double e = expl(score);
        total += e;
        for (uint32_t i = 0; i < d; i++)
            out[i] += (double)(e * v[i]);
    }
    for (uint32_t i = 0; i < d; i++)
        out[i] /= (double)total;
}

static void check(const attention_case *c, const float *q, const float *out)
{
    const shape *s = c->s;
    uint32_t t = 0;
    for (uint32_t seq = 0; seq < s->n_seqs; seq++)
        for (uint32_t i = 0; i < s->seqs[seq].n_new; i++, t++)
            for (uint32_t h = 0; h < s->n_heads; h++) {
                double w[16];
                const size_t at = ((size_t)t * s->n_heads + h) * s->head_dim;
                want(w, c, q + at, seq, s->seqs[seq].n_past + i, h);
                for (uint32_t e = 0; e < s->head_dim; e++)
                    assert_true(fabs(out[at + e] - w[e]) <= 1e-6);
            }
}

static void test_attention_ref__agrees_with_the_definition(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= 3; workers += 2) {
        collet_test_host h;
        collet_test_host_init(&h, workers);
        for (size_t i = 0; i < COLLET_COUNT(shapes); i++) {
            attention_case c;
            collet_op_call call;
            float *q = NULL, *out = NULL;
            make(&c, &shapes[i]);
            append(&c, &h, true);
            append(&c, &h, false);
            begin_attention(&call, &c, &h, &q, &out);
            collet_op_call_run(&call);
            check(&c, q, out);
            collet_op_call_end(&call);
            finish(&c);
        }
        collet_test_host_finish(&h);
    }
}

static void test_attention_ref__append_writes_its_slots_alone(void **state)
{
    (void)state;
    static const shape s = { 2,    2,     3,     4,          4, 0,
                             0.0f, "f16", "f16", "kv.paged", 1, { { .n_past = 5, .n_new = 1, .blocks = { 3, 1 } } } };
    collet_test_host h;
    collet_test_host_init(&h, 2);
    attention_case c;
    make(&c, &s);
    append(&c, &h, false); // position 5: block 1, offset 1
    const uint16_t *store = (const uint16_t *)c.k_store;
    for (uint32_t b = 0; b < s.n_blocks; b++)
        for (uint32_t head = 0; head < s.n_kv_heads; head++)
            for (uint32_t offset = 0; offset < s.block_tokens; offset++)
                for (uint32_t i = 0; i < s.head_dim; i++) {
                    const uint16_t got = store[((b * s.n_kv_heads + head) * s.block_tokens + offset) * s.head_dim + i];
                    const float k = c.k[0][(5 * s.n_kv_heads + head) * s.head_dim + i];
                    assert_int_equal(got, b == 1 && offset == 1 ? collet_f32_to_f16(k) : 0xffff);
                }
    finish(&c);
    collet_test_host_finish(&h);
}

static void test_attention_ref__rows_do_not_influence_each_other(void **state)
{
    (void)state;
    collet_test_host h;
    collet_test_host_init(&h, 2);
    attention_case c;
    collet_op_call call;
    float *q = NULL, *out = NULL;
    make(&c, &shapes[3]);
    append(&c, &h, true);
    append(&c, &h, false);
    begin_attention(&call, &c, &h, &q, &out);
    const size_t row = (size_t)c.s->n_heads * c.s->head_dim;
    q[row] = NAN; // the first head of the second row
    collet_op_call_run(&call);
    for (size_t i = 0; i < c.n_tokens * row; i++)
        assert_int_equal(isnan(out[i]) != 0, i >= row && i < row + c.s->head_dim);
    collet_op_call_end(&call);
    finish(&c);
    collet_test_host_finish(&h);
}

static void test_attention_ref__large_scores_do_not_overflow(void **state)
{
    (void)state;
    static const shape s = {
        1, 1, 4, 1, 3, 0, 0.0f, "f32", "f32", "kv.contiguous", 1, { { .n_past = 2, .n_new = 1 } }
    };
    collet_test_host h;
    collet_test_host_init(&h, 1);
    attention_case c;
    collet_op_call call;
    float *q = NULL, *out = NULL;
    make(&c, &s);
    for (uint32_t i = 0; i < 4; i++)
        c.k[0][4 + i] = 1e4f; // the second token wins alone: exp(2e8)
    append(&c, &h, true);
    append(&c, &h, false);
    begin_attention(&call, &c, &h, &q, &out);
    for (uint32_t i = 0; i < 4; i++)
        q[i] = 1e4f;
    collet_op_call_run(&call);
    assert_memory_equal(out, c.v[0] + 4, 4 * sizeof *out);
    collet_op_call_end(&call);
    finish(&c);
    collet_test_host_finish(&h);
}

static void test_attention_ref__refuses_what_it_would_misread(void **state)
{
    (void)state;
    collet_test_host h;
    collet_test_host_init(&h, 1);
    attention_case made;
    collet_op_call sound;
    float *q = NULL, *out = NULL;
    make(&made, &shapes[4]);
    begin_attention(&sound, &made, &h, &q, &out);
    collet_attention_params uneven = made.params, nothing = made.params, cut = made.params;
    uneven.n_kv_heads = 3;
    nothing.context_max = 0;
    cut.size = 8;
    COLLET_ASSERT_REFUSED(&sound, c.desc.op = h.host.intern(h.host.self, "kv_attention"), "no such op");
    COLLET_ASSERT_REFUSED(&sound, c.desc.op = 0, "no such op");
    COLLET_ASSERT_REFUSED(&sound, c.desc.n_in = 5, "5 inputs");
    COLLET_ASSERT_REFUSED(&sound, c.in_list[3] = NULL, "missing");
    COLLET_ASSERT_REFUSED(&sound, c.desc.params = &cut, "params of 8 bytes");
    COLLET_ASSERT_REFUSED(&sound, c.desc.params = &uneven, "4 query heads over 3");
    COLLET_ASSERT_REFUSED(&sound, c.desc.params = &nothing, "context of 0");
    COLLET_ASSERT_REFUSED(&sound, c.in[0].shape[2] = 7, "wanted 4 heads of 8");
    COLLET_ASSERT_REFUSED(&sound, c.in[0].stride[0] += 64, "contiguous"); // q within a fused qkv row
    COLLET_ASSERT_REFUSED(&sound, c.in[1].format = c.in[3].format, "cache elements");
    COLLET_ASSERT_REFUSED(&sound, c.in[2].layout = h.host.intern(h.host.self, "kv.tiled"), "cache layout");
    COLLET_ASSERT_REFUSED(&sound, c.in[2].shape[1] = 1, "wanted 2 heads");
    COLLET_ASSERT_REFUSED(&sound, c.in[1].stride[1] += 64, "one after the other");
    COLLET_ASSERT_REFUSED(&sound, c.in[5].stride[0] += 4, "block_table");
    COLLET_ASSERT_REFUSED(&sound, c.in[4].format = c.in[0].format, "kv_len");
    collet_op_call_end(&sound);
    finish(&made);
    collet_test_host_finish(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attention_ref__agrees_with_the_definition),
        cmocka_unit_test(test_attention_ref__append_writes_its_slots_alone),
        cmocka_unit_test(test_attention_ref__rows_do_not_influence_each_other),
        cmocka_unit_test(test_attention_ref__large_scores_do_not_overflow),
        cmocka_unit_test(test_attention_ref__refuses_what_it_would_misread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
