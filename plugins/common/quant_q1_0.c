// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_q1_0.c - 1.125 bits a weight, one scale: value d or -d.
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"

void collet_dequantize_q1_0(const void *src, float *dst, uint64_t n)
{
    const collet_q1_0 *b = src;
    for (uint64_t i = 0; i < n; i += 128, b++, dst += 128) {
        float d = collet_f16_to_f32(b->d);
        for (uint32_t e = 0; e < 128; e++)
            dst[e] = b->q[e / 8] >> (e % 8) & 1 ? d : -d;
    }
}
