// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/math_neon.h - four floats at a time: tails, sums, exp, tanh, sine and cosine; math_avx2.h for AArch64.
//
// The same coefficients in the same order, so the same errors (test_ops). NaN gives NaN: FMIN and FMAX keep it.
#ifndef COLLET_PLUGINS_CPU_MATH_NEON_H
#define COLLET_PLUGINS_CPU_MATH_NEON_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

// The first n of four floats, zeros behind them; nothing behind them is read. All four when n >= 4.
static inline float32x4_t collet_f32x4_load(const float *p, uint32_t n)
{
    float v[4] = { 0 };
    if (n >= 4)
        return vld1q_f32(p);
    memcpy(v, p, n * sizeof *v);
    return vld1q_f32(v);
}

// Writes the first n, all four when n >= 4.
static inline void collet_f32x4_store(float *p, float32x4_t x, uint32_t n)
{
    float v[4];
    if (n >= 4) {
        vst1q_f32(p, x);
    } else {
        vst1q_f32(v, x);
        memcpy(p, v, n * sizeof *v);
    }
}

// e^x. Relative error 8.5e-8; subnormal results round gradually; exp(-inf) = 0, exp(x > 88.73) = inf.
static inline float32x4_t collet_f32x4_exp(float32x4_t x)
{
    x = vmaxq_f32(vdupq_n_f32(-104.0f), vminq_f32(vdupq_n_f32(89.0f), x));
    const float32x4_t n = vrndnq_f32(vmulq_n_f32(x, 1.44269504f));
    float32x4_t r = vfmsq_f32(x, n, vdupq_n_f32(0.693359375f)); // ln 2 in two parts: the first product is exact
    r = vfmsq_f32(r, n, vdupq_n_f32(-2.12194440e-4f));
    float32x4_t p = vfmaq_f32(vdupq_n_f32(8.368780836e-03f), vdupq_n_f32(1.381446724e-03f), r);
    p = vfmaq_f32(vdupq_n_f32(4.166839272e-02f), p, r);
    p = vfmaq_f32(vdupq_n_f32(1.666651964e-01f), p, r);
    p = vfmaq_f32(vdupq_n_f32(4.999999404e-01f), p, r);
    p = vfmaq_f32(r, p, vmulq_f32(r, r));
    p = vaddq_f32(p, vdupq_n_f32(1.0f));
    // 2^n as two factors, because n reaches 128 and -150 and one exponent field does not.
    const int32x4_t k = vcvtnq_s32_f32(n), half = vshrq_n_s32(k, 1), bias = vdupq_n_s32(127);
    const int32x4_t a = vshlq_n_s32(vaddq_s32(half, bias), 23);
    const int32x4_t b = vshlq_n_s32(vaddq_s32(vsubq_s32(k, half), bias), 23);
    return vmulq_f32(vmulq_f32(p, vreinterpretq_f32_s32(a)), vreinterpretq_f32_s32(b));
}

// tanh x. Relative error 1.5e-7; tanh(+-inf) = +-1.
static inline float32x4_t collet_f32x4_tanh(float32x4_t x)
{
    const float32x4_t one = vdupq_n_f32(1.0f), z = vabsq_f32(x);
    // Large: 1 - 2 / (e^2z + 1). Small: a polynomial, because the difference would cancel.
    const float32x4_t e = collet_f32x4_exp(vaddq_f32(z, z));
    const float32x4_t large = vsubq_f32(one, vdivq_f32(vdupq_n_f32(2.0f), vaddq_f32(e, one)));
    const float32x4_t u = vmulq_f32(z, z);
    float32x4_t p = vfmaq_f32(vdupq_n_f32(2.065058798e-02f), vdupq_n_f32(-5.717045628e-03f), u);
    p = vfmaq_f32(vdupq_n_f32(-5.374349654e-02f), p, u);
    p = vfmaq_f32(vdupq_n_f32(1.333149076e-01f), p, u);
    p = vfmaq_f32(vdupq_n_f32(-3.333328366e-01f), p, u);
    const float32x4_t small = vfmaq_f32(z, vmulq_f32(p, u), z);
    const float32x4_t y = vbslq_f32(vcltq_f32(z, vdupq_n_f32(0.625f)), small, large);
    return vbslq_f32(vdupq_n_u32(0x80000000u), x, y); // the sign of x
}

// Two quotients of angle / (pi / 2): the nearest integer, and what is left, |r| <= pi / 4.
static inline float32x2_t collet_f64x2_quarter(int32x2_t *quarter, float64x2_t angle)
{
    const float64x2_t q = vrndnq_f64(vmulq_n_f64(angle, 0.63661977236758134308));
    *quarter = vmovn_s64(vcvtnq_s64_f64(q));
    return vcvt_f32_f64(vfmsq_f64(angle, q, vdupq_n_f64(1.57079632679489661923)));
}

// Sine and cosine of position * freq. Absolute error 9.1e-8 for |angle| < 2e6: the product and its reduction are f64,
// because an f32 angle of 8000 rad is off by 2.4e-4 before anything else happens.
static inline void collet_f32x4_sincos(float32x4_t *sine, float32x4_t *cosine, double position, float32x4_t freq)
{
    int32x2_t q_low, q_high;
    const float32x2_t r_low = collet_f64x2_quarter(&q_low, vmulq_n_f64(vcvt_f64_f32(vget_low_f32(freq)), position));
    const float32x2_t r_high = collet_f64x2_quarter(&q_high, vmulq_n_f64(vcvt_high_f64_f32(freq), position));
    const float32x4_t r = vcombine_f32(r_low, r_high);
    const uint32x4_t q = vreinterpretq_u32_s32(vcombine_s32(q_low, q_high));

    const float32x4_t u = vmulq_f32(r, r);
    float32x4_t s = vfmaq_f32(vdupq_n_f32(8.332173340e-03f), vdupq_n_f32(-1.951665618e-04f), u);
    s = vfmaq_f32(vdupq_n_f32(-1.666665524e-01f), s, u);
    s = vfmaq_f32(r, vmulq_f32(s, u), r);
    float32x4_t c = vfmaq_f32(vdupq_n_f32(-1.388736186e-03f), vdupq_n_f32(2.443772973e-05f), u);
    c = vfmaq_f32(vdupq_n_f32(4.166664556e-02f), c, u);
    c = vfmaq_f32(vfmsq_f32(vdupq_n_f32(1.0f), u, vdupq_n_f32(0.5f)), c, vmulq_f32(u, u));

    // Odd quarters swap the two; quarters 2, 3 negate the sine, 1, 2 the cosine.
    const uint32x4_t swap = vtstq_u32(q, vdupq_n_u32(1));
    const uint32x4_t sine_sign = vshlq_n_u32(vshrq_n_u32(q, 1), 31);
    const uint32x4_t cosine_sign = vshlq_n_u32(vshrq_n_u32(vaddq_u32(q, vdupq_n_u32(1)), 1), 31);
    *sine = vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(vbslq_f32(swap, c, s)), sine_sign));
    *cosine = vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(vbslq_f32(swap, s, c)), cosine_sign));
}

#endif
