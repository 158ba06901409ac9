// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_q2_k.c - 2 bits a weight; sub-blocks of 16 with a scale and a minimum: value d sc q - dmin mn.
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"
#include "plugins/common/quant_k_lanes_1.h"
#include "plugins/common/quant_k_formats.h"

void collet_dequantize_q2_k(const void *src, float *dst, uint64_t n)
{
    const collet_q2_k *b = src;
    for (uint64_t i = 0; i < n; i += 256, b++, dst += 256) {
        float d = collet_f16_to_f32(b->d), dmin = collet_f16_to_f32(b->dmin);
        for (uint32_t e = 0; e < 256; e++) {
            uint32_t half = e / 128, plane = e % 128 / 32, l = e % 32; // bits 2 plane, 2 plane + 1 of byte l
            uint32_t q = b->q[32 * half + l] >> (2 * plane) & 3;
            uint8_t s = b->scales[e / 16];
            float scale = d * (float)(s & 15), min = dmin * (float)(s >> 4);
            dst[e] = scale * (float)q - min;
        }
    }
}

void collet_quantize_q2_k(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    collet_encode_q2_k(src, dst, n, imatrix);
}
