// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quantize_bf16_avx2.c - upper halves, rounded in integers. Twin: plugins/common/quant_bf16.c.
#include <immintrin.h>

#include "plugins/common/f16.h"
#include "plugins/cpu/quant/quant_kernels.h"

// Eight floats as bf16 in the low halves of words; a NaN stays one.
static inline __m256i rounded(const float *src)
{
    const __m256 x = _mm256_loadu_ps(src);
    const __m256i bits = _mm256_castps_si256(x),
                  odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i nan = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_srli_epi32(_mm256_blendv_epi8(up, nan, is_nan), 16);
}

void collet_cpu_quantize_bf16_avx2(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    uint8_t *to = dst;
    uint64_t i = 0;
    (void)imatrix;
    for (; i + 16 <= n; i += 16)
        _mm256_storeu_si256(
            (__m256i *)(to + 2 * i),
            _mm256_permute4x64_epi64(_mm256_packus_epi32(rounded(src + i), rounded(src + i + 8)), 0xd8));
    for (; i < n; i++) {
        uint16_t bits = collet_f32_to_bf16(src[i]);
        memcpy(to + 2 * i, &bits, sizeof bits);
    }
}

void collet_cpu_dequantize_bf16_avx2(const void *src, float *dst, uint64_t n)
{
    const uint8_t *from = src;
    uint64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_si256(
            (__m256i *)(dst + i),
            _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(from + 2 * i))), 16));
    for (; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, from + 2 * i, sizeof bits);
        dst[i] = collet_bf16_to_f32(bits);
    }
}
