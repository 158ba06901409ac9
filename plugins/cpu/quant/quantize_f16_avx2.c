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
