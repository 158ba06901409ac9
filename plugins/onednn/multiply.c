// SPDX-License-Identifier: Apache-2.0
// plugins/onednn/multiply.c - primitives for steps of every size, and what a worker does with them.
//
// A primitive is compiled for one number of tokens. There is one for each power of two; a step of 21 is 16 + 4 + 1, all
// on the same block of weights, which stays in the second-level cache meanwhile.
#include <math.h>
#include <string.h>

#include "plugins/common/f16.h"
#include "plugins/onednn/engine.h"

#define SUMS_MAX 512u // tokens times groups of one call in s8: 128 KiB of sums

// One primitive, and for each worker the memory objects that it is called with.
typedef struct call_site {
    dnnl_primitive_t primitive;
    uint32_t n_groups;
    uint64_t scratchpad_bytes;
    dnnl_memory_t *memory; // [worker][source, weights, destination, scratchpad]
} call_site;

enum { SOURCE, WEIGHTS, DESTINATION, SCRATCHPAD, N_MEMORIES };

struct onednn_product {
    onednn_product *next;
    onednn_engine *engine;
    onednn_type type;
    uint32_t n_in, n_columns;
    uint64_t weight_bytes;
    call_site whole[ONEDNN_SIZES], rest[ONEDNN_SIZES]; // rest: s8, the groups that are left over
};

// ---- making ----

static dnnl_status_t make_memories(call_site *c, const onednn_engine *e, const_dnnl_primitive_desc_t pd)
{
    static const dnnl_query_t queries[N_MEMORIES] = { dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md,
                                                      dnnl_query_scratchpad_md };
    dnnl_status_t st = dnnl_success;
    c->scratchpad_bytes = dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0));
    for (uint32_t i = 0; i < e->n_workers * N_MEMORIES && st == dnnl_success; i++)
        st = dnnl_memory_create(&c->memory[i], dnnl_primitive_desc_query_md(pd, queries[i % N_MEMORIES], 0), e->engine,
                                DNNL_MEMORY_NONE);
    return st;
}

static collet_status make_call(call_site *c, const onednn_product *p, uint32_t n_tokens, uint32_t n_groups,
                               collet_error *err)
{
    const onednn_engine *e = p->engine;
    const size_t n_bytes = e->n_workers * N_MEMORIES * sizeof *c->memory;
    c->memory = e->host->alloc(e->host->self, n_bytes, 16);
    if (!c->memory)
        return e->host->fail(err, COLLET_E_NOMEM, 0, "no memory for a primitive of oneDNN");
    memset(c->memory, 0, n_bytes);
    c->n_groups = n_groups;
    const onednn_shape shape = {
        .type = p->type, .n_columns = p->n_columns, .n_groups = n_groups, .n_tokens = n_tokens
    };
    dnnl_memory_desc_t weights;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t st = onednn_weight_layout(&weights, e, p->type, p->n_columns, n_groups);
    if (st == dnnl_success)
        st = onednn_describe(&pd, e, &shape, &weights);
    if (st == dnnl_success)
        st = dnnl_primitive_create(&c->primitive, pd);
    if (st == dnnl_success)
        st = make_memories(c, e, pd);
    dnnl_primitive_desc_destroy(pd);
    return onednn_check(e->host, st, "matmul", err);
}

static collet_status make_sizes(onednn_product *p, uint32_t n_tokens, collet_error *err)
{
    const uint32_t all = p->type == ONEDNN_S8 ? p->n_columns / ONEDNN_GROUP : 1;
    collet_status st = COLLET_OK;
    for (uint32_t i = 0; i < ONEDNN_SIZES && 1u << i <= n_tokens && st == COLLET_OK; i++) {
        if (p->whole[i].primitive)
            continue;
        const uint32_t most = SUMS_MAX >> i, n_groups = all < most ? all : most;
        st = make_call(&p->whole[i], p, 1u << i, n_groups, err);
        if (st == COLLET_OK && all % n_groups)
            st = make_call(&p->rest[i], p, 1u << i, all % n_groups, err);
    }
    return st;
}

collet_status onednn_product_make(const onednn_product **out, onednn_engine *e, onednn_type type, uint32_t n_in,
                                  uint32_t n_tokens, collet_error *err)
{
    onednn_product *p = e->products;
    while (p && (p->type != type || p->n_in != n_in))
        p = p->next;
    if (!p) {
        p = e->host->alloc(e->host->self, sizeof *p, 16);
        if (!p)
            return e->host->fail(err, COLLET_E_NOMEM, 0, "no memory for the primitives of oneDNN");
        *p = (onednn_product){ .next = e->products,
                               .engine = e,
                               .type = type,
                               .n_in = n_in,
                               .n_columns = onednn_columns(n_in),
                               .weight_bytes = onednn_weight_bytes(e, type, n_in) };
        e->products = p;
    }
    onednn_one_thread one;
    onednn_one_thread_begin(&one); // the limit is part of what a primitive is compiled for
    const collet_status st = make_sizes(p, n_tokens, err);
    onednn_one_thread_end(&one);
    if (st == COLLET_OK)
        *out = p;
    return st;
}

static void destroy_call(const onednn_engine *e, call_site *c)
{
    for (uint32_t i = 0; c->memory && i < e->n_workers * N_MEMORIES; i++)
        dnnl_memory_destroy(c->memory[i]);
    dnnl_primitive_destroy(c->primitive);
    e->host->free(e->host->self, c->memory);
}

void onednn_product_destroy_all(onednn_engine *e)
{
    while (e->products) {
        onednn_product *p = e->products;
        e->products = p->next;
        for (uint32_t i = 0; i < ONEDNN_SIZES; i++) {
            destroy_call(e, &p->whole[i]);
            destroy_call(e, &p->rest[i]);
        }
        e->host->free(e->host->self, p);
    }
}

// ---- activations ----

uint64_t onednn_x_bytes(onednn_type type, uint32_t n_in, uint32_t n_tokens)
{
    const uint64_t n = (uint64_t)n_tokens * onednn_columns(n_in);
    return type == ONEDNN_F32    ? n * sizeof(float)
           : type == ONEDNN_BF16 ? n * sizeof(uint16_t)
                                 : (n + 63) / 64 * 64 + n / ONEDNN_GROUP * sizeof(float);
}

// Scales lie behind the codes of all tokens: [token][group].
static float *x_scales(const void *x, uint32_t n_columns, uint32_t n_tokens)
{
    return (float *)(void *)((uint8_t *)(uintptr_t)x + ((uint64_t)n_tokens * n_columns + 63) / 64 * 64);
}

// A block with NaN or infinity gets the scale NaN, which reaches every y of the row.
static float quantize(int8_t q[ONEDNN_GROUP], const float *x)
{
    float most = 0.0f;
    bool finite = true;
    for (uint32_t i = 0; i < ONEDNN_GROUP; i++) {
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
        finite = finite && isfinite(x[i]);
    }
    if (!finite)
        most = 0.0f;
    const float inverse = most > 1e-36f ? 127.0f / most : 0.0f; // below, the inverse would overflow
    for (uint32_t i = 0; i < ONEDNN_GROUP; i++)
        q[i] = finite ? (int8_t)lrintf(x[i] * inverse) : 0;
    return finite ? most / 127.0f : NAN;
}

void onednn_x_convert(onednn_type type, void *x_out, const float *x, uint32_t n_in, uint32_t n_tokens, uint32_t token)
{
    const uint32_t n_columns = onednn_columns(n_in), n_groups = n_columns / ONEDNN_GROUP;
    const uint64_t first = (uint64_t)token * n_columns;
    if (type == ONEDNN_F32) {
        memcpy((float *)x_out + first, x, n_in * sizeof(float));
        memset((float *)x_out + first + n_in, 0, (n_columns - n_in) * sizeof(float));
    } else if (type == ONEDNN_BF16) {
        uint16_t *out = (uint16_t *)x_out + first;
        for (uint32_t i = 0; i < n_in; i++)
            out[i] = collet_f32_to_bf16(x[i]);
        memset(out + n_in, 0, (n_columns - n_in) * sizeof *out);
    } else {
        float *scales = x_scales(x_out, n_columns, n_tokens) + (uint64_t)token * n_groups;
        int8_t *out = (int8_t *)x_out + first;
        for (uint32_t g = 0; g < n_in / ONEDNN_GROUP; g++)
            scales[g] = quantize(out + g * ONEDNN_GROUP, x + g * ONEDNN_GROUP);
        for (uint32_t g = n_in / ONEDNN_GROUP; g < n_groups; g++)
            scales[g] = 0.0f;
        memset(out + n_in, 0, n_columns - n_in);
    }
}

// ---- multiplying ----

uint64_t onednn_scratch_bytes(const onednn_product *p, uint32_t n_tokens)
{
    uint64_t sums = 0, pad = 0;
    for (uint32_t i = 0; i < ONEDNN_SIZES && 1u << i <= n_tokens; i++) {
        const call_site *sites[2] = { &p->whole[i], &p->rest[i] };
        for (uint32_t k = 0; k < 2; k++) {
            const uint64_t n = (uint64_t)sites[k]->n_groups * ONEDNN_ROWS * sizeof(float) << i;
            sums = n > sums ? n : sums;
            pad = sites[k]->scratchpad_bytes > pad ? sites[k]->scratchpad_bytes : pad;
        }
    }
    return sums + (pad + 63) / 64 * 64; // sums are a multiple of 64 bytes
}

static dnnl_status_t execute(const onednn_product *p, const call_site *s, uint32_t worker, void *const data[N_MEMORIES])
{
    static const int names[N_MEMORIES] = { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_SCRATCHPAD };
    dnnl_exec_arg_t args[N_MEMORIES];
    for (uint32_t i = 0; i < N_MEMORIES; i++) {
        args[i] = (dnnl_exec_arg_t){ names[i], s->memory[worker * N_MEMORIES + i] };
        const dnnl_status_t st = dnnl_memory_set_data_handle(args[i].memory, data[i]);
        if (st != dnnl_success)
            return st;
    }
    return dnnl_primitive_execute(s->primitive, p->engine->streams[worker], N_MEMORIES, args);
}

// y[t][r] += sums[g][t][r] times both scales, for groups from g on.
static void add_groups(const onednn_product *p, const onednn_call *c, const call_site *s, uint32_t g, uint32_t token,
                       uint32_t n)
{
    const uint32_t n_groups = p->n_columns / ONEDNN_GROUP;
    const float *w_scales = (const float *)(const void *)(c->block + p->weight_bytes) + (uint64_t)g * ONEDNN_ROWS;
    const float *x_scale = x_scales(c->x, p->n_columns, c->n_tokens) + (uint64_t)token * n_groups + g;
    const int32_t *sums = c->scratch;
    for (uint32_t i = 0; i < s->n_groups; i++, w_scales += ONEDNN_ROWS)
        for (uint32_t t = 0; t < n; t++, sums += ONEDNN_ROWS) {
            float *y = c->y + (token + t) * c->y_stride;
            const float scale = x_scale[(uint64_t)t * n_groups + i];
            if (g + i == 0)
                memset(y, 0, c->n_rows * sizeof *y);
            for (uint32_t r = 0; r < c->n_rows; r++)
                y[r] += (float)sums[r] * (scale * w_scales[r]);
        }
}

static dnnl_status_t multiply_s8(const onednn_product *p, const onednn_call *c, uint32_t size, uint32_t token)
{
    const uint32_t n_groups = p->n_columns / ONEDNN_GROUP;
    const call_site *s = &p->whole[size];
    uint8_t *pad = (uint8_t *)c->scratch + ((uint64_t)s->n_groups * ONEDNN_ROWS * sizeof(int32_t) << size);
    for (uint32_t g = 0; g < n_groups; g += s->n_groups) {
        if (n_groups - g < s->n_groups)
            s = &p->rest[size];
        void *const data[N_MEMORIES] = {
            [SOURCE] = (int8_t *)(uintptr_t)c->x + (uint64_t)token * p->n_columns + g * ONEDNN_GROUP,
            [WEIGHTS] = (uint8_t *)(uintptr_t)c->block + (uint64_t)g * ONEDNN_GROUP * ONEDNN_ROWS,
            [DESTINATION] = c->scratch,
            [SCRATCHPAD] = pad,
        };
        const dnnl_status_t st = execute(p, s, c->worker, data);
        if (st != dnnl_success)
            return st;
        add_groups(p, c, s, g, token, 1u << size);
    }
    return dnnl_success;
}

static dnnl_status_t multiply_floats(const onednn_product *p, const onednn_call *c, uint32_t size, uint32_t token)
{
    const uint64_t elem_bytes = p->type == ONEDNN_BF16 ? 2 : 4;
    const uint64_t sums_bytes = (uint64_t)ONEDNN_ROWS * sizeof(float) << size;
    void *const data[N_MEMORIES] = {
        [SOURCE] = (uint8_t *)(uintptr_t)c->x + (uint64_t)token * p->n_columns * elem_bytes,
        [WEIGHTS] = (uint8_t *)(uintptr_t)c->block,
        [DESTINATION] = c->scratch,
        [SCRATCHPAD] = (uint8_t *)c->scratch + sums_bytes,
    };
    const dnnl_status_t st = execute(p, &p->whole[size], c->worker, data);
    const float *sums = c->scratch;
    for (uint32_t t = 0; t < 1u << size && st == dnnl_success; t++)
        memcpy(c->y + (token + t) * c->y_stride, sums + (uint64_t)t * ONEDNN_ROWS, c->n_rows * sizeof *sums);
    return st;
}

collet_status onednn_multiply(const onednn_product *p, const onednn_call *c)
{
    for (uint32_t token = 0, size; token < c->n_tokens; token += 1u << size) {
        size = ONEDNN_SIZES - 1;
        while (1u << size > c->n_tokens - token)
            size--;
        const dnnl_status_t st =
            p->type == ONEDNN_S8 ? multiply_s8(p, c, size, token) : multiply_floats(p, c, size, token);
        if (st != dnnl_success)
            return COLLET_E_DEVICE;
    }
    return COLLET_OK;
}
