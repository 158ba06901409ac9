// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_tq2_0.c - 2.06 bits a weight; ternary in 2 bits: value d (q - 1). Code 3 decodes to 2 d.
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"

void collet_dequantize_tq2_0(const void *src, float *dst, uint64_t n)
{
    const collet_tq2_0 *b = src;
    for (uint64_t i = 0; i < n; i += 256, b++, dst += 256) {
        float d = collet_f16_to_f32(b->d);
        for (uint32_t e = 0; e < 256; e++) {
            uint8_t byte = b->q[e / 128 * 32 + e % 32];
            dst[e] = (float)((byte >> (2 * (e / 32 % 4)) & 3) - 1) * d;
        }
    }
}
