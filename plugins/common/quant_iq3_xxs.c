// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_iq3_xxs.c - 3.06 bits a weight; codebook of 256, signs by 7 bits: value (d (sc + 1/2) / 2) g s.
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"
#include "plugins/common/quant_iq_grids.h"

void collet_dequantize_iq3_xxs(const void *src, float *dst, uint64_t n)
{
    const collet_iq3_xxs *b = src;
    for (uint64_t i = 0; i < n; i += 256, b++) {
        float d = collet_f16_to_f32(b->d);
        for (uint32_t l = 0; l < 32; l++, dst += 8) { // 2 entries; a word of signs and scale for 4 pairs
            uint32_t word = b->signs_scale[l / 4];
            float scale = d * (0.5f + (float)(word >> 28)) * 0.5f;
            uint32_t signs = collet_iq_signs(word >> (7 * (l % 4)) & 127);
            for (uint32_t j = 0; j < 8; j++) {
                uint16_t entry = collet_iq3_xxs_grid[b->q[2 * l + j / 4]];
                dst[j] = scale * collet_iq3_xxs_value(entry, j % 4) * collet_iq_sign(signs, j);
            }
        }
    }
}
