// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/v16_avx512.h - sixteen floats as one register; otherwise v16_avx2.h.
#ifndef COLLET_PLUGINS_CPU_QUANT_V16_AVX512_H
#define COLLET_PLUGINS_CPU_QUANT_V16_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#define V16_INLINE static inline __attribute__((always_inline))

typedef __m512 v16;

#define V16_BINARY(name, op)           \
    V16_INLINE v16 name(v16 x, v16 y)  \
    {                                  \
        return _mm512_##op##_ps(x, y); \
    }
V16_BINARY(v16_add, add)
V16_BINARY(v16_sub, sub)
V16_BINARY(v16_mul, mul)
V16_BINARY(v16_div, div)
V16_BINARY(v16_max, max) // y where x or y is NaN
V16_BINARY(v16_min, min)
#undef V16_BINARY

V16_INLINE v16 v16_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

V16_INLINE void v16_store(float *p, v16 x)
{
    _mm512_storeu_ps(p, x);
}

V16_INLINE v16 v16_all(float x)
{
    return _mm512_set1_ps(x);
}

V16_INLINE v16 v16_abs(v16 x)
{
    return _mm512_abs_ps(x);
}

V16_INLINE v16 v16_sqrt(v16 x)
{
    return _mm512_sqrt_ps(x);
}

// To the nearest integer, halves to even.
V16_INLINE v16 v16_round(v16 x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

V16_INLINE v16 v16_ceil(v16 x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
}

// y with the sign of x.
V16_INLINE v16 v16_signed(v16 y, v16 x)
{
    return _mm512_or_ps(y, _mm512_and_ps(_mm512_set1_ps(-0.0f), x));
}

// y where x > t, else 0.
V16_INLINE v16 v16_above(v16 x, v16 t, v16 y)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, t, _CMP_GT_OQ), y);
}

// x, with 0 for NaN.
V16_INLINE v16 v16_numbers(v16 x)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, x, _CMP_ORD_Q), x);
}

// Bit i: lanes i are equal.
V16_INLINE uint32_t v16_equal(v16 x, v16 y)
{
    return _mm512_cmp_ps_mask(x, y, _CMP_EQ_OQ);
}

// The sums of x and of y: collet_lanes_fold.
V16_INLINE void v16_sums(float *x_sum, float *y_sum, v16 x, v16 y)
{
    __m256 x8 = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m256 y8 = _mm256_add_ps(_mm512_castps512_ps256(y), _mm512_extractf32x8_ps(y, 1));
    __m128 x4 = _mm_add_ps(_mm256_castps256_ps128(x8), _mm256_extractf128_ps(x8, 1));
    __m128 y4 = _mm_add_ps(_mm256_castps256_ps128(y8), _mm256_extractf128_ps(y8, 1));
    __m128 two = _mm_add_ps(_mm_movelh_ps(x4, y4), _mm_movehl_ps(y4, x4)); // x0+x2 x1+x3 y0+y2 y1+y3
    __m128 sum = _mm_add_ps(two, _mm_movehdup_ps(two));
    *x_sum = _mm_cvtss_f32(sum);
    *y_sum = _mm_cvtss_f32(_mm_movehl_ps(sum, sum));
}

V16_INLINE float v16_sum(v16 x)
{
    float sum, same;
    v16_sums(&sum, &same, x, x);
    return sum;
}

V16_INLINE float v16_largest(v16 x)
{
    return _mm512_reduce_max_ps(x);
}

// Integers of -128..127, or 0..127, as bytes; what has a fraction is truncated.
V16_INLINE __m128i v16_bytes(v16 x)
{
    return _mm512_cvtsepi32_epi8(_mm512_cvttps_epi32(x));
}

typedef struct v16_iq4 {
    __m512i base, first, second;
    __m512 values;
} v16_iq4;

V16_INLINE __m512i v16_widened(const int8_t bytes[16])
{
    return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)bytes));
}

V16_INLINE v16_iq4 v16_iq4_tables(const int8_t tables[3][16], const int8_t values[16])
{
    return (v16_iq4){ v16_widened(tables[0]), v16_widened(tables[1]), v16_widened(tables[2]),
                      _mm512_cvtepi32_ps(v16_widened(values)) };
}

V16_INLINE __m512i v16_iq4_code(const v16_iq4 *t, v16 p)
{
    const __m512i one = _mm512_set1_epi32(1);
    __m512i place = _mm512_cvttps_epi32(p), h = _mm512_srli_epi32(place, 5);
    __m512i l = _mm512_and_si512(place, _mm512_set1_epi32(31)), code = _mm512_permutexvar_epi32(h, t->base);
    code = _mm512_mask_add_epi32(code, _mm512_cmpgt_epi32_mask(l, _mm512_permutexvar_epi32(h, t->first)), code, one);
    return _mm512_mask_add_epi32(code, _mm512_cmpgt_epi32_mask(l, _mm512_permutexvar_epi32(h, t->second)), code, one);
}

V16_INLINE void v16_iq4_codes(__m128i codes[2], const v16_iq4 *t, v16 p, v16 q)
{
    codes[0] = _mm512_cvtepi32_epi8(v16_iq4_code(t, p));
    codes[1] = _mm512_cvtepi32_epi8(v16_iq4_code(t, q));
}

V16_INLINE void v16_iq4_values(v16 v[2], const v16_iq4 *t, v16 p, v16 q)
{
    v[0] = _mm512_permutexvar_ps(v16_iq4_code(t, p), t->values);
    v[1] = _mm512_permutexvar_ps(v16_iq4_code(t, q), t->values);
}

#endif
