// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quantize_search.h - the searches of plugins/common/quant_search.c on vectors: the same bytes.
//
// Included after a v16_<isa>.h. x[2] and w[2] are the 32 elements of a block and their weights.
#ifndef COLLET_PLUGINS_CPU_QUANT_QUANTIZE_SEARCH_H
#define COLLET_PLUGINS_CPU_QUANT_QUANTIZE_SEARCH_H

#include <math.h>

#include "plugins/common/quant_search.h"

V16_INLINE uint16_t v16_f16(float x)
{
    return _cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT);
}

V16_INLINE float v16_f32(uint16_t half)
{
    return _cvtsh_ss(half);
}

// Sum of x[0] y[0] + x[1] y[1], lane by lane.
V16_INLINE v16 v16_products(const v16 x[2], const v16 y[2])
{
    return v16_add(v16_mul(x[0], y[0]), v16_mul(x[1], y[1]));
}

// collet_signed_peak of 32 floats that were loaded from src.
V16_INLINE float v16_peak(const float *src, const v16 x[2])
{
    const v16 low = v16_abs(x[0]), high = v16_abs(x[1]), zero = v16_all(0.0f);
    float peak = v16_largest(v16_max(high, v16_max(low, zero))); // NaN comes first, and so is passed over
    if (!(peak > 0.0f))
        return 0.0f;
    uint32_t at = v16_equal(low, v16_all(peak)) | v16_equal(high, v16_all(peak)) << 16;
    return src[__builtin_ctz(at)];
}

V16_INLINE void v16_weights(v16 w[2], const v16 x[2], const float *importances, float sigma2)
{
    for (int k = 0; k < 2; k++) {
        v16 size = v16_sqrt(v16_add(v16_all(sigma2), v16_mul(x[k], x[k])));
        w[k] = v16_mul(v16_load(importances + 16 * k), size);
    }
}

V16_INLINE v16 v16_rounded(v16 y, v16 min, v16 max)
{
    return v16_round(v16_min(v16_max(y, min), max));
}

// Up to 32 tries of a scale, and the sums that each gave. Choosing afterwards costs no branch that cannot be foretold.
#define V16_TRIES 32
typedef struct v16_tries {
    float inv[V16_TRIES], xl[V16_TRIES], ll[V16_TRIES];
} v16_tries;

// inv = at / peak; what is not a try scores nothing.
V16_INLINE void v16_tries_begin(v16_tries *t, const float at[V16_TRIES], float peak)
{
    for (int k = 0; k < V16_TRIES; k += 16) {
        v16_store(t->inv + k, v16_div(v16_load(at + k), v16_all(peak)));
        v16_store(t->xl + k, v16_all(0.0f));
        v16_store(t->ll + k, v16_all(1.0f));
    }
}

// The scale of the best score, the first one of several; 0 where no score is above 0.
V16_INLINE float v16_tries_best(const v16_tries *t)
{
    float scales[V16_TRIES];
    v16 score[2];
    for (int k = 0; k < 2; k++) {
        v16 xl = v16_load(t->xl + 16 * k), scale = v16_div(xl, v16_load(t->ll + 16 * k));
        v16_store(scales + 16 * k, scale);
        score[k] = v16_numbers(v16_mul(xl, scale));
    }
    float best = v16_largest(v16_max(score[0], score[1]));
    uint32_t at = v16_equal(score[0], v16_all(best)) | v16_equal(score[1], v16_all(best)) << 16;
    return best > 0.0f ? scales[__builtin_ctz(at)] : 0.0f;
}

// collet_importances: the first is above 0 as a rule.
V16_INLINE const float *v16_importances(const float *imatrix, uint64_t i)
{
    return imatrix && imatrix[i] > 0.0f ? imatrix + i : collet_importances(imatrix, i);
}

// Bit 4 of each of 32 codes.
V16_INLINE uint32_t v16_high_bits(const __m128i codes[2])
{
    return (uint32_t)_mm_movemask_epi8(_mm_slli_epi16(codes[0], 3)) |
           (uint32_t)_mm_movemask_epi8(_mm_slli_epi16(codes[1], 3)) << 16;
}

// Bits 0-3: element j in the low nibble of byte j, element j + 16 in the high one.
V16_INLINE void v16_store_nibbles(uint8_t q[16], const __m128i codes[2])
{
    const __m128i mask = _mm_set1_epi8(15);
    __m128i low = _mm_and_si128(codes[0], mask), high = _mm_and_si128(codes[1], mask);
    _mm_storeu_si128((__m128i *)q, _mm_or_si128(low, _mm_slli_epi16(high, 4)));
}

#endif
