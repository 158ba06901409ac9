// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_iq2_s.c - 2.56 bits a weight; codebook of 1024, every sign stated: value (d (sc + 1/2) / 4) g s.
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"
#include "plugins/common/quant_iq_grids.h"

void collet_dequantize_iq2_s(const void *src, float *dst, uint64_t n)
{
    const collet_iq2_s *b = src;
    for (uint64_t i = 0; i < n; i += 256, b++) {
        float d = collet_f16_to_f32(b->d);
        for (uint32_t l = 0; l < 32; l++, dst += 8) { // a scale for 2 entries
            uint32_t nibble = b->scales[l / 4] >> (4 * (l / 2 % 2)) & 15;
            float scale = d * (0.5f + (float)nibble) * 0.25f;
            uint32_t high = b->high[l / 4] >> (2 * (l % 4)) & 3;
            uint16_t entry = collet_iq2_s_grid[b->q[l] | high << 8];
            for (uint32_t j = 0; j < 8; j++)
                dst[j] = scale * collet_iq2_value(entry, j) * collet_iq_sign(b->signs[l], j);
        }
    }
}
