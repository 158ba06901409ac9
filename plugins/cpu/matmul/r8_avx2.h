// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/r8_avx2.h - dot products of a block of eight rows with AVX2.
//
// vpmaddubsw adds two products of an unsigned and a signed byte into 16 bits, saturating; activations are at most 127,
// so a lane takes 8 steps of 4-bit codes (8 * 2 * 15 * 127 = 30480), 4 of 5-bit, 2 of 6-bit, 1 of 8-bit ones before it
// must be widened. Signed codes go in as |w| with the sign on the activation: 2 * 128 * 127 = 32512.
#ifndef COLLET_PLUGINS_CPU_MATMUL_R8_AVX2_H
#define COLLET_PLUGINS_CPU_MATMUL_R8_AVX2_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define R8_INLINE static inline __attribute__((always_inline))

// gcc turns a chain of additions into a tree, whose leaves do not fit the 16 registers: four spills for each token.
// This keeps the chain.
#define R8_IN_ORDER(v) __asm__("" : "+x"(v))

R8_INLINE __m256i r8_four(const uint8_t *a)
{
    int32_t four;
    memcpy(&four, a, sizeof four);
    return _mm256_set1_epi32(four);
}

// Sum over groups [first, first + n) of unsigned codes of at most `bits` bits: one int32 for each row.
R8_INLINE __m256i r8_dot(const __m256i w[8], const uint8_t *a, int first, int n, int bits)
{
    const int steps = bits <= 4 ? 8 : bits == 5 ? 4 : 2;
    __m256i sum = _mm256_setzero_si256();
    for (int g = first; g < first + n; g += steps) {
        __m256i part = _mm256_maddubs_epi16(w[g], r8_four(a + 4 * g));
        for (int k = g + 1; k < g + steps && k < first + n; k++) {
            part = _mm256_add_epi16(part, _mm256_maddubs_epi16(w[k], r8_four(a + 4 * k)));
            R8_IN_ORDER(part);
        }
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(part, _mm256_set1_epi16(1)));
    }
    return sum;
}

// The same for signed codes of 8 bits, all eight groups.
R8_INLINE __m256i r8_dot_signed(const __m256i w[8], const uint8_t *a)
{
    __m256i sum = _mm256_setzero_si256();
    for (int g = 0; g < 8; g++) {
        const __m256i part = _mm256_maddubs_epi16(_mm256_abs_epi8(w[g]), _mm256_sign_epi8(r8_four(a + 4 * g), w[g]));
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(part, _mm256_set1_epi16(1)));
    }
    return sum;
}

#endif
