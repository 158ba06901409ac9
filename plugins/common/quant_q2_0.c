// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_q2_0.c - 2.25 bits a weight, one scale: value d (q - 1).
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"

void collet_dequantize_q2_0(const void *src, float *dst, uint64_t n)
{
    const collet_q2_0 *b = src;
    for (uint64_t i = 0; i < n; i += 64, b++, dst += 64) {
        float d = collet_f16_to_f32(b->d);
        for (uint32_t e = 0; e < 64; e++)
            dst[e] = (float)((b->q[e / 4] >> (2 * (e % 4)) & 3) - 1) * d;
    }
}
