// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_iq1_s.c - 1.56 bits a weight; codebook of 2048: value (d (2 sc + 1)) (g + shift).
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"
#include "plugins/common/quant_iq_grids.h"

void collet_dequantize_iq1_s(const void *src, float *dst, uint64_t n)
{
    const collet_iq1_s *b = src;
    for (uint64_t i = 0; i < n; i += 256, b++) {
        float d = collet_f16_to_f32(b->d);
        for (uint32_t l = 0; l < 32; l++, dst += 8) {
            uint32_t high = b->high[l / 4];
            float scale = d * (float)(2 * (high >> 12 & 7) + 1), shift = high & 0x8000 ? -0.125f : 0.125f;
            uint16_t entry = collet_iq1_grid[b->q[l] | (high >> (3 * (l % 4)) & 7) << 8];
            for (uint32_t j = 0; j < 8; j++)
                dst[j] = scale * (collet_iq1_value(entry, j) + shift);
        }
    }
}
