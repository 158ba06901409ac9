// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_q5_1.c - 5 bits a weight, one scale and one minimum: value d q + m.
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"
#include "plugins/common/quant_round.h"
#include "plugins/common/quant_search.h"

void collet_dequantize_q5_1(const void *src, float *dst, uint64_t n)
{
    const collet_q5_1 *b = src;
    for (uint64_t i = 0; i < n; i += 32, b++, dst += 32) {
        float d = collet_f16_to_f32(b->d), m = collet_f16_to_f32(b->m);
        for (uint32_t j = 0; j < 16; j++) {
            int32_t low = (b->q[j] & 15) | (int32_t)(b->high >> j & 1) << 4;
            int32_t high = (b->q[j] >> 4) | (int32_t)(b->high >> (j + 16) & 1) << 4;
            dst[j] = (float)low * d + m;
            dst[j + 16] = (float)high * d + m;
        }
    }
}

// Without importances, the smallest value becomes code 0 and the largest code 31.
static float scale_of(float *min, const float *x, const float *importances)
{
    float d, max;
    if (importances) {
        d = collet_f16_to_f32(collet_f32_to_f16(collet_search_affine(min, x, importances, 31.0f)));
        *min = collet_f16_to_f32(collet_f32_to_f16(*min));
    } else {
        *min = collet_range(&max, x, 32);
        d = (max - *min) / 31.0f;
    }
    *min += 0.0f; // no negative zero, whichever of two zeros came first
    return d;
}

void collet_quantize_q5_1(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    collet_q5_1 *b = dst;
    for (uint64_t i = 0; i < n; i += 32, b++, src += 32) {
        float min, d = scale_of(&min, src, collet_importances(imatrix, i)), inv = d != 0.0f ? 1.0f / d : 0.0f;
        b->d = collet_f32_to_f16(d);
        b->m = collet_f32_to_f16(min);
        b->high = 0;
        for (uint32_t j = 0; j < 16; j++) {
            uint32_t low = collet_code((src[j] - min) * inv + 0.5f, 31);
            uint32_t high = collet_code((src[j + 16] - min) * inv + 0.5f, 31);
            b->q[j] = (uint8_t)((low & 15) | (high & 15) << 4);
            b->high |= low >> 4 << j | high >> 4 << (j + 16);
        }
    }
}
