// SPDX-License-Identifier: Apache-2.0
// plugins/common/f16.h - half and bfloat16 to float and back, in integers: the same bits on every machine.
//
// Rounding is to nearest, ties to even; overflow gives infinity, subnormals are kept. A NaN stays a NaN: its payload is
// shortened or extended and its quiet bit set, as F16C and NEON do (bf16 to f32 alone keeps every bit).
#ifndef COLLET_PLUGINS_COMMON_F16_H
#define COLLET_PLUGINS_COMMON_F16_H

#include <stdint.h>
#include <string.h>

static inline uint32_t collet_f32_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float collet_f32_from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// f16: | sign 1 | exponent 5, bias 15 | fraction 10 |     f32: | sign 1 | exponent 8, bias 127 | fraction 23 |
// All cases are computed and masks choose one, so that compilers make vectors of loops over it.
static inline float collet_f16_to_f32(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, magnitude = half & 0x7fffu;
    uint32_t tiny = -(uint32_t)(magnitude < 0x400u), special = -(uint32_t)(magnitude >= 0x7c00u);
    uint32_t quiet = -(uint32_t)(magnitude > 0x7c00u) & 0x400000u;           // a NaN's
    uint32_t scaled = collet_f32_bits((float)(int32_t)magnitude * 0x1p-24f); // zero, subnormal: exact in f32
    uint32_t moved = ((magnitude << 13) + (112u << 23)) | (special & 0x7f800000u) | quiet;
    return collet_f32_from_bits(sign | (scaled & tiny) | (moved & ~tiny));
}

static inline uint16_t collet_f32_to_f16(float value)
{
    uint32_t bits = collet_f32_bits(value), magnitude = bits & 0x7fffffffu;
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    if (magnitude > 0x7f800000u) // NaN
        return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
    if (magnitude >= 0x477ff000u) // from 65520 on, halfway between the largest half and 2^16
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude < 0x33000001u) // up to 2^-25, half of the smallest subnormal
        return sign;
    // Both cases: a 24-bit significand loses its low `shift` bits, rounded; a carry may run into the exponent, which
    // is right in this encoding.
    uint32_t exponent = magnitude >> 23, significand, shift, base;
    if (exponent < 113) { // below 2^-14: subnormal
        significand = (magnitude & 0x7fffffu) | 0x800000u;
        shift = 126 - exponent;
        base = 0;
    } else {
        significand = magnitude & 0x7fffffu;
        shift = 13;
        base = (exponent - 112) << 10;
    }
    uint32_t kept = significand >> shift, lost = significand & ((1u << shift) - 1), half = 1u << (shift - 1);
    kept += lost > half || (lost == half && (kept & 1u));
    return (uint16_t)(sign | (base + kept));
}

static inline float collet_bf16_to_f32(uint16_t bf16)
{
    return collet_f32_from_bits((uint32_t)bf16 << 16);
}

static inline uint16_t collet_f32_to_bf16(float value)
{
    uint32_t bits = collet_f32_bits(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

#endif
