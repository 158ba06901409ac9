// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_q5_0.c - 5 bits a weight, one scale: value d (q - 16).
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"
#include "plugins/common/quant_round.h"
#include "plugins/common/quant_search.h"

void collet_dequantize_q5_0(const void *src, float *dst, uint64_t n)
{
    const collet_q5_0 *b = src;
    for (uint64_t i = 0; i < n; i += 32, b++, dst += 32) {
        float d = collet_f16_to_f32(b->d);
        for (uint32_t j = 0; j < 16; j++) {
            int32_t low = (b->q[j] & 15) | (int32_t)(b->high >> j & 1) << 4;
            int32_t high = (b->q[j] >> 4) | (int32_t)(b->high >> (j + 16) & 1) << 4;
            dst[j] = (float)(low - 16) * d;
            dst[j + 16] = (float)(high - 16) * d;
        }
    }
}

// As in q4_0.
static float scale_of(float *inv, const float *x, const float *importances)
{
    float d;
    if (importances) {
        d = collet_f16_to_f32(collet_f32_to_f16(collet_search_scale(x, importances, 16.0f)));
    } else {
        d = collet_signed_peak(x, 32) / -16.0f;
    }
    *inv = d != 0.0f ? 1.0f / d : 0.0f;
    return d;
}

void collet_quantize_q5_0(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    collet_q5_0 *b = dst;
    for (uint64_t i = 0; i < n; i += 32, b++, src += 32) {
        float inv, d = scale_of(&inv, src, collet_importances(imatrix, i));
        b->d = collet_f32_to_f16(d);
        b->high = 0;
        for (uint32_t j = 0; j < 16; j++) {
            uint32_t low = collet_code(src[j] * inv + 16.5f, 31), high = collet_code(src[j + 16] * inv + 16.5f, 31);
            b->q[j] = (uint8_t)((low & 15) | (high & 15) << 4);
            b->high |= low >> 4 << j | high >> 4 << (j + 16);
        }
    }
}
