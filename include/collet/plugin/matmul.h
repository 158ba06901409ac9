// SPDX-License-Identifier: Apache-2.0
// include/collet/plugin/matmul.h - collet.matmul/0: y = x W^T for the weight formats a module lists. Life cycle: op.h.
//
// op "matmul"
//     for (t = 0; t < n_tokens; t++)
//         for (o = 0; o < n_out; o++)
//             y[t][o] = sum over i of x[t][i] * dequant(W)[o][i];
//
// Shapes:   in[0] x (n_tokens, n_in) f32, rows contiguous, stride[0] >= 4 n_in
//           in[1] W (n_out, n_in) in any weight format; packed if supports() asked for a layout
//           out[0] y (n_tokens, n_out) f32, stride[0] >= 4 n_out
//           n_tokens >= 1 and at most the descriptor's; n_in is a multiple of the format's block
// Memory:   y overlaps nothing; rows of y are written whole; no alignment of x or y is assumed
// Numerics: a module may quantize x to 8 bits per block of at most 256 (docs/NUMERICS.md states the bound); the result
//           must not depend on n_tokens beyond rounding, and NaN or infinity in x must reach y
//
// Fused ops: several weights, one activation, the same numbers. Whoever has none of them runs the decomposition.
//
// op "matmul_group"                    for each weight k:  y[k] = x W[k]^T
//     in[0] x | in[1 + k] W[k], formats may differ | out[k] y[k]; 2 <= n <= COLLET_MATMUL_GROUP_MAX weights
//     decomposition: matmul(x, W[k]) -> y[k], one after the other
// op "matmul_glu"                      y = act(x Wgate^T) * (x Wup^T), element by element; silu, gelu: ops.h
//     in[0] x | in[1] Wgate (n_out, n_in) | in[2] Wup, the same shape | out[0] y (n_tokens, n_out)
//     decomposition: matmul(x, Wgate) -> y; matmul(x, Wup) -> u; silu_mul or gelu_mul(y, u) -> y
//     A step has no tensor u: a module that needs one has it in its workspace
//
// Profile:  slots.matmul rules match on format, phase, layers, tensor (name pattern) and tokens
#ifndef COLLET_PLUGIN_MATMUL_H
#define COLLET_PLUGIN_MATMUL_H

#include "op.h"

#define COLLET_MATMUL_IFACE "collet.matmul/0"
#define COLLET_OP_MATMUL "matmul"
#define COLLET_OP_MATMUL_GROUP "matmul_group"
#define COLLET_OP_MATMUL_GLU "matmul_glu"
#define COLLET_MATMUL_GROUP_MAX 4

#ifdef __cplusplus
extern "C" {
#endif

typedef struct collet_matmul_params {
    uint32_t size;
    uint32_t flags;     // none yet, 0
    const char *tensor; // the weight's name in its file: "blk.0.attn_q.weight"; lent for the call
} collet_matmul_params;

enum { COLLET_GLU_SILU = 0, COLLET_GLU_GELU = 1 };

typedef struct collet_matmul_fused_params { // of matmul_group and matmul_glu
    uint32_t size;
    uint32_t flags;            // none yet, 0
    uint32_t n_weights;        // matmul_glu: 2
    uint32_t act;              // COLLET_GLU_*; matmul_group: 0
    const char *const *tensor; // the weights' names; lent for the call
} collet_matmul_fused_params;

#ifdef __cplusplus
}
#endif
#endif
