// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/r8_avx512.h - the same with AVX-512 VNNI on 256-bit vectors.
//
// vpdpbusd adds four products into 32 bits: no step is counted. Eight tokens' sums hide its latency; a single token
// takes two sums in turn.
#ifndef COLLET_PLUGINS_CPU_MATMUL_R8_AVX512_H
#define COLLET_PLUGINS_CPU_MATMUL_R8_AVX512_H

#include "plugins/cpu/matmul/matmul.h"
#include "plugins/cpu/matmul/r8_codes.h"

R8_INLINE __m256i r8_scale(__m128i v, int is_signed)
{
    return is_signed ? _mm256_cvtepi8_epi32(v) : _mm256_cvtepu8_epi32(v);
}

R8_INLINE __m256i r8_scale_one(void)
{
    return _mm256_set1_epi32(1);
}

// dot[c] = sum over sub-blocks of scale times codes times token c: one int32 for each row. bits 0: the codes are
// signed, and go in as |w| with the sign on the activation.
R8_INLINE void r8_dots_vnni(__m256i dot[8], const collet_cpu_act *act, const uint8_t *codes, r8_codes_fn *codes_of,
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
        const __m256i w = codes_of(codes, g), size = bits ? w : _mm256_abs_epi8(w);
#pragma GCC unroll 8
        for (int c = 0; c < n; c++) {
            const __m256i four = r8_four(act[c].q + 4 * g);
            turn[k][c] = _mm256_dpbusd_epi32(turn[k][c], size, bits ? four : _mm256_sign_epi8(four, w));
        }
    }
#pragma GCC unroll 8
    for (int c = 0; c < n; c++)
        dot[c] = n <= 2 ? _mm256_add_epi32(turn[0][c], turn[1][c]) : turn[0][c];
}

R8_INLINE void r8_dots(__m256i dot[8], const collet_cpu_act *act, const uint8_t *codes, r8_codes_fn *codes_of,
                       const __m256i scale[2], const int n, const int bits, const int n_sub)
{
    __m256i part[8];
    r8_dots_vnni(dot, act, codes, codes_of, n, 0, 8 / n_sub, bits);
    if (n_sub == 2)
        r8_dots_vnni(part, act, codes, codes_of, n, 4, 8, bits);
#pragma GCC unroll 8
    for (int c = 0; c < n; c++) {
        dot[c] = _mm256_mullo_epi32(dot[c], scale[0]);
        if (n_sub == 2)
            dot[c] = _mm256_add_epi32(dot[c], _mm256_mullo_epi32(part[c], scale[1]));
    }
}

R8_INLINE void r8_dots_signed(__m256i dot[8], const collet_cpu_act *act, const uint8_t *codes, r8_codes_fn *codes_of,
                              const __m256i scale, const int n)
{
    r8_dots_vnni(dot, act, codes, codes_of, n, 0, 8, 0);
#pragma GCC unroll 8
    for (int c = 0; c < n; c++)
        dot[c] = _mm256_mullo_epi32(dot[c], scale);
}

#endif
