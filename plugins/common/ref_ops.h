// SPDX-License-Identifier: Apache-2.0
// plugins/common/ref_ops.h - the base ops in plain C: the truth that tuned kernels are compared with.
//
// Sums are made in double, so that a difference is always the other kernel's. Rows are contiguous; `stride` is in
// floats. In place (y == x, y == a) is allowed where ops.h allows it. Threads: [worker] rows [begin, end) only
#ifndef COLLET_PLUGINS_COMMON_REF_OPS_H
#define COLLET_PLUGINS_COMMON_REF_OPS_H

#include <stddef.h>
#include <stdint.h>

#include "plugins/common/formats.h"

// y[r] = table[tokens[r]] * scale;  table (vocab, dim) in `format`, row_bytes a row | y (rows, dim)
void collet_ref_embed(float *y, const int32_t *tokens, const void *table, const collet_format *format,
                      uint64_t row_bytes, uint32_t dim, float scale, uint32_t begin, uint32_t end);
// y[r] = x[r] / sqrt(mean(x[r]^2) + eps) * w;  x, y (rows, dim) | w (dim)
void collet_ref_rmsnorm(float *y, const float *x, const float *w, uint32_t dim, float eps, uint32_t begin,
                        uint32_t end);
// x (n_tokens, n_heads, head_dim) -> y, rotated by positions[t] * freq[i]; pairs: COLLET_ROPE_* (ops.h)
typedef struct collet_ref_rope_args {
    float *y;
    const float *x, *freq;
    const int32_t *positions;
    uint32_t n_heads, head_dim, n_rot, pairs;
    float mscale;
} collet_ref_rope_args;
void collet_ref_rope(const collet_ref_rope_args *a, uint32_t begin, uint32_t end);
// y = a + b; y = silu(a) * b; y = gelu(a) * b; y = cap * tanh(x / cap), elements [begin, end)
void collet_ref_add(float *y, const float *a, const float *b, size_t begin, size_t end);
void collet_ref_silu_mul(float *y, const float *a, const float *b, size_t begin, size_t end);
void collet_ref_gelu_mul(float *y, const float *a, const float *b, size_t begin, size_t end);
void collet_ref_softcap(float *y, const float *x, float cap, size_t begin, size_t end);

#endif
