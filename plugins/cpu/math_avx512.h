// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/math_avx512.h - sixteen floats at a time: tails, exp, tanh, sine and cosine. Twin of math_avx2.h.
//
// The same polynomials and errors. Tails are masks; scaling by 2^n is one instruction that rounds subnormals itself.
#ifndef COLLET_PLUGINS_CPU_MATH_AVX512_H
#define COLLET_PLUGINS_CPU_MATH_AVX512_H

#include <immintrin.h>
#include <stdint.h>

// Selects the first n lanes; all of them when n >= 16.
static inline __mmask16 collet_f32x16_mask(uint32_t n)
{
    return n >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << n) - 1u);
}

// e^x. Relative error 8.5e-8; subnormal results round gradually; exp(-inf) = 0, exp(x > 88.73) = inf.
static inline __m512 collet_f32x16_exp(__m512 x)
{
    // The variable is the second operand: min and max return it when it is NaN.
    x = _mm512_min_ps(_mm512_set1_ps(89.0f), x);
    x = _mm512_max_ps(_mm512_set1_ps(-104.0f), x);
    __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x); // ln 2 in two parts: the first product is exact
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(1.381446724e-03f), r, _mm512_set1_ps(8.368780836e-03f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.166839272e-02f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.666651964e-01f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.999999404e-01f));
    p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), r);
    p = _mm512_add_ps(p, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, n);
}

// tanh x. Relative error 1.5e-7; tanh(+-inf) = +-1.
static inline __m512 collet_f32x16_tanh(__m512 x)
{
    const __m512 sign_bit = _mm512_set1_ps(-0.0f), one = _mm512_set1_ps(1.0f);
    __m512 z = _mm512_andnot_ps(sign_bit, x);
    // Large: 1 - 2 / (e^2z + 1). Small: a polynomial, because the difference would cancel.
    __m512 e = collet_f32x16_exp(_mm512_add_ps(z, z));
    __m512 large = _mm512_sub_ps(one, _mm512_div_ps(_mm512_set1_ps(2.0f), _mm512_add_ps(e, one)));
    __m512 u = _mm512_mul_ps(z, z);
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(-5.717045628e-03f), u, _mm512_set1_ps(2.065058798e-02f));
    p = _mm512_fmadd_ps(p, u, _mm512_set1_ps(-5.374349654e-02f));
    p = _mm512_fmadd_ps(p, u, _mm512_set1_ps(1.333149076e-01f));
    p = _mm512_fmadd_ps(p, u, _mm512_set1_ps(-3.333328366e-01f));
    __m512 small = _mm512_fmadd_ps(_mm512_mul_ps(p, u), z, z);
    __m512 y = _mm512_mask_blend_ps(_mm512_cmp_ps_mask(z, _mm512_set1_ps(0.625f), _CMP_LT_OQ), large, small);
    return _mm512_or_ps(y, _mm512_and_ps(sign_bit, x));
}

// Eight quotients of angle / (pi / 2): the nearest integer, and what is left, |r| <= pi / 4.
static inline __m256 collet_f64x8_quarter(__m256i *quarter, __m512d angle)
{
    __m512d q =
        _mm512_roundscale_pd(_mm512_mul_pd(angle, _mm512_set1_pd(0.63661977236758134308)), _MM_FROUND_TO_NEAREST_INT);
    *quarter = _mm512_cvtpd_epi32(q);
    return _mm512_cvtpd_ps(_mm512_fnmadd_pd(q, _mm512_set1_pd(1.57079632679489661923), angle));
}

// Sine and cosine of position * freq. Absolute error 9.1e-8 for |angle| < 2e6; product and reduction are f64.
static inline void collet_f32x16_sincos(__m512 *sine, __m512 *cosine, double position, __m512 freq)
{
    const __m512d pos = _mm512_set1_pd(position);
    __m256i q_low, q_high;
    __m256 r_low = collet_f64x8_quarter(&q_low, _mm512_mul_pd(pos, _mm512_cvtps_pd(_mm512_castps512_ps256(freq))));
    __m256 r_high = collet_f64x8_quarter(&q_high, _mm512_mul_pd(pos, _mm512_cvtps_pd(_mm512_extractf32x8_ps(freq, 1))));
    __m512 r = _mm512_insertf32x8(_mm512_castps256_ps512(r_low), r_high, 1);
    __m512i q = _mm512_inserti32x8(_mm512_castsi256_si512(q_low), q_high, 1);

    __m512 u = _mm512_mul_ps(r, r);
    __m512 s = _mm512_fmadd_ps(_mm512_set1_ps(-1.951665618e-04f), u, _mm512_set1_ps(8.332173340e-03f));
    s = _mm512_fmadd_ps(s, u, _mm512_set1_ps(-1.666665524e-01f));
    s = _mm512_fmadd_ps(_mm512_mul_ps(s, u), r, r);
    __m512 c = _mm512_fmadd_ps(_mm512_set1_ps(2.443772973e-05f), u, _mm512_set1_ps(-1.388736186e-03f));
    c = _mm512_fmadd_ps(c, u, _mm512_set1_ps(4.166664556e-02f));
    c = _mm512_fmadd_ps(c, _mm512_mul_ps(u, u), _mm512_fnmadd_ps(u, _mm512_set1_ps(0.5f), _mm512_set1_ps(1.0f)));

    // Odd quarters swap the two; quarters 2, 3 negate the sine, 1, 2 the cosine.
    __mmask16 swap = _mm512_test_epi32_mask(q, _mm512_set1_epi32(1));
    __m512i sine_sign = _mm512_slli_epi32(_mm512_srli_epi32(q, 1), 31);
    __m512i cosine_sign = _mm512_slli_epi32(_mm512_srli_epi32(_mm512_add_epi32(q, _mm512_set1_epi32(1)), 1), 31);
    *sine = _mm512_xor_ps(_mm512_mask_blend_ps(swap, s, c), _mm512_castsi512_ps(sine_sign));
    *cosine = _mm512_xor_ps(_mm512_mask_blend_ps(swap, c, s), _mm512_castsi512_ps(cosine_sign));
}

#endif
