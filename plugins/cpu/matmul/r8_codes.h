// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/r8_codes.h - from packed bits (matmul_pack.c) to a byte for each code: 4 columns of eight rows.
#ifndef COLLET_PLUGINS_CPU_MATMUL_R8_CODES_H
#define COLLET_PLUGINS_CPU_MATMUL_R8_CODES_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define R8_INLINE static inline __attribute__((always_inline))

// gcc turns a chain of additions into a tree, whose leaves do not fit the registers. This keeps the chain.
#define R8_IN_ORDER(v) __asm__("" : "+x"(v))

// Group g (0..7) of the 32 columns at `codes`.
typedef __m256i r8_codes_fn(const uint8_t *codes, int g);

R8_INLINE __m256i r8_load(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

// A byte of each row.
R8_INLINE __m128i r8_eight(const uint8_t *p)
{
    return _mm_loadl_epi64((const __m128i *)(const void *)p);
}

R8_INLINE __m256i r8_four(const int8_t *a)
{
    int32_t four;
    memcpy(&four, a, sizeof four);
    return _mm256_set1_epi32(four);
}

// A byte of each row to f32.
R8_INLINE __m256 r8_bytes(__m128i v, int is_signed)
{
    return _mm256_cvtepi32_ps(is_signed ? _mm256_cvtepi8_epi32(v) : _mm256_cvtepu8_epi32(v));
}

R8_INLINE __m256i r8_nibbles(const uint8_t *codes, int g)
{
    const __m256i v = r8_load(codes + 32 * (g % 4));
    return _mm256_and_si256(g < 4 ? v : _mm256_srli_epi16(v, 4), _mm256_set1_epi8(15));
}

R8_INLINE __m256i r8_nibbles_and_bit(const uint8_t *codes, int g)
{
    const __m256i high = r8_load(codes + 128);
    const __m256i at4 = g < 4 ? _mm256_slli_epi16(high, 4 - g) : _mm256_srli_epi16(high, g - 4);
    return _mm256_or_si256(r8_nibbles(codes, g), _mm256_and_si256(at4, _mm256_set1_epi8(16)));
}

R8_INLINE __m256i r8_pairs(const uint8_t *codes, int g)
{
    return _mm256_and_si256(_mm256_srli_epi16(r8_load(codes + 32 * (g / 4)), 2 * (g % 4)), _mm256_set1_epi8(3));
}

// Groups g and g + 2 come out of one byte, which the compiler makes once for both.
R8_INLINE __m256i r8_pairs_and_bit(const uint8_t *codes, int g)
{
    const __m256i low = r8_load(codes + 32 * (g / 4)), high = r8_load(codes + 64);
    const int k = g / 4 * 2 + g % 2;
    const __m256i at2 = k < 2 ? _mm256_slli_epi16(high, 2 - k) : _mm256_srli_epi16(high, k - 2);
    const __m256i at0 = _mm256_and_si256(_mm256_srli_epi16(low, 2 * (g % 2)), _mm256_set1_epi8(0x33));
    const __m256i both = _mm256_or_si256(at0, _mm256_and_si256(at2, _mm256_set1_epi8(0x44)));
    return _mm256_and_si256(_mm256_srli_epi16(both, g % 4 / 2 * 4), _mm256_set1_epi8(7));
}

R8_INLINE __m256i r8_nibbles_and_pairs(const uint8_t *codes, int g)
{
    const __m256i high = r8_load(codes + 128 + 32 * (g / 4)), mask = _mm256_set1_epi8(0x30);
    const __m256i at4 = g % 4 < 2 ? _mm256_slli_epi16(high, 4 - 2 * (g % 4)) : _mm256_srli_epi16(high, 2 * (g % 4) - 4);
    return _mm256_or_si256(r8_nibbles(codes, g), _mm256_and_si256(at4, mask));
}

R8_INLINE __m256i r8_eight_bits(const uint8_t *codes, int g)
{
    return r8_load(codes + 32 * g);
}

// Nibbles through a table of 16 signed bytes.
R8_INLINE __m256i r8_looked_up(const uint8_t *codes, int g, const int8_t values[16])
{
    const __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)values));
    return _mm256_shuffle_epi8(table, r8_nibbles(codes, g));
}

#endif
