// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_bf16.c - the upper halves of floats, rounded to nearest even.
#include "plugins/common/f16.h"
#include "plugins/common/formats.h"

void collet_dequantize_bf16(const void *src, float *dst, uint64_t n)
{
    const uint8_t *bytes = src;
    for (uint64_t i = 0; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, bytes + i * sizeof bits, sizeof bits);
        dst[i] = collet_bf16_to_f32(bits);
    }
}

void collet_quantize_bf16(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    (void)imatrix;
    uint8_t *bytes = dst;
    for (uint64_t i = 0; i < n; i++) {
        uint16_t bits = collet_f32_to_bf16(src[i]);
        memcpy(bytes + i * sizeof bits, &bits, sizeof bits);
    }
}
