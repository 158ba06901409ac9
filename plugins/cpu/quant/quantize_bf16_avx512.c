// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quantize_bf16_avx512.c - upper halves, rounded in integers. Twin: plugins/common/quant_bf16.c.
#include <immintrin.h>

#include "plugins/common/f16.h"
#include "plugins/cpu/quant/quant_kernels.h"

// Sixteen floats as bf16; a NaN stays one. The instruction of AVX512_BF16 would lose subnormals.
static inline __m256i rounded(const float *src)
{
    const __m512 x = _mm512_loadu_ps(src);
    const __m512i bits = _mm512_castps_si512(x),
                  odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __m512i all =
        _mm512_mask_or_epi32(up, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), bits, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(all, 16));
}

void collet_cpu_quantize_bf16_avx512(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    uint8_t *to = dst;
    uint64_t i = 0;
    (void)imatrix;
    for (; i + 16 <= n; i += 16)
        _mm256_storeu_si256((__m256i *)(to + 2 * i), rounded(src + i));
    for (; i < n; i++) {
        uint16_t bits = collet_f32_to_bf16(src[i]);
        memcpy(to + 2 * i, &bits, sizeof bits);
    }
}

void collet_cpu_dequantize_bf16_avx512(const void *src, float *dst, uint64_t n)
{
    const uint8_t *from = src;
    uint64_t i = 0;
    for (; i + 16 <= n; i += 16)
        _mm512_storeu_si512(
            dst + i, _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(from + 2 * i))), 16));
    for (; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, from + 2 * i, sizeof bits);
        dst[i] = collet_bf16_to_f32(bits);
    }
}
