// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_iq3_s.c - 3.44 bits a weight; codebook of 512, every sign stated: value (d (2 sc + 1)) g s.
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"
#include "plugins/common/quant_iq_grids.h"

void collet_dequantize_iq3_s(const void *src, float *dst, uint64_t n)
{
    const collet_iq3_s *b = src;
    for (uint64_t i = 0; i < n; i += 256, b++) {
        float d = collet_f16_to_f32(b->d);
        for (uint32_t l = 0; l < 32; l++, dst += 8) { // 2 entries; a scale for 4 pairs
            uint32_t nibble = b->scales[l / 8] >> (4 * (l / 4 % 2)) & 15;
            float scale = d * (float)(1 + 2 * nibble);
            for (uint32_t j = 0; j < 8; j++) {
                uint32_t e = 2 * l + j / 4, high = b->high[e / 8] >> (e % 8) & 1;
                uint16_t entry = collet_iq3_s_grid[b->q[e] | high << 8];
                dst[j] = scale * collet_iq3_s_value(entry, j % 4) * collet_iq_sign(b->signs[l], j);
            }
        }
    }
}
