// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_k_scales.h - the 12 bytes in which q4_k and q5_k keep 8 scales and 8 minima of 6 bits.
//
// Layout:  byte j     (j < 4)   | scale j+4, bits 4-5 | scale j           |
//          byte j + 4           | minimum j+4, bits 4-5 | minimum j       |
//          byte j + 8           | minimum j+4, bits 0-3 | scale j+4, bits 0-3 |
#ifndef COLLET_PLUGINS_COMMON_QUANT_K_SCALES_H
#define COLLET_PLUGINS_COMMON_QUANT_K_SCALES_H

#include <stdint.h>

static inline uint8_t collet_k_scale(const uint8_t s[12], uint32_t j)
{
    return j < 4 ? s[j] & 63 : (uint8_t)((s[j + 4] & 15) | (s[j - 4] >> 6) << 4);
}

static inline uint8_t collet_k_min(const uint8_t s[12], uint32_t j)
{
    return j < 4 ? s[j + 4] & 63 : (uint8_t)(s[j + 4] >> 4 | (s[j] >> 6) << 4);
}

#endif
