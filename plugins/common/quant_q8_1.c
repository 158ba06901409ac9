// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_q8_1.c - 8 bits a weight, one scale: value d q (the sum s is for dot products).
#include <math.h>

#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"
#include "plugins/common/quant_round.h"

void collet_dequantize_q8_1(const void *src, float *dst, uint64_t n)
{
    const collet_q8_1 *b = src;
    for (uint64_t i = 0; i < n; i += 32, b++, dst += 32) {
        float d = collet_f16_to_f32(b->d);
        for (uint32_t j = 0; j < 32; j++)
            dst[j] = (float)b->q[j] * d;
    }
}

void collet_quantize_q8_1(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    (void)imatrix;
    collet_q8_1 *b = dst;
    for (uint64_t i = 0; i < n; i += 32, b++, src += 32) {
        float d = fabsf(collet_signed_peak(src, 32)) / 127.0f, inv = d != 0.0f ? 1.0f / d : 0.0f;
        int32_t sum = 0;
        b->d = collet_f32_to_f16(d);
        for (uint32_t j = 0; j < 32; j++) {
            b->q[j] = collet_code_i8(src[j] * inv);
            sum += b->q[j];
        }
        b->s = collet_f32_to_f16((float)sum * d);
    }
}
