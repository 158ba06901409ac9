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

#define SIGNED(name, codes, scales, from, by, n_tries, bytes)                                              \
    static inline void collet_encode_##name(const float *src, void *dst, uint64_t n, const float *imatrix) \
    {                                                                                                      \
        static const signed_format f = { .code_max = codes,                                                \
                                         .scale_max = scales,                                              \
                                         .first = from,                                                    \
                                         .step = by,                                                       \
                                         .tries = n_tries,                                                 \
                                         .pack = collet_##name##_pack };                                   \
        if (imatrix)                                                                                       \
            signed_encode(dst, &f, bytes, src, n, imatrix);                                                \
        else                                                                                               \
            signed_encode(dst, &f, bytes, src, n, NULL);                                                   \
    }
SIGNED(q3_k, 4.0f, 32.0f, -1.0f, 0.25f, 8, 110)
SIGNED(q6_k, 32.0f, 128.0f, -1.0f, 0.25f, 8, 210)
#undef SIGNED

#endif
