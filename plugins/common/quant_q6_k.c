// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_q6_k.c - 6 bits a weight; sub-blocks of 16 with a signed scale: value d sc (q - 32).
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"
#include "plugins/common/quant_k_lanes_1.h"
#include "plugins/common/quant_k_formats.h"

void collet_dequantize_q6_k(const void *src, float *dst, uint64_t n)
{
    const collet_q6_k *b = src;
    for (uint64_t i = 0; i < n; i += 256, b++, dst += 256) {
        float d = collet_f16_to_f32(b->d);
        for (uint32_t e = 0; e < 256; e++) {
            uint32_t half = e / 128, plane = e % 128 / 32, l = e % 32;
            uint8_t low = b->low[64 * half + 32 * (plane % 2) + l];
            int32_t q = (low >> (4 * (plane / 2)) & 15) | (b->high[32 * half + l] >> (2 * plane) & 3) << 4;
            float scale = d * (float)b->scales[e / 16];
            dst[e] = scale * (float)(q - 32);
        }
    }
}

void collet_quantize_q6_k(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    collet_encode_q6_k(src, dst, n, imatrix);
}
