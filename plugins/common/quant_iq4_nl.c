// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_iq4_nl.c - 4 bits a weight that index a table of 16 uneven values: value d v[q].
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"
#include "plugins/common/quant_search.h"

static const int8_t values[16] = COLLET_IQ4_VALUES;

void collet_dequantize_iq4_nl(const void *src, float *dst, uint64_t n)
{
    const collet_iq4_nl *b = src;
    for (uint64_t i = 0; i < n; i += 32, b++, dst += 32) {
        float d = collet_f16_to_f32(b->d);
        for (uint32_t j = 0; j < 16; j++) {
            dst[j] = d * (float)values[b->q[j] & 15];
            dst[j + 16] = d * (float)values[b->q[j] >> 4];
        }
    }
}

// Without importances, the square of a weight is its importance: what is large matters most.
static float scale_of(const float *x, const float *importances)
{
    float w[32];
    if (importances)
        collet_search_weights(w, x, importances, collet_lanes_squares(x, 32) / 16.0f);
    for (uint32_t i = 0; !importances && i < 32; i++)
        w[i] = x[i] * x[i];
    return collet_search_iq4(x, w);
}

void collet_quantize_iq4_nl(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    collet_iq4_nl *b = dst;
    for (uint64_t i = 0; i < n; i += 32, b++, src += 32) {
        b->d = collet_f32_to_f16(scale_of(src, collet_importances(imatrix, i)));
        float d = collet_f16_to_f32(b->d), inv = d != 0.0f ? 1.0f / d : 0.0f;
        for (uint32_t j = 0; j < 16; j++)
            b->q[j] = (uint8_t)(collet_iq4_code(src[j] * inv) | collet_iq4_code(src[j + 16] * inv) << 4);
    }
}
