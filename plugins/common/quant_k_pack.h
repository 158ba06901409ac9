// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_k_pack.h - 256 codes, their scales and minima into a block: layouts of blocks.h.
//
// Eight codes at a time as a word: byte by byte, whatever the order of bytes, since no shift takes a bit out of its
// byte.
#ifndef COLLET_PLUGINS_COMMON_QUANT_K_PACK_H
#define COLLET_PLUGINS_COMMON_QUANT_K_PACK_H

#include <stdint.h>
#include <string.h>

#include "plugins/common/blocks.h"

#define K_EACH(byte) (0x0101010101010101u * (byte))
#define K_WORDS 32 // 256 codes

// quant_k_scales.h reads these.
static inline void collet_k_pack_scales(uint8_t s[12], const uint8_t *scales, const uint8_t *mins)
{
    for (uint32_t j = 0; j < 4; j++) {
        s[j] = (uint8_t)(scales[j] | scales[j + 4] >> 4 << 6);
        s[j + 4] = (uint8_t)(mins[j] | mins[j + 4] >> 4 << 6);
        s[j + 8] = (uint8_t)((scales[j + 4] & 15) | (mins[j + 4] & 15) << 4);
    }
}

// Four 2-bit planes: byte l of each half has elements l, l + 32, l + 64, l + 96; bits `shift` and the next of each
// code.
static inline void collet_k_pack_planes(uint8_t q[64], const uint64_t codes[K_WORDS], uint32_t shift)
{
    uint64_t planes[8];
    for (uint32_t half = 0; half < 2; half++)
        for (uint32_t l = 0; l < 4; l++) {
            const uint64_t *c = codes + 16 * half + l, two = K_EACH(3u);
            planes[4 * half + l] = (c[0] >> shift & two) | (c[4] >> shift & two) << 2 | (c[8] >> shift & two) << 4 |
                                   (c[12] >> shift & two) << 6;
        }
    memcpy(q, planes, sizeof planes);
}

// Bit `bit` of each code: byte l has that of elements l, l + 32, ..., l + 224.
static inline void collet_k_pack_bits(uint8_t high[32], const uint64_t codes[K_WORDS], uint32_t bit)
{
    uint64_t bits[4] = { 0 };
    for (uint32_t k = 0; k < 8; k++)
        for (uint32_t l = 0; l < 4; l++)
            bits[l] |= (codes[4 * k + l] >> bit & K_EACH(1u)) << k;
    memcpy(high, bits, sizeof bits);
}

// Nibbles: byte n i + l of q has elements 2 n i + l and 2 n i + n + l; n = 8 `run`.
static inline void collet_k_pack_nibbles(uint8_t q[128], const uint64_t codes[K_WORDS], uint32_t run)
{
    uint64_t nibbles[16];
    for (uint32_t i = 0; i < 16 / run; i++)
        for (uint32_t l = 0; l < run; l++) {
            const uint64_t *c = codes + 2 * run * i + l;
            nibbles[run * i + l] = (c[0] & K_EACH(15u)) | (c[run] & K_EACH(15u)) << 4;
        }
    memcpy(q, nibbles, sizeof nibbles);
}

static inline void collet_q2_k_pack(void *block, const uint8_t codes[256], const uint8_t *scales, const uint8_t *mins,
                                    uint16_t d, uint16_t dmin)
{
    collet_q2_k *b = block;
    uint64_t words[K_WORDS];
    memcpy(words, codes, sizeof words);
    b->d = d;
    b->dmin = dmin;
    for (uint32_t j = 0; j < 16; j++)
        b->scales[j] = (uint8_t)(scales[j] | mins[j] << 4);
    collet_k_pack_planes(b->q, words, 0);
}

static inline void collet_q4_k_pack(void *block, const uint8_t codes[256], const uint8_t *scales, const uint8_t *mins,
                                    uint16_t d, uint16_t dmin)
{
    collet_q4_k *b = block;
    uint64_t words[K_WORDS];
    memcpy(words, codes, sizeof words);
    b->d = d;
    b->dmin = dmin;
    collet_k_pack_scales(b->scales, scales, mins);
    collet_k_pack_nibbles(b->q, words, 4);
}

static inline void collet_q5_k_pack(void *block, const uint8_t codes[256], const uint8_t *scales, const uint8_t *mins,
                                    uint16_t d, uint16_t dmin)
{
    collet_q5_k *b = block;
    uint64_t words[K_WORDS];
    memcpy(words, codes, sizeof words);
    b->d = d;
    b->dmin = dmin;
    collet_k_pack_scales(b->scales, scales, mins);
    collet_k_pack_nibbles(b->q, words, 4);
    collet_k_pack_bits(b->high, words, 4);
}

// Codes 0..7, which stand for -4..3; scales -32..31.
static inline void collet_q3_k_pack(void *block, const uint8_t codes[256], const int8_t *scales, uint16_t d)
{
    collet_q3_k *b = block;
    uint64_t words[K_WORDS];
    memcpy(words, codes, sizeof words);
    uint8_t s[16];
    b->d = d;
    for (uint32_t j = 0; j < 16; j++)
        s[j] = (uint8_t)(scales[j] + 32);
    for (uint32_t j = 0; j < 8; j++)
        b->scales[j] = (uint8_t)((s[j] & 15) | (s[j + 8] & 15) << 4);
    for (uint32_t j = 0; j < 4; j++)
        b->scales[8 + j] = (uint8_t)(s[j] >> 4 | s[j + 4] >> 4 << 2 | s[j + 8] >> 4 << 4 | s[j + 12] >> 4 << 6);
    collet_k_pack_planes(b->q, words, 0);
    collet_k_pack_bits(b->high, words, 2);
}

// Codes 0..63, which stand for -32..31.
static inline void collet_q6_k_pack(void *block, const uint8_t codes[256], const int8_t *scales, uint16_t d)
{
    collet_q6_k *b = block;
    uint64_t words[K_WORDS];
    memcpy(words, codes, sizeof words);
    b->d = d;
    for (uint32_t j = 0; j < 16; j++)
        b->scales[j] = scales[j];
    collet_k_pack_nibbles(b->low, words, 8);
    collet_k_pack_planes(b->high, words, 4);
}

#undef K_EACH

#endif
