// SPDX-License-Identifier: Apache-2.0
// include/collet/plugin/ops.h - collet.ops/0: everything between the matmuls. Life cycle: op.h.
//
// All activations are f32 with the last dimension contiguous; T is n_tokens (shape[0], dynamic). A module lists the ops
// it has; base ops have a reference module, fused ops have a decomposition that the core runs when no module has them.
//
// base op       in                                                     out                      params
// embed         tokens (T) i32, table (vocab, dim) any weight format   x (T, dim)               collet_embed_params
// rmsnorm       x (T, dim) or (T, heads, dim), w (dim) f32             y like x; may be x       collet_norm_params
// add           a, b (T, dim)                                          y (T, dim); may be a     -
// rope          x (T, heads, dim), positions (T) i32, freq (n_rot/2)   y like x; may be x       collet_rope_params
// silu_mul      a, b (T, dim)                                          y = silu(a) b; may be a  -
// gelu_mul      a, b (T, dim)                                          y = gelu(a) b; may be a  -
// softcap       x (T, dim)                                             y like x; may be x       collet_softcap_params
// take_rows     x (T, dim), rows (R) i32                               y (R, dim)               -
//
// fused op      in                                     out                        decomposition
// add_rmsnorm   x (T, dim), d (T, dim), w (dim) f32    x (the same memory), h     add(x, d) -> x; rmsnorm(x, w) -> h
//
// rmsnorm:  y = x / sqrt(mean(x^2) + eps) * w                   (Zhang, Sennrich 2019)
// rope:     angle = position * freq[i]; pairs (2i, 2i+1) when NORM, (i, i + n_rot/2) when NEOX; elements from n_rot on
//           are copied; the rotated pair is multiplied by mscale (Su et al. 2021; YaRN's attention factor)
// silu:     x / (1 + exp(-x));   gelu: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
// embed:    a token outside [0, vocab) cannot occur: the engine checks
#ifndef COLLET_PLUGIN_OPS_H
#define COLLET_PLUGIN_OPS_H

#include "op.h"

#define COLLET_OPS_IFACE "collet.ops/0"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct collet_embed_params {
    uint32_t size;
    float scale; // each row is multiplied by it; Gemma: sqrt(dim)
} collet_embed_params;

typedef struct collet_norm_params {
    uint32_t size;
    float eps;
} collet_norm_params;

enum { COLLET_ROPE_NORM = 0, COLLET_ROPE_NEOX = 1 };
typedef struct collet_rope_params {
    uint32_t size;
    uint32_t pairs; // COLLET_ROPE_*
    uint32_t n_rot; // elements of a head that are rotated; even
    float mscale;   // 1 without YaRN
} collet_rope_params;

typedef struct collet_softcap_params {
    uint32_t size;
    float cap; // > 0
} collet_softcap_params;

#ifdef __cplusplus
}
#endif
#endif
