// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quantize_mxfp4.h - 4-bit floats with a power of two. Twin: plugins/common/quant_mxfp4.c.
#ifndef COLLET_PLUGINS_CPU_QUANT_QUANTIZE_MXFP4_H
#define COLLET_PLUGINS_CPU_QUANT_QUANTIZE_MXFP4_H

#include "plugins/common/blocks.h"
#include "plugins/common/f16.h"
#include "plugins/cpu/quant/quantize_search.h"

// The value nearest to y >= 0, halfway the smaller one. Values lie 1 apart up to 4, then 2 up to 8, then 4 up to 12.
V16_INLINE v16 mxfp4_value(v16 y)
{
    const v16 four = v16_all(4.0f), eight = v16_all(8.0f);
    v16 step = v16_add(v16_all(1.0f), v16_above(y, four, v16_all(1.0f)));
    step = v16_add(step, v16_above(y, eight, v16_all(2.0f)));
    v16 inv = v16_sub(v16_all(1.0f), v16_above(y, four, v16_all(0.5f)));
    inv = v16_sub(inv, v16_above(y, eight, v16_all(0.25f)));
    v16 value = v16_mul(step, v16_ceil(v16_sub(v16_mul(y, inv), v16_all(0.5f))));
    return v16_min(value, v16_all(12.0f));
}

V16_INLINE float mxfp4_loss(const v16 x[2], uint32_t e, const float *importances)
{
    const v16 inv = v16_all(collet_f32_from_bits((255 - e) << 23));
    v16 square[2];
    for (int k = 0; k < 2; k++) {
        v16 y = v16_abs(v16_mul(x[k], inv)), miss = v16_sub(y, mxfp4_value(y));
        square[k] = v16_mul(miss, miss);
        if (importances)
            square[k] = v16_mul(v16_load(importances + 16 * k), square[k]);
    }
    return v16_sum(v16_add(square[0], square[1]));
}

V16_INLINE void quantize_mxfp4(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    // Of a value, its code: values 0 1 2 3 4 6 8 12.
    const __m128i codes = _mm_setr_epi8(0, 1, 2, 3, 4, 0, 5, 0, 6, 0, 0, 0, 7, 0, 0, 0);
    collet_mxfp4 *b = dst;
    for (uint64_t i = 0; i < n; i += 32, b++, src += 32) {
        const v16 x[2] = { v16_load(src), v16_load(src + 16) };
        const float *importances = v16_importances(imatrix, i);
        uint32_t peak = collet_f32_bits(v16_peak(src, x)) >> 23 & 255, e = peak > 3 ? peak - 2 : 1;
        e = e < 253 ? e : 253;
        e += 4.0f * mxfp4_loss(x, e + 1, importances) < mxfp4_loss(x, e, importances);
        const v16 inv = v16_all(collet_f32_from_bits((255 - e) << 23));
        __m128i q[2];
        for (int k = 0; k < 2; k++) {
            v16 y = v16_numbers(v16_mul(x[k], inv)), negative = v16_above(v16_all(0.0f), y, v16_all(8.0f));
            q[k] = _mm_shuffle_epi8(codes, v16_bytes(mxfp4_value(v16_abs(y))));
            q[k] = _mm_or_si128(q[k], v16_bytes(negative));
        }
        b->e = (uint8_t)e;
        _mm_storeu_si128((__m128i *)b->q, _mm_or_si128(q[0], _mm_slli_epi16(q[1], 4)));
    }
}

#endif
