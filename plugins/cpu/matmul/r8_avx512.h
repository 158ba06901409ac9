// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/r8_avx512.h - the same with AVX-512 VNNI on 256-bit vectors.
//
// vpdpbusd adds four products into 32 bits: no step is counted. Eight tokens' sums hide its latency; a single token
// takes two sums in turn. What limits eight tokens is the two pipes that multiply: 8 vpdpbusd and, for each sub-block,
// a multiplication by d times its scale (exact in f32) and one or two FMAs. Signed codes get 128 added, as the offset
// of others is, by one operation for all tokens; |w| with the sign on the activation took one more for each vpdpbusd.
#ifndef COLLET_PLUGINS_CPU_MATMUL_R8_AVX512_H
#define COLLET_PLUGINS_CPU_MATMUL_R8_AVX512_H

#include "plugins/cpu/matmul/matmul.h"
#include "plugins/cpu/matmul/r8_codes.h"

#define R8_SIGNED_OFFSET 128 // what is added to signed codes

typedef struct r8_scales {
    __m256 of[2]; // d times the scale of each sub-block
} r8_scales;

R8_INLINE void r8_scales_none(r8_scales *s, __m256 d)
{
    s->of[0] = s->of[1] = d;
}

R8_INLINE void r8_scales_set(r8_scales *s, int h, __m256 d, __m128i v, int is_signed)
{
    s->of[h] = _mm256_mul_ps(d, r8_bytes(v, is_signed));
}

// dot[c] = sum of codes times token c, groups [first, end).
R8_INLINE void r8_dots(__m256i dot[8], const collet_cpu_act *act, const uint8_t *codes, r8_codes_fn *codes_of,
                       const int n, const int first, const int end, const int bits)
{
    __m256i turn[2][8];
#pragma GCC unroll 2
    for (int k = 0; k < 2; k++)
#pragma GCC unroll 8
        for (int c = 0; c < n; c++)
            turn[k][c] = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int g = first; g < end; g++) {
        const int k = n <= 2 ? g % 2 : 0;
        __m256i w = codes_of(codes, g);
        if (bits == 0)
            w = _mm256_xor_si256(w, _mm256_set1_epi8((char)R8_SIGNED_OFFSET));
#pragma GCC unroll 8
        for (int c = 0; c < n; c++)
            turn[k][c] = _mm256_dpbusd_epi32(turn[k][c], w, r8_four(act[c].q + 4 * g));
    }
#pragma GCC unroll 8
    for (int c = 0; c < n; c++)
        dot[c] = n <= 2 ? _mm256_add_epi32(turn[0][c], turn[1][c]) : turn[0][c];
}

// v[c] = d times the sum over sub-blocks of scale times codes times token c. bits 0: signed codes, with their offset.
R8_INLINE void r8_values(__m256 v[8], const collet_cpu_act *act, const uint8_t *codes, r8_codes_fn *codes_of,
                         const r8_scales *s, const int n, const int bits, const int n_sub)
{
    __m256i dot[8];
#pragma GCC unroll 2
    for (int h = 0; h < n_sub; h++) {
        r8_dots(dot, act, codes, codes_of, n, h * 8 / n_sub, (h + 1) * 8 / n_sub, bits);
#pragma GCC unroll 8
        for (int c = 0; c < n; c++) {
            const __m256 sum = _mm256_cvtepi32_ps(dot[c]);
            v[c] = h == 0 ? _mm256_mul_ps(sum, s->of[0]) : _mm256_fmadd_ps(sum, s->of[1], v[c]);
        }
    }
}

#endif
