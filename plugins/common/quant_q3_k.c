// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_q3_k.c - 3 bits a weight; sub-blocks of 16 with a signed scale: value d (sc - 32) q.
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"
#include "plugins/common/quant_k_lanes_1.h"
#include "plugins/common/quant_k_formats.h"

// Scale j, 0..63: low nibbles are in bytes 0-7, scales 8-15 in their upper halves; the upper 2 bits in bytes 8-11.
static int32_t scale_of(const uint8_t s[12], uint32_t j)
{
    int32_t low = j < 8 ? s[j] & 15 : s[j - 8] >> 4;
    int32_t high = s[8 + j % 4] >> (2 * (j / 4)) & 3;
    return low | high << 4;
}

void collet_dequantize_q3_k(const void *src, float *dst, uint64_t n)
{
    const collet_q3_k *b = src;
    for (uint64_t i = 0; i < n; i += 256, b++, dst += 256) {
        float d = collet_f16_to_f32(b->d);
        for (uint32_t e = 0; e < 256; e++) {
            uint32_t half = e / 128, plane = e % 128 / 32, l = e % 32;
            int32_t q = b->q[32 * half + l] >> (2 * plane) & 3;
            q -= b->high[l] >> (e / 32) & 1 ? 0 : 4;
            float scale = d * (float)(scale_of(b->scales, e / 16) - 32);
            dst[e] = scale * (float)q;
        }
    }
}

void collet_quantize_q3_k(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    collet_encode_q3_k(src, dst, n, imatrix);
}
