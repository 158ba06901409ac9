// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_q4_0.c - 4 bits a weight, one scale: value d (q - 8).
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"
#include "plugins/common/quant_round.h"
#include "plugins/common/quant_search.h"

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

// Without importances, the value of largest magnitude, sign included, becomes code 0: -8 d is hit exactly.
static float scale_of(float *inv, const float *x, const float *importances)
{
    float d;
    if (importances) {
        d = collet_f16_to_f32(collet_f32_to_f16(collet_search_scale(x, importances, 8.0f)));
    } else {
        d = collet_signed_peak(x, 32) / -8.0f;
    }
    *inv = d != 0.0f ? 1.0f / d : 0.0f;
    return d;
}

void collet_quantize_q4_0(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    collet_q4_0 *b = dst;
    for (uint64_t i = 0; i < n; i += 32, b++, src += 32) {
        float inv, d = scale_of(&inv, src, collet_importances(imatrix, i));
        b->d = collet_f32_to_f16(d);
        for (uint32_t j = 0; j < 16; j++) {
            uint32_t low = collet_code(src[j] * inv + 8.5f, 15), high = collet_code(src[j + 16] * inv + 8.5f, 15);
            b->q[j] = (uint8_t)(low | high << 4);
        }
    }
}
