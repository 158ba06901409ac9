// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quantize_q8_0.h - q8_0, q8_1 and q8_k: one scale, 8 bits. Twins: plugins/common/quant_q8_0.c,
// quant_q8_1.c, quant_q8_k.c.
#ifndef COLLET_PLUGINS_CPU_QUANT_QUANTIZE_Q8_0_H
#define COLLET_PLUGINS_CPU_QUANT_QUANTIZE_Q8_0_H

#include "plugins/common/blocks.h"
#include "plugins/cpu/quant/quantize_search.h"

V16_INLINE __m128i q8_codes(const float *src, v16 inv)
{
    // The largest float below 1/2, then truncated, rounds halves away from zero; 1/2 itself would round 0.49999997 up.
    const v16 half = v16_all(0x1.fffffep-2f), most = v16_all(127.0f), least = v16_all(-127.0f);
    v16 y = v16_min(v16_max(v16_numbers(v16_mul(v16_load(src), inv)), least), most);
    return v16_bytes(v16_add(y, v16_signed(half, y)));
}

V16_INLINE int32_t q8_sum(__m128i codes)
{
    const __m128i sums = _mm_sad_epu8(_mm_xor_si128(codes, _mm_set1_epi8(-128)), _mm_setzero_si128());
    return _mm_cvtsi128_si32(sums) + _mm_extract_epi16(sums, 4) - 16 * 128;
}

// The scale of n elements, n a multiple of 16, as f32.
V16_INLINE float q8_scale(const float *src, uint32_t n)
{
    v16 peak = v16_all(0.0f);
    for (uint32_t i = 0; i < n; i += 16)
        peak = v16_max(v16_abs(v16_load(src + i)), peak); // NaN comes first, and so is passed over
    return v16_largest(peak) / 127.0f;
}

V16_INLINE v16 q8_inverse(float d)
{
    return v16_all(d != 0.0f ? 1.0f / d : 0.0f);
}

V16_INLINE void quantize_q8_0(const float *src, void *dst, uint64_t n)
{
    collet_q8_0 *b = dst;
    for (uint64_t i = 0; i < n; i += 32, b++, src += 32) {
        const float d = q8_scale(src, 32);
        const v16 inv = q8_inverse(d);
        b->d = v16_f16(d);
        for (int k = 0; k < 32; k += 16)
            _mm_storeu_si128((__m128i *)(b->q + k), q8_codes(src + k, inv));
    }
}

V16_INLINE void quantize_q8_1(const float *src, void *dst, uint64_t n)
{
    collet_q8_1 *b = dst;
    for (uint64_t i = 0; i < n; i += 32, b++, src += 32) {
        const float d = q8_scale(src, 32);
        const v16 inv = q8_inverse(d);
        const __m128i low = q8_codes(src, inv), high = q8_codes(src + 16, inv);
        b->d = v16_f16(d);
        b->s = v16_f16((float)(q8_sum(low) + q8_sum(high)) * d);
        _mm_storeu_si128((__m128i *)b->q, low);
        _mm_storeu_si128((__m128i *)(b->q + 16), high);
    }
}

V16_INLINE void quantize_q8_k(const float *src, void *dst, uint64_t n)
{
    collet_q8_k *b = dst;
    for (uint64_t i = 0; i < n; i += 256, b++, src += 256) {
        const float d = q8_scale(src, 256);
        const v16 inv = q8_inverse(d);
        b->d = d;
        for (int k = 0; k < 256; k += 16) {
            const __m128i codes = q8_codes(src + k, inv);
            _mm_storeu_si128((__m128i *)(b->q + k), codes);
            b->sums[k / 16] = (int16_t)q8_sum(codes);
        }
    }
}

#endif
