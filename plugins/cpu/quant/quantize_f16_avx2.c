// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quantize_f16_avx2.c - halves by F16C. Twin: plugins/common/quant_f16.c.
#include <immintrin.h>

#include "plugins/common/f16.h"
#include "plugins/cpu/quant/quant_kernels.h"

void collet_cpu_quantize_f16_avx2(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    uint8_t *to = dst;
    uint64_t i = 0;
    (void)imatrix;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(to + 2 * i), _mm256_cvtps_ph(_mm256_loadu_ps(src + i), 0)); // to nearest
    for (; i < n; i++) {
        uint16_t bits = collet_f32_to_f16(src[i]);
        memcpy(to + 2 * i, &bits, sizeof bits);
    }
}

void collet_cpu_dequantize_f16_avx2(const void *src, float *dst, uint64_t n)
{
    const uint8_t *from = src;
    uint64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(from + 2 * i))));
    for (; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, from + 2 * i, sizeof bits);
        dst[i] = collet_f16_to_f32(bits);
    }
}
