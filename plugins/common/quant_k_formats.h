// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_k_formats.h - the encoders of the K formats, for the lanes that were included before this.
//
// collet_encode_<name>: as collet_quantize_<name> of formats.h, with the same bytes for every number of lanes.
#ifndef COLLET_PLUGINS_COMMON_QUANT_K_FORMATS_H
#define COLLET_PLUGINS_COMMON_QUANT_K_FORMATS_H

#include "plugins/common/quant_k_affine.h"
#include "plugins/common/quant_k_pack.h"
#include "plugins/common/quant_k_signed.h"

// The search is compiled twice, with and without importances, for each format: all that differs is a constant there.
#define AFFINE(name, elems, codes, scales, bytes)                                                                  \
    static inline void collet_encode_##name(const float *src, void *dst, uint64_t n, const float *imatrix)         \
    {                                                                                                              \
        static const affine_format f = {                                                                           \
            .n = elems, .code_max = codes, .scale_max = scales, .block_bytes = bytes, .pack = collet_##name##_pack \
        };                                                                                                         \
        if (imatrix)                                                                                               \
            affine_encode(dst, &f, src, n, imatrix);                                                               \
        else                                                                                                       \
            affine_encode(dst, &f, src, n, NULL);                                                                  \
    }
AFFINE(q2_k, 16, 3.0f, 15.0f, 84)
AFFINE(q4_k, 32, 15.0f, 63.0f, 144)
AFFINE(q5_k, 32, 31.0f, 63.0f, 176)
#undef AFFINE

#define SIGNED(name, codes, scales, bytes, without, with)                                                            \
    static inline void collet_encode_##name(const float *src, void *dst, uint64_t n, const float *imatrix)           \
    {                                                                                                                \
        static const signed_format f = {                                                                             \
            .code_max = codes, .scale_max = scales, .plain = without, .weighted = with, .pack = collet_##name##_pack \
        };                                                                                                           \
        if (imatrix)                                                                                                 \
            signed_encode(dst, &f, bytes, src, n, imatrix);                                                          \
        else                                                                                                         \
            signed_encode(dst, &f, bytes, src, n, NULL);                                                             \
    }
// Measured with importances (heavy tails): factors beyond 1 cut q3_k's error to 0.65 of ggml's, which has none.
#define Q3_K_PLAIN                                                                           \
    {                                                                                        \
        .n = 4, .more = { -0.8f, -0.3f, 0.2f, 0.7f }, .grid_first = -4.0f, .grid_step = 0.5f \
    }
#define Q3_K_WEIGHTED                                                                                            \
    {                                                                                                            \
        .n = 9, .n_other = 2, .more = { -0.9f, -0.5f, -0.1f, 0.3f, 0.7f, 1.5f, 3.0f, 6.0f, 12.0f, -0.8f, 0.0f }, \
        .grid_first = -4.0f, .grid_step = 0.5f, .n_beside = 5                                                    \
    }
#define Q6_K_PLAIN                                                                                                 \
    {                                                                                                              \
        .n = 5, .more = { -1.0f, -0.6f, -0.2f, 0.2f, 0.6f }, .grid_first = -8.0f, .grid_step = 1.0f, .n_beside = 3 \
    }
#define Q6_K_WEIGHTED                                                                               \
    {                                                                                               \
        .n = 7, .n_other = 2, .more = { -1.0f, -0.6f, -0.2f, 0.2f, 0.6f, 2.0f, 8.0f, -0.6f, 0.2f }, \
        .grid_first = -8.0f, .grid_step = 1.0f, .n_beside = 3                                       \
    }
SIGNED(q3_k, 4.0f, 32.0f, 110, Q3_K_PLAIN, Q3_K_WEIGHTED)
SIGNED(q6_k, 32.0f, 128.0f, 210, Q6_K_PLAIN, Q6_K_WEIGHTED)
#undef SIGNED
#undef Q3_K_PLAIN
#undef Q3_K_WEIGHTED
#undef Q6_K_PLAIN
#undef Q6_K_WEIGHTED

#endif
