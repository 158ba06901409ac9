// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_q4_0.c - 4 bits a weight, one scale: value d (q - 8).
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"
#include "plugins/common/quant_round.h"

void collet_dequantize_q4_0(const void *src, float *dst, uint64_t n)
{
    const collet_q4_0 *b = src;
    for (uint64_t i = 0; i < n; i += 32, b++, dst += 32) {
        float d = collet_f16_to_f32(b->d);
        for (uint32_t j = 0; j < 16; j++) {
            dst[j] = (float)((b->q[j] & 15) - 8) * d;
            dst[j + 16] = (float)((b->q[j] >> 4) - 8) * d;
        }
    }
}

// The value of largest magnitude, sign included, becomes code 0: so -8 d is hit exactly, whichever sign it has.
void collet_quantize_q4_0(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    (void)imatrix;
    collet_q4_0 *b = dst;
    for (uint64_t i = 0; i < n; i += 32, b++, src += 32) {
        float d = collet_signed_peak(src, 32) / -8.0f, inv = d != 0.0f ? 1.0f / d : 0.0f;
        b->d = collet_f32_to_f16(d);
        for (uint32_t j = 0; j < 16; j++) {
            uint32_t low = collet_code(src[j] * inv + 8.5f, 15), high = collet_code(src[j + 16] * inv + 8.5f, 15);
            b->q[j] = (uint8_t)(low | high << 4);
        }
    }
}
