// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_iq2_xxs.c - 2.06 bits a weight; codebook of 256, signs by 7 bits: value (d (sc + 1/2) / 4) g s.
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"
#include "plugins/common/quant_iq_grids.h"

void collet_dequantize_iq2_xxs(const void *src, float *dst, uint64_t n)
{
    const collet_iq2_xxs *b = src;
    for (uint64_t i = 0; i < n; i += 256, b++) {
        float d = collet_f16_to_f32(b->d);
        for (uint32_t s = 0; s < 8; s++) {
            uint32_t word = b->sub[s].signs_scale;
            float scale = d * (0.5f + (float)(word >> 28)) * 0.25f;
            for (uint32_t l = 0; l < 4; l++, dst += 8) {
                uint16_t entry = collet_iq2_xxs_grid[b->sub[s].index[l]];
                uint32_t signs = collet_iq_signs(word >> (7 * l) & 127);
                for (uint32_t j = 0; j < 8; j++)
                    dst[j] = scale * collet_iq2_value(entry, j) * collet_iq_sign(signs, j);
            }
        }
    }
}
