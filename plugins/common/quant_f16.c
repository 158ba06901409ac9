// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_f16.c - halves, rounded to nearest even.
#include "plugins/common/f16.h"
#include "plugins/common/formats.h"

void collet_dequantize_f16(const void *src, float *dst, uint64_t n)
{
    const uint8_t *bytes = src;
    for (uint64_t i = 0; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, bytes + i * sizeof bits, sizeof bits);
        dst[i] = collet_f16_to_f32(bits);
    }
}

void collet_quantize_f16(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    (void)imatrix;
    uint8_t *bytes = dst;
    for (uint64_t i = 0; i < n; i++) {
        uint16_t bits = collet_f32_to_f16(src[i]);
        memcpy(bytes + i * sizeof bits, &bits, sizeof bits);
    }
}
