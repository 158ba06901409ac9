// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quant_lanes_avx2.h - eight lanes: the names of plugins/common/quant_k_lanes_1.h.
#ifndef COLLET_PLUGINS_CPU_QUANT_QUANT_LANES_AVX2_H
#define COLLET_PLUGINS_CPU_QUANT_QUANT_LANES_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#define LANES 8

typedef __m256 lanes;

static inline lanes lanes_set(float value)
{
    return _mm256_set1_ps(value);
}

static inline lanes lanes_load(const float *from)
{
    return _mm256_loadu_ps(from);
}

static inline void lanes_store(float *to, lanes a)
{
    _mm256_storeu_ps(to, a);
}

static inline lanes lanes_max(lanes a, lanes b)
{
    return _mm256_max_ps(a, b);
}

static inline lanes lanes_min(lanes a, lanes b)
{
    return _mm256_min_ps(a, b);
}

static inline lanes lanes_round(lanes a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline lanes lanes_pick(lanes a, lanes b, lanes yes, lanes no)
{
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
}

static inline lanes lanes_half(lanes a)
{
    return _mm256_cvtph_ps(_mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}

static inline __m256i lanes_code_8(const float *x, __m256 add, __m256 inv, __m256 low, __m256 high)
{
    const __m256 t = _mm256_mul_ps(_mm256_add_ps(_mm256_loadu_ps(x), add), inv);
    return _mm256_cvtps_epi32(_mm256_sub_ps(lanes_round(lanes_min(lanes_max(t, low), high)), low));
}

static inline void lanes_codes(uint8_t *to, const float *x, float add, float inv, float low, float high)
{
    const __m256 a = lanes_set(add), i = lanes_set(inv), l = lanes_set(low), h = lanes_set(high);
    __m256i words = _mm256_packs_epi32(lanes_code_8(x, a, i, l, h), lanes_code_8(x + 8, a, i, l, h));
    words = _mm256_permute4x64_epi64(words, 0xd8); // packing went by halves of registers
    _mm_storeu_si128((__m128i *)to,
                     _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}

// Eight by eight at a time: pairs of rows, pairs of pairs, halves.
static inline void lanes_load_columns(lanes *x, const float *from, uint32_t n)
{
    for (uint32_t e = 0; e < n; e += 8) {
        __m256 a[8], b[8];
        for (uint32_t j = 0; j < 8; j++)
            a[j] = _mm256_loadu_ps(from + j * n + e);
        for (uint32_t j = 0; j < 8; j += 2) {
            b[j] = _mm256_unpacklo_ps(a[j], a[j + 1]);
            b[j + 1] = _mm256_unpackhi_ps(a[j], a[j + 1]);
        }
        for (uint32_t j = 0; j < 8; j += 4)
            for (uint32_t k = 0; k < 2; k++) {
                a[j + 2 * k] = _mm256_shuffle_ps(b[j + k], b[j + k + 2], 0x44);
                a[j + 2 * k + 1] = _mm256_shuffle_ps(b[j + k], b[j + k + 2], 0xee);
            }
        for (uint32_t k = 0; k < 4; k++) {
            x[e + k] = _mm256_permute2f128_ps(a[k], a[k + 4], 0x20);
            x[e + k + 4] = _mm256_permute2f128_ps(a[k], a[k + 4], 0x31);
        }
    }
}

#endif
