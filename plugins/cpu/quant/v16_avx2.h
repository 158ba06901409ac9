// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/v16_avx2.h - sixteen floats as two registers, for encoders written once (quantize_*.h).
//
// Lanes and order of sums are those of plugins/common/quant_search.h; nothing is fused, so bytes equal the twins'.
#ifndef COLLET_PLUGINS_CPU_QUANT_V16_AVX2_H
#define COLLET_PLUGINS_CPU_QUANT_V16_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#define V16_INLINE static inline __attribute__((always_inline))

typedef struct v16 {
    __m256 a, b; // lanes 0-7, 8-15
} v16;

#define V16_BINARY(name, op)                                                    \
    V16_INLINE v16 name(v16 x, v16 y)                                           \
    {                                                                           \
        return (v16){ _mm256_##op##_ps(x.a, y.a), _mm256_##op##_ps(x.b, y.b) }; \
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
    return (v16){ _mm256_loadu_ps(p), _mm256_loadu_ps(p + 8) };
}

V16_INLINE void v16_store(float *p, v16 x)
{
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
}

V16_INLINE v16 v16_all(float x)
{
    return (v16){ _mm256_set1_ps(x), _mm256_set1_ps(x) };
}

V16_INLINE v16 v16_abs(v16 x)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return (v16){ _mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b) };
}

V16_INLINE v16 v16_sqrt(v16 x)
{
    return (v16){ _mm256_sqrt_ps(x.a), _mm256_sqrt_ps(x.b) };
}

// To the nearest integer, halves to even.
V16_INLINE v16 v16_round(v16 x)
{
    return (v16){ _mm256_round_ps(x.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
                  _mm256_round_ps(x.b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC) };
}

V16_INLINE v16 v16_ceil(v16 x)
{
    return (v16){ _mm256_ceil_ps(x.a), _mm256_ceil_ps(x.b) };
}

// y with the sign of x.
V16_INLINE v16 v16_signed(v16 y, v16 x)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return (v16){ _mm256_or_ps(y.a, _mm256_and_ps(sign, x.a)), _mm256_or_ps(y.b, _mm256_and_ps(sign, x.b)) };
}

// y where x > t, else 0.
V16_INLINE v16 v16_above(v16 x, v16 t, v16 y)
{
    return (v16){ _mm256_and_ps(_mm256_cmp_ps(x.a, t.a, _CMP_GT_OQ), y.a),
                  _mm256_and_ps(_mm256_cmp_ps(x.b, t.b, _CMP_GT_OQ), y.b) };
}

// x, with 0 for NaN.
V16_INLINE v16 v16_numbers(v16 x)
{
    return (v16){ _mm256_and_ps(_mm256_cmp_ps(x.a, x.a, _CMP_ORD_Q), x.a),
                  _mm256_and_ps(_mm256_cmp_ps(x.b, x.b, _CMP_ORD_Q), x.b) };
}

// Bit i: lanes i are equal.
V16_INLINE uint32_t v16_equal(v16 x, v16 y)
{
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(x.a, y.a, _CMP_EQ_OQ)) |
           (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(x.b, y.b, _CMP_EQ_OQ)) << 8;
}

// The sums of x and of y: collet_lanes_fold.
V16_INLINE void v16_sums(float *x_sum, float *y_sum, v16 x, v16 y)
{
    __m256 x8 = _mm256_add_ps(x.a, x.b), y8 = _mm256_add_ps(y.a, y.b);
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
    __m256 x8 = _mm256_max_ps(x.a, x.b);
    __m128 x4 = _mm_max_ps(_mm256_castps256_ps128(x8), _mm256_extractf128_ps(x8, 1));
    x4 = _mm_max_ps(x4, _mm_movehl_ps(x4, x4));
    return _mm_cvtss_f32(_mm_max_ss(x4, _mm_movehdup_ps(x4)));
}

// Integers of -128..127, or 0..127, as bytes; what has a fraction is truncated.
V16_INLINE __m128i v16_bytes(v16 x)
{
    __m256i words = _mm256_packs_epi32(_mm256_cvttps_epi32(x.a), _mm256_cvttps_epi32(x.b));
    words = _mm256_permute4x64_epi64(words, 0xd8); // packing went by halves of registers
    return _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

// Tables of 16 bytes for iq4: a place (twice the value plus 256, truncated) is 32 h + l; its code is base[h], and one
// more for each threshold of the sixteenth h that l has passed.
typedef struct v16_iq4 {
    __m256i base, first, second, values;
} v16_iq4;

V16_INLINE v16_iq4 v16_iq4_tables(const int8_t tables[3][16], const int8_t values[16])
{
    return (v16_iq4){ _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)tables[0])),
                      _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)tables[1])),
                      _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)tables[2])),
                      _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)values)) };
}

// 32 places as codes, in order.
V16_INLINE __m256i v16_iq4_ordered(const v16_iq4 *t, v16 p, v16 q)
{
    __m256i low = _mm256_packs_epi32(_mm256_cvttps_epi32(p.a), _mm256_cvttps_epi32(p.b));
    __m256i high = _mm256_packs_epi32(_mm256_cvttps_epi32(q.a), _mm256_cvttps_epi32(q.b));
    const __m256i mask = _mm256_set1_epi16(31);
    __m256i h = _mm256_packus_epi16(_mm256_srli_epi16(low, 5), _mm256_srli_epi16(high, 5));
    __m256i l = _mm256_packus_epi16(_mm256_and_si256(low, mask), _mm256_and_si256(high, mask));
    __m256i code = _mm256_shuffle_epi8(t->base, h);
    code = _mm256_sub_epi8(code, _mm256_cmpgt_epi8(l, _mm256_shuffle_epi8(t->first, h)));
    code = _mm256_sub_epi8(code, _mm256_cmpgt_epi8(l, _mm256_shuffle_epi8(t->second, h)));
    return _mm256_permutevar8x32_epi32(code, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

V16_INLINE void v16_iq4_codes(__m128i codes[2], const v16_iq4 *t, v16 p, v16 q)
{
    __m256i code = v16_iq4_ordered(t, p, q);
    codes[0] = _mm256_castsi256_si128(code);
    codes[1] = _mm256_extracti128_si256(code, 1);
}

V16_INLINE void v16_iq4_values(v16 v[2], const v16_iq4 *t, v16 p, v16 q)
{
    __m256i value = _mm256_shuffle_epi8(t->values, v16_iq4_ordered(t, p, q));
    __m128i low = _mm256_castsi256_si128(value), high = _mm256_extracti128_si256(value, 1);
    v[0].a = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(low));
    v[0].b = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(low, 8)));
    v[1].a = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(high));
    v[1].b = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(high, 8)));
}

#endif
