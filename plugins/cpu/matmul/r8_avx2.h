// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/r8_avx2.h - dot products of 32 columns of eight rows with up to eight tokens, AVX2.
//
// vpmaddubsw adds two products of an unsigned and a signed byte into 16 bits, saturating; activations are at most 127,
// so a lane takes 8 steps of 4-bit codes (8 * 2 * 15 * 127 = 30480), 4 of 5-bit, 2 of 6-bit, 1 of 8-bit ones before it
// must be widened. Widening multiplies by the sub-block's scale, which costs nothing: vpmaddwd multiplies anyway.
// Signed codes go in as |w| with the sign on the activation: 2 * 128 * 127 = 32512.
#ifndef COLLET_PLUGINS_CPU_MATMUL_R8_AVX2_H
#define COLLET_PLUGINS_CPU_MATMUL_R8_AVX2_H

#include "plugins/cpu/matmul/matmul.h"
#include "plugins/cpu/matmul/r8_codes.h"

#define R8_SIGNED_OFFSET 0 // signed codes stay signed

// d, and for each sub-block a scale of each row, twice: for both 16-bit sums that vpmaddwd adds.
typedef struct r8_scales {
    __m256 d;
    __m256i of[2];
} r8_scales;

R8_INLINE void r8_scales_none(r8_scales *s, __m256 d)
{
    s->d = d;
    s->of[0] = s->of[1] = _mm256_set1_epi16(1);
}

R8_INLINE void r8_scales_set(r8_scales *s, int h, __m256 d, __m128i v, int is_signed)
{
    const __m128i twice = _mm_unpacklo_epi8(v, v);
    s->d = d;
    s->of[h] = is_signed ? _mm256_cvtepi8_epi16(twice) : _mm256_cvtepu8_epi16(twice);
}

// dot[c] = sum over sub-blocks of scale times codes times token c: one int32 for each row.
R8_INLINE void r8_dots(__m256i dot[8], const collet_cpu_act *act, const uint8_t *codes, r8_codes_fn *codes_of,
                       const __m256i scale[2], const int n, const int bits, const int n_sub)
{
    const int fit = bits <= 4 ? 8 : bits == 5 ? 4 : 2, steps = fit < 8 / n_sub ? fit : 8 / n_sub;
#pragma GCC unroll 8
    for (int first = 0; first < 8; first += steps) {
        __m256i part[8];
#pragma GCC unroll 8
        for (int g = first; g < first + steps; g++) {
            const __m256i w = codes_of(codes, g);
#pragma GCC unroll 8
            for (int c = 0; c < n; c++) {
                const __m256i two = _mm256_maddubs_epi16(w, r8_four(act[c].q + 4 * g));
                part[c] = g == first ? two : _mm256_add_epi16(part[c], two);
                R8_IN_ORDER(part[c]);
            }
        }
#pragma GCC unroll 8
        for (int c = 0; c < n; c++) {
            const __m256i four = _mm256_madd_epi16(part[c], scale[first * n_sub / 8]);
            dot[c] = first == 0 ? four : _mm256_add_epi32(dot[c], four);
        }
    }
}

// The same for signed codes of 8 bits, 32 to a scale.
R8_INLINE void r8_dots_signed(__m256i dot[8], const collet_cpu_act *act, const uint8_t *codes, r8_codes_fn *codes_of,
                              const __m256i scale, const int n)
{
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) {
        const __m256i w = codes_of(codes, g), size = _mm256_abs_epi8(w);
#pragma GCC unroll 8
        for (int c = 0; c < n; c++) {
            const __m256i two = _mm256_maddubs_epi16(size, _mm256_sign_epi8(r8_four(act[c].q + 4 * g), w));
            const __m256i four = _mm256_madd_epi16(two, scale);
            dot[c] = g == 0 ? four : _mm256_add_epi32(dot[c], four);
            R8_IN_ORDER(dot[c]);
        }
    }
}

// v[c] = d times the sum over sub-blocks of scale times codes times token c. bits 0: signed codes.
R8_INLINE void r8_values(__m256 v[8], const collet_cpu_act *act, const uint8_t *codes, r8_codes_fn *codes_of,
                         const r8_scales *s, const int n, const int bits, const int n_sub)
{
    __m256i dot[8];
    if (bits)
        r8_dots(dot, act, codes, codes_of, s->of, n, bits, n_sub);
    else
        r8_dots_signed(dot, act, codes, codes_of, s->of[0], n);
#pragma GCC unroll 8
    for (int c = 0; c < n; c++)
        v[c] = _mm256_mul_ps(_mm256_cvtepi32_ps(dot[c]), s->d);
}

#endif
