// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_mxfp4.c - OCP MX: 4-bit floats (E2M1) with a power-of-two scale: value 2^(e - 128) v[q].
#include <math.h>

#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"
#include "plugins/common/quant_round.h"
#include "plugins/common/quant_search.h"

static const int8_t values[16] = COLLET_MXFP4_VALUES;

// 2^(e - 128), built from bits: e < 2 gives the subnormals 2^-128 and 2^-127.
static float scale_of(uint8_t e)
{
    return collet_f32_from_bits(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23);
}

void collet_dequantize_mxfp4(const void *src, float *dst, uint64_t n)
{
    const collet_mxfp4 *b = src;
    for (uint64_t i = 0; i < n; i += 32, b++, dst += 32) {
        float d = scale_of(b->e);
        for (uint32_t j = 0; j < 16; j++) {
            dst[j] = (float)values[b->q[j] & 15] * d;
            dst[j + 16] = (float)values[b->q[j] >> 4] * d;
        }
    }
}

// The index of the value nearest to y; halfway, the smaller magnitude wins.
static uint32_t code_of(float y)
{
    static const float halfway[7] = { 0.5f, 1.5f, 2.5f, 3.5f, 5.0f, 7.0f, 10.0f };
    uint32_t code = 0;
    for (uint32_t k = 0; k < 7; k++)
        code += fabsf(y) > halfway[k];
    return code | (y < 0.0f) << 3;
}

// 2^(128 - e), e not 0 nor 255.
static float inverse_of(uint32_t e)
{
    return collet_f32_from_bits((255 - e) << 23);
}

// Sum of w (y - value)^2, y in units of the scale e.
static float loss_of(const float *x, uint32_t e, const float *importances)
{
    float s[16] = { 0.0f }, inv = inverse_of(e);
    for (uint32_t i = 0; i < 32; i++) {
        float y = x[i] * inv, miss = y - (float)values[code_of(y)], square = miss * miss;
        s[i % 16] += importances ? importances[i] * square : square;
    }
    return collet_lanes_fold(s);
}

// The smallest exponent considered, which is ggml's, keeps steps small and cuts off values above 6/8 of what the peak's
// binade holds; the next one cuts off nothing. The better one is taken, the smaller on a tie. Never 0: 2^-128 has no
// finite inverse.
static uint32_t exponent_of(const float *x, const float *importances)
{
    uint32_t peak = collet_f32_bits(collet_signed_peak(x, 32)) >> 23 & 255, e = peak > 3 ? peak - 2 : 1;
    e = e < 253 ? e : 253;
    return 4.0f * loss_of(x, e + 1, importances) < loss_of(x, e, importances) ? e + 1 : e;
}

void collet_quantize_mxfp4(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    collet_mxfp4 *b = dst;
    for (uint64_t i = 0; i < n; i += 32, b++, src += 32) {
        uint32_t e = exponent_of(src, collet_importances(imatrix, i));
        float inv = inverse_of(e);
        b->e = (uint8_t)e;
        for (uint32_t j = 0; j < 16; j++)
            b->q[j] = (uint8_t)(code_of(src[j] * inv) | code_of(src[j + 16] * inv) << 4);
    }
}
