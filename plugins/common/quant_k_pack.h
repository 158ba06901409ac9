// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_k_pack.h - 256 codes, their scales and minima into a block: layouts of blocks.h.
//
// Plain loops over bytes; the compiler makes vectors of them for whatever the including file is compiled for.
#ifndef COLLET_PLUGINS_COMMON_QUANT_K_PACK_H
#define COLLET_PLUGINS_COMMON_QUANT_K_PACK_H

#include <stdint.h>

#include "plugins/common/blocks.h"

// quant_k_scales.h reads these.
static inline void collet_k_pack_scales(uint8_t s[12], const uint8_t *scales, const uint8_t *mins)
{
    for (uint32_t j = 0; j < 4; j++) {
        s[j] = (uint8_t)(scales[j] | scales[j + 4] >> 4 << 6);
        s[j + 4] = (uint8_t)(mins[j] | mins[j + 4] >> 4 << 6);
        s[j + 8] = (uint8_t)((scales[j + 4] & 15) | (mins[j + 4] & 15) << 4);
    }
}

// Four 2-bit planes: byte l of each half has elements l, l + 32, l + 64, l + 96.
static inline void collet_k_pack_planes(uint8_t q[64], const uint8_t codes[256], uint32_t shift)
{
    for (uint32_t half = 0; half < 2; half++)
        for (uint32_t l = 0; l < 32; l++) {
            const uint8_t *c = codes + 128 * half + l;
            q[32 * half + l] = (uint8_t)((c[0] >> shift & 3) | (c[32] >> shift & 3) << 2 | (c[64] >> shift & 3) << 4 |
                                         (c[96] >> shift & 3) << 6);
        }
}

// Nibbles of q4_k and q5_k: byte 32 i + l has elements 64 i + l and 64 i + 32 + l.
static inline void collet_k_pack_nibbles(uint8_t q[128], const uint8_t codes[256])
{
    for (uint32_t i = 0; i < 4; i++)
        for (uint32_t l = 0; l < 32; l++)
            q[32 * i + l] = (uint8_t)((codes[64 * i + l] & 15) | (codes[64 * i + 32 + l] & 15) << 4);
}

static inline void collet_q2_k_pack(void *block, const uint8_t *codes, const uint8_t *scales, const uint8_t *mins,
                                    uint16_t d, uint16_t dmin)
{
    collet_q2_k *b = block;
    b->d = d;
    b->dmin = dmin;
    for (uint32_t j = 0; j < 16; j++)
        b->scales[j] = (uint8_t)(scales[j] | mins[j] << 4);
    collet_k_pack_planes(b->q, codes, 0);
}

static inline void collet_q4_k_pack(void *block, const uint8_t *codes, const uint8_t *scales, const uint8_t *mins,
                                    uint16_t d, uint16_t dmin)
{
    collet_q4_k *b = block;
    b->d = d;
    b->dmin = dmin;
    collet_k_pack_scales(b->scales, scales, mins);
    collet_k_pack_nibbles(b->q, codes);
}

static inline void collet_q5_k_pack(void *block, const uint8_t *codes, const uint8_t *scales, const uint8_t *mins,
                                    uint16_t d, uint16_t dmin)
{
    collet_q5_k *b = block;
    b->d = d;
    b->dmin = dmin;
    collet_k_pack_scales(b->scales, scales, mins);
    collet_k_pack_nibbles(b->q, codes);
    for (uint32_t l = 0; l < 32; l++) {
        uint32_t high = 0;
        for (uint32_t j = 0; j < 8; j++)
            high |= (uint32_t)(codes[32 * j + l] >> 4) << j;
        b->high[l] = (uint8_t)high;
    }
}

// Codes 0..7, which stand for -4..3; scales -32..31.
static inline void collet_q3_k_pack(void *block, const uint8_t *codes, const int8_t *scales, uint16_t d)
{
    collet_q3_k *b = block;
    uint8_t s[16];
    b->d = d;
    for (uint32_t j = 0; j < 16; j++)
        s[j] = (uint8_t)(scales[j] + 32);
    for (uint32_t j = 0; j < 8; j++)
        b->scales[j] = (uint8_t)((s[j] & 15) | (s[j + 8] & 15) << 4);
    for (uint32_t j = 0; j < 4; j++)
        b->scales[8 + j] = (uint8_t)(s[j] >> 4 | s[j + 4] >> 4 << 2 | s[j + 8] >> 4 << 4 | s[j + 12] >> 4 << 6);
    collet_k_pack_planes(b->q, codes, 0);
    for (uint32_t l = 0; l < 32; l++) {
        uint32_t high = 0;
        for (uint32_t k = 0; k < 8; k++)
            high |= (uint32_t)(codes[32 * k + l] >> 2) << k;
        b->high[l] = (uint8_t)high;
    }
}

// Codes 0..63, which stand for -32..31.
static inline void collet_q6_k_pack(void *block, const uint8_t *codes, const int8_t *scales, uint16_t d)
{
    collet_q6_k *b = block;
    b->d = d;
    for (uint32_t j = 0; j < 16; j++)
        b->scales[j] = scales[j];
    for (uint32_t half = 0; half < 2; half++)
        for (uint32_t l = 0; l < 64; l++)
            b->low[64 * half + l] = (uint8_t)((codes[128 * half + l] & 15) | (codes[128 * half + 64 + l] & 15) << 4);
    collet_k_pack_planes(b->high, codes, 4);
}

#endif
