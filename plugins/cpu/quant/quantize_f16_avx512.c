// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quantize_f16_avx512.c - halves, sixteen at a time. Twin: plugins/common/quant_f16.c.
#include <immintrin.h>

#include "plugins/common/f16.h"
#include "plugins/cpu/quant/quant_kernels.h"

void collet_cpu_quantize_f16_avx512(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    uint8_t *to = dst;
    uint64_t i = 0;
    (void)imatrix;
    for (; i + 16 <= n; i += 16)
        _mm256_storeu_si256((__m256i *)(to + 2 * i), _mm512_cvtps_ph(_mm512_loadu_ps(src + i), 0)); // to nearest
    for (; i < n; i++) {
        uint16_t bits = collet_f32_to_f16(src[i]);
        memcpy(to + 2 * i, &bits, sizeof bits);
    }
}

void collet_cpu_dequantize_f16_avx512(const void *src, float *dst, uint64_t n)
{
    const uint8_t *from = src;
    uint64_t i = 0;
    for (; i + 16 <= n; i += 16)
        _mm512_storeu_ps(dst + i, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(from + 2 * i))));
    for (; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, from + 2 * i, sizeof bits);
        dst[i] = collet_f16_to_f32(bits);
    }
}
