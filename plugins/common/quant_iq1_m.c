// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_iq1_m.c - 1.75 bits a weight; codebook of 2048, a shift each: value (d (2 sc + 1)) (g + shift).
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"
#include "plugins/common/quant_iq_grids.h"

void collet_dequantize_iq1_m(const void *src, float *dst, uint64_t n)
{
    const collet_iq1_m *b = src;
    for (uint64_t i = 0; i < n; i += 256, b++) {
        uint32_t d_bits = 0;
        for (uint32_t k = 0; k < 4; k++) // the scales leave the upper 4 bits of each word
            d_bits |= (uint32_t)(b->scales[k] >> 12) << (4 * k);
        float d = collet_f16_to_f32((uint16_t)d_bits);
        for (uint32_t l = 0; l < 32; l++, dst += 8) { // a scale for 2 entries
            uint32_t nibble = b->high[l / 2] >> (4 * (l % 2)) & 15;
            float scale = d * (float)(2 * (b->scales[l / 8] >> (3 * (l / 2 % 4)) & 7) + 1);
            float shift = nibble & 8 ? -0.125f : 0.125f;
            uint16_t entry = collet_iq1_grid[b->q[l] | (nibble & 7) << 8];
            for (uint32_t j = 0; j < 8; j++)
                dst[j] = scale * (collet_iq1_value(entry, j) + shift);
        }
    }
}
