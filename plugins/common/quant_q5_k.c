// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_q5_k.c - 5 bits a weight; sub-blocks of 32 with a scale and a minimum: value d sc q - dmin mn.
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"
#include "plugins/common/quant_k_lanes_1.h"
#include "plugins/common/quant_k_formats.h"
#include "plugins/common/quant_k_scales.h"

void collet_dequantize_q5_k(const void *src, float *dst, uint64_t n)
{
    const collet_q5_k *b = src;
    for (uint64_t i = 0; i < n; i += 256, b++, dst += 256) {
        float d = collet_f16_to_f32(b->d), dmin = collet_f16_to_f32(b->dmin);
        for (uint32_t j = 0; j < 8; j++) { // as in q4_k, and bit 4 of sub-block j is bit j of `high`
            float scale = d * (float)collet_k_scale(b->scales, j), min = dmin * (float)collet_k_min(b->scales, j);
            const uint8_t *q = b->q + 32 * (j / 2);
            for (uint32_t l = 0; l < 32; l++) {
                int32_t code = (q[l] >> (4 * (j % 2)) & 15) | (b->high[l] >> j & 1) << 4;
                dst[32 * j + l] = scale * (float)code - min;
            }
        }
    }
}

void collet_quantize_q5_k(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    collet_encode_q5_k(src, dst, n, imatrix);
}
