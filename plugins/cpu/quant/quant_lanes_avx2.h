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
