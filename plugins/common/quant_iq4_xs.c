// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_iq4_xs.c - iq4_nl in sub-blocks of 32 with a signed 6-bit scale: value d (sc - 32) v[q].
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"

static const int8_t values[16] = COLLET_IQ4_VALUES;

void collet_dequantize_iq4_xs(const void *src, float *dst, uint64_t n)
{
    const collet_iq4_xs *b = src;
    for (uint64_t i = 0; i < n; i += 256, b++, dst += 256) {
        float d = collet_f16_to_f32(b->d);
        for (uint32_t s = 0; s < 8; s++) {
            int32_t low = b->scales_low[s / 2] >> (4 * (s % 2)) & 15, high = b->scales_high >> (2 * s) & 3;
            float scale = d * (float)((low | high << 4) - 32);
            for (uint32_t j = 0; j < 16; j++) {
                uint8_t q = b->q[16 * s + j];
                dst[32 * s + j] = scale * (float)values[q & 15];
                dst[32 * s + j + 16] = scale * (float)values[q >> 4];
            }
        }
    }
}
