// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_iq4_xs.c - iq4_nl in sub-blocks of 32 with a signed 6-bit scale: value d (sc - 32) v[q].
#include <math.h>
#include <string.h>

#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"
#include "plugins/common/quant_round.h"
#include "plugins/common/quant_search.h"

static const int8_t values[16] = COLLET_IQ4_VALUES;

void collet_dequantize_iq4_xs(const void *src, float *dst, uint64_t n)
{
    const collet_iq4_xs *b = src;
    for (uint64_t i = 0; i < n; i += 256, b++, dst += 256) {
        float d = collet_f16_to_f32(b->d);
        for (uint32_t s = 0; s < 8; s++) {
            int32_t low = b->scales_low[s / 2] >> (4 * (s % 2)) & 15, high = b->scales_high >> (2 * s) & 3;
            float scale = d * (float)((low | high << 4) - 32);
            for (uint32_t j = 0; j < 16; j++) {
                uint8_t q = b->q[16 * s + j];
                dst[32 * s + j] = scale * (float)values[q & 15];
                dst[32 * s + j + 16] = scale * (float)values[q >> 4];
            }
        }
    }
}

// The block's scale puts the sub-scale of largest magnitude at -32, so that its sign is d's. Codes are made last, from
// the scales as they are stored.
static void quantize_block(const float *x, collet_iq4_xs *b, const float *imatrix)
{
    float scale[8], w[32], peak = 0.0f, sigma2 = imatrix ? collet_lanes_squares(x, 256) / 128.0f : 0.0f;
    for (uint32_t s = 0; s < 8; s++) {
        const float *importances = collet_importances(imatrix, 32 * s);
        if (importances)
            collet_search_weights(w, x + 32 * s, importances, sigma2);
        for (uint32_t i = 0; !importances && i < 32; i++) // as in iq4_nl
            w[i] = x[32 * s + i] * x[32 * s + i];
        scale[s] = collet_search_iq4(x + 32 * s, w);
        peak = fabsf(scale[s]) > fabsf(peak) ? scale[s] : peak;
    }
    b->d = collet_f32_to_f16(peak / -32.0f);
    b->scales_high = 0;
    memset(b->scales_low, 0, sizeof b->scales_low);
    float d = collet_f16_to_f32(b->d), d_inv = d != 0.0f ? 1.0f / d : 0.0f;
    for (uint32_t s = 0; s < 8; s++) {
        uint32_t code = collet_code(scale[s] * d_inv + 32.5f, 63);
        b->scales_low[s / 2] |= (uint8_t)((code & 15) << (4 * (s % 2)));
        b->scales_high |= (uint16_t)(code >> 4 << (2 * s));
        float step = d * (float)((int32_t)code - 32), inv = step != 0.0f ? 1.0f / step : 0.0f;
        const float *sub = x + 32 * s;
        for (uint32_t j = 0; j < 16; j++)
            b->q[16 * s + j] = (uint8_t)(collet_iq4_code(sub[j] * inv) | collet_iq4_code(sub[j + 16] * inv) << 4);
    }
}

void collet_quantize_iq4_xs(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    collet_iq4_xs *b = dst;
    for (uint64_t i = 0; i < n; i += 256, b++)
        quantize_block(src + i, b, imatrix ? imatrix + i : NULL);
}
