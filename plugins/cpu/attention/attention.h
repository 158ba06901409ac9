// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/attention/attention.h - what the attention kernels of this plugin promise.
//
// A kernel works on one kv head of one sequence and on all `group` query heads that read it, so that each key and value
// is read once. Both phases are an online softmax: keys come in tiles; a row keeps its largest score, the sum of
// exp(score - largest) and the sum of exp(score - largest) V, and rescales the sums when the largest grows.
//
// prefill   query rows [begin, end): row t has position a->position + t; writes their normalised outputs
// decode    one query row, key positions [begin, end): writes `partial`, whose merge is attention_run.c's
//
// Equivalent to attention.h of the ABI. A key that is out of a row's sight has weight 0: as 0 * inf is NaN, an infinite
// or NaN value of a token may reach rows of the same sequence and step in its block of query rows.
#ifndef COLLET_PLUGINS_CPU_ATTENTION_H
#define COLLET_PLUGINS_CPU_ATTENTION_H

#include "collet/plugin/attention.h"

// Keys of one tile: 64 scores a row are two cache lines of f32 twice over, and K and V of a head of 64 fit in L1.
#define COLLET_CPU_ATTENTION_KEYS 64u
// Query rows (tokens times heads of the group) that prefill holds against one tile; one token's heads if those are
// more.
#define COLLET_CPU_ATTENTION_ROWS 48u
// Rows of the widest register tile; row buffers are padded to it.
#define COLLET_CPU_ATTENTION_ROW_PAD 12u

typedef struct collet_cpu_attention_args {
    const float *q;                                            // first token of the sequence, head 0
    float *out;                                                // the same place in the output
    const uint8_t *k, *v;                                      // the stores
    const int32_t *block_table;                                // of the sequence
    size_t q_row, q_head, out_row, out_head;                   // elements
    size_t k_block, k_head, k_token, v_block, v_head, v_token; // bytes
    uint32_t block_tokens, head_dim, group, kv_head;           // query heads kv_head * group + [0, group)
    uint32_t position, window;                                 // of q's first row; 0: no window
    float scale, softcap;                                      // 0: none
} collet_cpu_attention_args;

// scratch: collet_cpu_attention_scratch() floats, 64-byte aligned, contents undefined before and after.
// partial: decode only; `group` rows of collet_cpu_attention_partial() floats: head_dim sums, the largest score, the
// sum.
typedef void (*collet_cpu_attention_fn)(const collet_cpu_attention_args *a, uint32_t begin, uint32_t end,
                                        float *scratch, float *partial);

// Stores n floats in the format of the store.
typedef void (*collet_cpu_kv_append_fn)(void *dst, const float *src, uint32_t n);

typedef struct collet_cpu_attention_kernel {
    const char *phase, *format; // "decode", "prefill"; format of the stores
    uint32_t isa;               // one COLLET_ISA_*
    const char *name;
    collet_cpu_attention_fn run;
} collet_cpu_attention_kernel;

typedef struct collet_cpu_kv_append_kernel {
    const char *format;
    uint32_t isa;
    const char *name;
    collet_cpu_kv_append_fn run;
} collet_cpu_kv_append_kernel;

#define KERNEL(phase, format, isa, fn) \
    void fn(const collet_cpu_attention_args *a, uint32_t begin, uint32_t end, float *scratch, float *partial);
#define APPEND(format, isa, fn) void fn(void *dst, const float *src, uint32_t n);
#include "attention_kernels.inc"
#undef KERNEL
#undef APPEND

// The last line for phase and format that isa_mask has; NULL when there is none.
const collet_cpu_attention_kernel *collet_cpu_attention_choose(const char *phase, const char *format,
                                                               uint32_t isa_mask);
const collet_cpu_kv_append_kernel *collet_cpu_kv_append_choose(const char *format, uint32_t isa_mask);

// Query tokens of one prefill call.
static inline uint32_t collet_cpu_attention_tokens(uint32_t group)
{
    return group < COLLET_CPU_ATTENTION_ROWS ? COLLET_CPU_ATTENTION_ROWS / group : 1;
}

// Floats of one row of `partial`: a multiple of 8, so that rows stay aligned.
static inline uint32_t collet_cpu_attention_partial(uint32_t head_dim)
{
    return head_dim + 8;
}

// How prefill divides its scratch; decode needs less and begins with the same queries and scores.
typedef struct collet_cpu_attention_scratch_map {
    size_t queries, scores, outputs, largest, sums, keys, values, n_floats;
    uint32_t out_row; // head_dim rounded up to 16: a panel of outputs
} collet_cpu_attention_scratch_map;

static inline collet_cpu_attention_scratch_map collet_cpu_attention_scratch(uint32_t head_dim, uint32_t group)
{
    const size_t pad = COLLET_CPU_ATTENTION_ROW_PAD, n_keys = COLLET_CPU_ATTENTION_KEYS;
    const size_t rows = (collet_cpu_attention_tokens(group) * group + pad - 1) / pad * pad;
    collet_cpu_attention_scratch_map m = { .out_row = (head_dim + 15) / 16 * 16 };
    m.scores = m.queries + rows * m.out_row;
    m.outputs = m.scores + rows * (n_keys + 16); // 16 more: decode writes whole vectors past the last key
    m.largest = m.outputs + rows * m.out_row;
    m.sums = m.largest + (rows + 15) / 16 * 16;
    m.keys = m.sums + (rows + 15) / 16 * 16;
    m.values = m.keys + n_keys * m.out_row;
    m.n_floats = m.values + n_keys * m.out_row;
    return m;
}

// Tokens from position p on, before `end`, that lie one after the other in a block.
static inline uint32_t collet_cpu_attention_run_tokens(const collet_cpu_attention_args *a, uint32_t p, uint32_t end)
{
    const uint32_t left = a->block_tokens - p % a->block_tokens;
    return left < end - p ? left : end - p;
}

static inline const uint8_t *collet_cpu_attention_key(const collet_cpu_attention_args *a, uint32_t p)
{
    return a->k + (size_t)a->block_table[p / a->block_tokens] * a->k_block + a->kv_head * a->k_head +
           p % a->block_tokens * a->k_token;
}

static inline const uint8_t *collet_cpu_attention_value(const collet_cpu_attention_args *a, uint32_t p)
{
    return a->v + (size_t)a->block_table[p / a->block_tokens] * a->v_block + a->kv_head * a->v_head +
           p % a->block_tokens * a->v_token;
}

// Where the keys and values of positions [p, p + n) are.
static inline void collet_cpu_attention_rows(const uint8_t **key, const uint8_t **value,
                                             const collet_cpu_attention_args *a, uint32_t p, uint32_t n)
{
    for (uint32_t j = 0; j < n;) {
        const uint32_t run_end = j + collet_cpu_attention_run_tokens(a, p + j, p + n);
        const uint8_t *k = collet_cpu_attention_key(a, p + j), *v = collet_cpu_attention_value(a, p + j);
        for (; j < run_end; j++, k += a->k_token, v += a->v_token) {
            key[j] = k;
            value[j] = v;
        }
    }
}

extern const collet_module collet_cpu_attention_flash;

#endif
