// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_iq2_xs.c - 2.31 bits a weight; codebook of 512, signs by 7 bits: value (d (sc + 1/2) / 4) g s.
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"
#include "plugins/common/quant_iq_grids.h"

void collet_dequantize_iq2_xs(const void *src, float *dst, uint64_t n)
{
    const collet_iq2_xs *b = src;
    for (uint64_t i = 0; i < n; i += 256, b++) {
        float d = collet_f16_to_f32(b->d);
        for (uint32_t l = 0; l < 32; l++, dst += 8) { // a scale for 2 entries
            uint32_t nibble = b->scales[l / 4] >> (4 * (l / 2 % 2)) & 15;
            float scale = d * (0.5f + (float)nibble) * 0.25f;
            uint16_t entry = collet_iq2_xs_grid[b->q[l] & 511];
            uint32_t signs = collet_iq_signs(b->q[l] >> 9);
            for (uint32_t j = 0; j < 8; j++)
                dst[j] = scale * collet_iq2_value(entry, j) * collet_iq_sign(signs, j);
        }
    }
}
