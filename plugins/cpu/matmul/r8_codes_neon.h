// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/r8_codes_neon.h - from packed bits (matmul_pack.c) to a byte for each code: 4 columns of four
// rows.
#ifndef COLLET_PLUGINS_CPU_MATMUL_R8_CODES_NEON_H
#define COLLET_PLUGINS_CPU_MATMUL_R8_CODES_NEON_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#define R8_INLINE static inline __attribute__((always_inline))

// Rows 4 h .. 4 h + 3 of group g (0..7) of the 32 columns at `codes`. Codes without a sign are below 64: bytes with a
// sign hold them all.
typedef int8x16_t r8_codes_fn(const uint8_t *codes, int g, int h);

// Sixteen of the 32 bytes of vector v.
R8_INLINE uint8x16_t r8_load(const uint8_t *codes, int v, int h)
{
    return vld1q_u8(codes + 32 * v + 16 * h);
}

R8_INLINE uint8x16_t r8_and(uint8x16_t v, uint8_t mask)
{
    return vandq_u8(v, vdupq_n_u8(mask));
}

R8_INLINE uint8x16_t r8_low_nibbles(const uint8_t *codes, int g, int h)
{
    const uint8x16_t v = r8_load(codes, g % 4, h);
    return g < 4 ? r8_and(v, 15) : v >> 4;
}

// To the left by n bits, to the right where n is negative.
R8_INLINE uint8x16_t r8_shift(uint8x16_t v, int n)
{
    return n < 0 ? v >> -n : v << n;
}

R8_INLINE int8x16_t r8_nibbles(const uint8_t *codes, int g, int h)
{
    return vreinterpretq_s8_u8(r8_low_nibbles(codes, g, h));
}

R8_INLINE int8x16_t r8_nibbles_and_bit(const uint8_t *codes, int g, int h)
{
    const uint8x16_t high = r8_and(r8_shift(r8_load(codes, 4, h), 4 - g), 16);
    return vreinterpretq_s8_u8(vorrq_u8(r8_low_nibbles(codes, g, h), high));
}

R8_INLINE int8x16_t r8_pairs(const uint8_t *codes, int g, int h)
{
    return vreinterpretq_s8_u8(r8_and(r8_load(codes, g / 4, h) >> 2 * (g % 4), 3));
}

// Groups g and g + 2 come out of one byte, which the compiler makes once for both.
R8_INLINE int8x16_t r8_pairs_and_bit(const uint8_t *codes, int g, int h)
{
    const uint8x16_t low = r8_and(r8_load(codes, g / 4, h) >> 2 * (g % 2), 0x33);
    const uint8x16_t high = r8_and(r8_shift(r8_load(codes, 2, h), 2 - g / 4 * 2 - g % 2), 0x44);
    return vreinterpretq_s8_u8(r8_and(vorrq_u8(low, high) >> g % 4 / 2 * 4, 7));
}

R8_INLINE int8x16_t r8_nibbles_and_pairs(const uint8_t *codes, int g, int h)
{
    const uint8x16_t high = r8_and(r8_shift(r8_load(codes, 4 + g / 4, h), 4 - 2 * (g % 4)), 0x30);
    return vreinterpretq_s8_u8(vorrq_u8(r8_low_nibbles(codes, g, h), high));
}

R8_INLINE int8x16_t r8_eight_bits(const uint8_t *codes, int g, int h)
{
    return vreinterpretq_s8_u8(r8_load(codes, g, h));
}

// Nibbles through a table of 16 signed bytes.
R8_INLINE int8x16_t r8_looked_up(const uint8_t *codes, int g, int h, const int8_t values[16])
{
    return vqtbl1q_s8(vld1q_s8(values), r8_low_nibbles(codes, g, h));
}

#endif
