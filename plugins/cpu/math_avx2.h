// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/math_avx2.h - eight floats at a time: sums, tails, exp, tanh, sine and cosine.
//
// Coefficients are minimax fits (Remez, weighted by the function) of this project, rounded to f32. Stated errors are
// the largest found over every 97th float of the range by test_ops; NaN gives NaN.
#ifndef COLLET_PLUGINS_CPU_MATH_AVX2_H
#define COLLET_PLUGINS_CPU_MATH_AVX2_H

#include <immintrin.h>
#include <stdint.h>

// The sum of all lanes, in a fixed order: halves first.
static inline float collet_f32x8_sum(__m256 x)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

static inline float collet_f32x8_max(__m256 x)
{
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

// Selects the first n lanes, all of them when n >= 8. maskload and maskstore do not touch the others, nor fault on
// them; maskstore costs some 20 cycles on AMD, so it is for tails.
static inline __m256i collet_f32x8_mask(uint32_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int32_t)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

// e^x. Relative error 8.5e-8; subnormal results round gradually; exp(-inf) = 0, exp(x > 88.73) = inf.
static inline __m256 collet_f32x8_exp(__m256 x)
{
    // The variable is the second operand: min and max return it when it is NaN.
    x = _mm256_min_ps(_mm256_set1_ps(89.0f), x);
    x = _mm256_max_ps(_mm256_set1_ps(-104.0f), x);
    __m256 n =
        _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x); // ln 2 in two parts: the first product is exact
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
    __m256 p = _mm256_fmadd_ps(_mm256_set1_ps(1.381446724e-03f), r, _mm256_set1_ps(8.368780836e-03f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(4.166839272e-02f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.666651964e-01f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(4.999999404e-01f));
    p = _mm256_fmadd_ps(p, _mm256_mul_ps(r, r), r);
    p = _mm256_add_ps(p, _mm256_set1_ps(1.0f));
    // 2^n as two factors, because n reaches 128 and -150 and one exponent field does not.
    __m256i k = _mm256_cvtps_epi32(n);
    __m256i half = _mm256_srai_epi32(k, 1);
    __m256i a = _mm256_slli_epi32(_mm256_add_epi32(half, _mm256_set1_epi32(127)), 23);
    __m256i b = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(k, half), _mm256_set1_epi32(127)), 23);
    return _mm256_mul_ps(_mm256_mul_ps(p, _mm256_castsi256_ps(a)), _mm256_castsi256_ps(b));
}

// tanh x. Relative error 1.5e-7; tanh(+-inf) = +-1.
static inline __m256 collet_f32x8_tanh(__m256 x)
{
    const __m256 sign_bit = _mm256_set1_ps(-0.0f), one = _mm256_set1_ps(1.0f);
    __m256 z = _mm256_andnot_ps(sign_bit, x);
    // Large: 1 - 2 / (e^2z + 1). Small: a polynomial, because the difference would cancel.
    __m256 e = collet_f32x8_exp(_mm256_add_ps(z, z));
    __m256 large = _mm256_sub_ps(one, _mm256_div_ps(_mm256_set1_ps(2.0f), _mm256_add_ps(e, one)));
    __m256 u = _mm256_mul_ps(z, z);
    __m256 p = _mm256_fmadd_ps(_mm256_set1_ps(-5.717045628e-03f), u, _mm256_set1_ps(2.065058798e-02f));
    p = _mm256_fmadd_ps(p, u, _mm256_set1_ps(-5.374349654e-02f));
    p = _mm256_fmadd_ps(p, u, _mm256_set1_ps(1.333149076e-01f));
    p = _mm256_fmadd_ps(p, u, _mm256_set1_ps(-3.333328366e-01f));
    __m256 small = _mm256_fmadd_ps(_mm256_mul_ps(p, u), z, z);
    __m256 y = _mm256_blendv_ps(large, small, _mm256_cmp_ps(z, _mm256_set1_ps(0.625f), _CMP_LT_OQ));
    return _mm256_or_ps(y, _mm256_and_ps(sign_bit, x));
}

// Four quotients of angle / (pi / 2): the nearest integer, and what is left, |r| <= pi / 4.
static inline __m128 collet_f64x4_quarter(__m128i *quarter, __m256d angle)
{
    __m256d q = _mm256_round_pd(_mm256_mul_pd(angle, _mm256_set1_pd(0.63661977236758134308)),
                                _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    *quarter = _mm256_cvtpd_epi32(q);
    return _mm256_cvtpd_ps(_mm256_fnmadd_pd(q, _mm256_set1_pd(1.57079632679489661923), angle));
}

// Sine and cosine of position * freq. Absolute error 9.1e-8 for |angle| < 2e6: the product and its reduction are f64,
// because an f32 angle of 8000 rad is off by 2.4e-4 before anything else happens.
static inline void collet_f32x8_sincos(__m256 *sine, __m256 *cosine, double position, __m256 freq)
{
    const __m256d pos = _mm256_set1_pd(position);
    __m128i q_low, q_high;
    __m128 r_low = collet_f64x4_quarter(&q_low, _mm256_mul_pd(pos, _mm256_cvtps_pd(_mm256_castps256_ps128(freq))));
    __m128 r_high = collet_f64x4_quarter(&q_high, _mm256_mul_pd(pos, _mm256_cvtps_pd(_mm256_extractf128_ps(freq, 1))));
    __m256 r = _mm256_set_m128(r_high, r_low);
    __m256i q = _mm256_set_m128i(q_high, q_low);

    __m256 u = _mm256_mul_ps(r, r);
    __m256 s = _mm256_fmadd_ps(_mm256_set1_ps(-1.951665618e-04f), u, _mm256_set1_ps(8.332173340e-03f));
    s = _mm256_fmadd_ps(s, u, _mm256_set1_ps(-1.666665524e-01f));
    s = _mm256_fmadd_ps(_mm256_mul_ps(s, u), r, r);
    __m256 c = _mm256_fmadd_ps(_mm256_set1_ps(2.443772973e-05f), u, _mm256_set1_ps(-1.388736186e-03f));
    c = _mm256_fmadd_ps(c, u, _mm256_set1_ps(4.166664556e-02f));
    c = _mm256_fmadd_ps(c, _mm256_mul_ps(u, u), _mm256_fnmadd_ps(u, _mm256_set1_ps(0.5f), _mm256_set1_ps(1.0f)));

    // Odd quarters swap the two; quarters 2, 3 negate the sine, 1, 2 the cosine.
    __m256 swap = _mm256_castsi256_ps(_mm256_slli_epi32(q, 31)); // blendv looks at the top bit only
    __m256i sine_sign = _mm256_slli_epi32(_mm256_srli_epi32(q, 1), 31);
    __m256i cosine_sign = _mm256_slli_epi32(_mm256_srli_epi32(_mm256_add_epi32(q, _mm256_set1_epi32(1)), 1), 31);
    *sine = _mm256_xor_ps(_mm256_blendv_ps(s, c, swap), _mm256_castsi256_ps(sine_sign));
    *cosine = _mm256_xor_ps(_mm256_blendv_ps(c, s, swap), _mm256_castsi256_ps(cosine_sign));
}

#endif
