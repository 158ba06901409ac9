// SPDX-License-Identifier: Apache-2.0
// include/collet/plugin/attention.h - collet.attention/0: append K and V to the cache, attend over it. Life cycle:
// op.h.
//
// A step is a ragged batch of n_seqs sequences with n_tokens tokens in all. Sequence s owns the rows
// [q_start[s], q_start[s+1]) of q, k, v and out; after the append its cache holds kv_len[s] tokens, the last of which
// are this step's. So row t of sequence s has position kv_len[s] - (q_start[s+1] - t).
//
// The cache of one layer is two stores, (n_blocks, n_kv_heads, block_tokens, head_dim) each, made by a kvcache module;
// token p of sequence s lives in block block_table[s][p / block_tokens] at p % block_tokens. The stores' layout id
// names the module's arrangement (`kv.contiguous`: one block per sequence; `kv.paged`); their format is the element
// type.
//
// op "kv_append"   stores this step's keys and values
//     in[0] k (n_tokens, n_kv_heads, head_dim) f32 | in[1] v, the same
//     in[2] slots (n_tokens) i32: block * block_tokens + offset of each token
//     out[0] K store | out[1] V store
// op "attention"   head h reads kv head h / (n_heads / n_kv_heads)
//     in[0] q (n_tokens, n_heads, head_dim) f32 | in[1] K store | in[2] V store
//     in[3] q_start (n_seqs + 1) i32 | in[4] kv_len (n_seqs) i32 | in[5] block_table (n_seqs, n_blocks_max) i32
//     out[0] o (n_tokens, n_heads, head_dim) f32:
//         s[p] = softcap(scale * dot(q, K[p])) for 0 <= p <= pos, and p > pos - window when window > 0
//         o    = sum over p of softmax(s)[p] * V[p];   softcap(x) = cap * tanh(x / cap) when cap > 0, else x
//
// Memory:   out overlaps nothing. Entries of block_table past a sequence's last block are -1 and never followed.
// Numerics: f32 accumulation; rows of one step do not influence each other
// Capture:  shapes are fixed per bucket; q_start, kv_len, block_table and slots change between replays: they are read
//           on the device when the op executes, or through plan()
#ifndef COLLET_PLUGIN_ATTENTION_H
#define COLLET_PLUGIN_ATTENTION_H

#include "op.h"

#define COLLET_ATTENTION_IFACE "collet.attention/0"
#define COLLET_OP_KV_APPEND "kv_append"
#define COLLET_OP_ATTENTION "attention"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct collet_attention_params { // of both ops
    uint32_t size;
    uint32_t n_heads, n_kv_heads, head_dim;
    float scale, softcap; // softcap 0: none
    uint32_t window;      // 0: all earlier tokens
    uint32_t context_max; // no sequence grows past this many tokens
} collet_attention_params;

#ifdef __cplusplus
}
#endif
#endif
