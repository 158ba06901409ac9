// SPDX-License-Identifier: Apache-2.0
// plugins/common/ref_attention.h - kv_append and attention in plain C, as attention.h says it, summed in double.
#ifndef COLLET_PLUGINS_COMMON_REF_ATTENTION_H
#define COLLET_PLUGINS_COMMON_REF_ATTENTION_H

#include <stdbool.h>
#include <stdint.h>

// One layer's store: (n_blocks, n_kv_heads, block_tokens, head_dim) of f32 or f16.
typedef struct collet_ref_store {
    void *data;
    bool half;
    uint32_t n_kv_heads, block_tokens, head_dim;
} collet_ref_store;

// Rows [begin, end) of kv (n_tokens, n_kv_heads, head_dim) to their slots.
void collet_ref_kv_append(const collet_ref_store *store, const float *kv, const int32_t *slots, uint32_t begin,
                          uint32_t end);

typedef struct collet_ref_attention_args {
    const float *q; // (n_tokens, n_heads, head_dim)
    float *out;     // the same
    collet_ref_store k, v;
    const int32_t *q_start, *kv_len, *block_table;
    uint32_t n_seqs, n_blocks_max, n_heads, window;
    float scale, softcap;
} collet_ref_attention_args;

// One token and one head. scores holds as many numbers as the longest sequence has tokens.
void collet_ref_attention(const collet_ref_attention_args *a, double *scores, uint32_t token, uint32_t head);

#endif
