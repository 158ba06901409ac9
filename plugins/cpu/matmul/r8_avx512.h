// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/r8_avx512.h - dot products of a block of eight rows with AVX-512 VNNI on 256-bit vectors.
//
// vpdpbusd adds four products into 32 bits: no step is counted. Two sums in turn hide its latency.
#ifndef COLLET_PLUGINS_CPU_MATMUL_R8_AVX512_H
#define COLLET_PLUGINS_CPU_MATMUL_R8_AVX512_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define R8_INLINE static inline __attribute__((always_inline))

R8_INLINE __m256i r8_four(const uint8_t *a)
{
    int32_t four;
    memcpy(&four, a, sizeof four);
    return _mm256_set1_epi32(four);
}

// Sum over groups [first, first + n) of unsigned codes: one int32 for each row.
R8_INLINE __m256i r8_dot(const __m256i w[8], const uint8_t *a, int first, int n, int bits)
{
    (void)bits;
    __m256i even = _mm256_setzero_si256(), odd = _mm256_setzero_si256();
    for (int g = first; g < first + n; g += 2) {
        even = _mm256_dpbusd_epi32(even, w[g], r8_four(a + 4 * g));
        odd = _mm256_dpbusd_epi32(odd, w[g + 1], r8_four(a + 4 * g + 4));
    }
    return _mm256_add_epi32(even, odd);
}

// The same for signed codes of 8 bits, all eight groups.
R8_INLINE __m256i r8_dot_signed(const __m256i w[8], const uint8_t *a)
{
    __m256i even = _mm256_setzero_si256(), odd = _mm256_setzero_si256();
    for (int g = 0; g < 8; g += 2) {
        const __m256i first = r8_four(a + 4 * g), second = r8_four(a + 4 * g + 4);
        even = _mm256_dpbusd_epi32(even, _mm256_abs_epi8(w[g]), _mm256_sign_epi8(first, w[g]));
        odd = _mm256_dpbusd_epi32(odd, _mm256_abs_epi8(w[g + 1]), _mm256_sign_epi8(second, w[g + 1]));
    }
    return _mm256_add_epi32(even, odd);
}

#endif
