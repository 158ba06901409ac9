// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_iq_grids.h - the codebooks of the iq1, iq2 and iq3 formats, and the signs that go with them.
//
// A code of n bits indexes 2^n entries, each of 8 (iq1, iq2) or 4 (iq3) elements. Every index that a block can state is
// inside its table, whatever the bytes.
#ifndef COLLET_PLUGINS_COMMON_QUANT_IQ_GRIDS_H
#define COLLET_PLUGINS_COMMON_QUANT_IQ_GRIDS_H

#include <stdint.h>

extern const uint16_t collet_iq1_grid[2048]; // of iq1_s and iq1_m
extern const uint16_t collet_iq2_xxs_grid[256], collet_iq2_xs_grid[512], collet_iq2_s_grid[1024];
extern const uint16_t collet_iq3_xxs_grid[256], collet_iq3_s_grid[512];

// Element j (0..7) of an entry: -1, 0, 1.
static inline float collet_iq1_value(uint16_t entry, uint32_t j)
{
    return (float)((int32_t)(entry >> (2 * j) & 3) - 1);
}

// Element j (0..7) of an entry: 8, 25, 43; no entry has code 3.
static inline float collet_iq2_value(uint16_t entry, uint32_t j)
{
    static const uint8_t values[4] = { 8, 25, 43, 0 };
    return values[entry >> (2 * j) & 3];
}

// Element j (0..3) of an entry.
static inline float collet_iq3_xxs_value(uint16_t entry, uint32_t j)
{
    static const uint8_t values[8] = { 4, 12, 20, 28, 36, 44, 52, 62 };
    return values[entry >> (3 * j) & 7];
}

static inline float collet_iq3_s_value(uint16_t entry, uint32_t j)
{
    return (float)(2 * (entry >> (3 * j) & 7) + 1);
}

// 7 bits state the signs of 8 elements, a set bit for a negative one: the number of negative ones is always even.
static inline uint32_t collet_iq_signs(uint32_t seven)
{
    uint32_t parity = seven ^ seven >> 4;
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    return seven | (parity & 1) << 7;
}

static inline float collet_iq_sign(uint32_t signs, uint32_t j)
{
    return signs >> j & 1 ? -1.0f : 1.0f;
}

#endif
