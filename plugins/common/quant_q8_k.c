// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_q8_k.c - 8 bits a weight, one f32 scale per 256; for activations: value d q.
#include <math.h>

#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"
#include "plugins/common/quant_round.h"

void collet_dequantize_q8_k(const void *src, float *dst, uint64_t n)
{
    const collet_q8_k *b = src;
    for (uint64_t i = 0; i < n; i += 256, b++, dst += 256)
        for (uint32_t j = 0; j < 256; j++)
            dst[j] = b->d * (float)b->q[j];
}

void collet_quantize_q8_k(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    (void)imatrix;
    collet_q8_k *b = dst;
    for (uint64_t i = 0; i < n; i += 256, b++, src += 256) {
        float d = fabsf(collet_signed_peak(src, 256)) / 127.0f, inv = d != 0.0f ? 1.0f / d : 0.0f;
        b->d = d;
        for (uint32_t j = 0; j < 16; j++) {
            int32_t sum = 0;
            for (uint32_t k = 16 * j; k < 16 * j + 16; k++) {
                b->q[k] = collet_code_i8(src[k] * inv);
                sum += b->q[k];
            }
            b->sums[j] = (int16_t)sum;
        }
    }
}
