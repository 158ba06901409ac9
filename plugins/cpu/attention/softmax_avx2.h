// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/attention/softmax_avx2.h - the online softmax of one row against one tile of scores.
#ifndef COLLET_PLUGINS_CPU_SOFTMAX_AVX2_H
#define COLLET_PLUGINS_CPU_SOFTMAX_AVX2_H

#include <math.h>

#include "plugins/cpu/math_avx2.h"

// s = cap * tanh(s / cap), before anything is masked: a score of -inf is in sight and becomes -cap. n: multiple of 8.
static inline void collet_softcap_tile_avx2(float *s, uint32_t n, float cap)
{
    for (uint32_t i = 0; i < n; i += 8) {
        __m256 v = _mm256_div_ps(_mm256_loadu_ps(s + i), _mm256_set1_ps(cap));
        _mm256_storeu_ps(s + i, _mm256_mul_ps(collet_f32x8_tanh(v), _mm256_set1_ps(cap)));
    }
}

// Replaces the n scores of s, a multiple of 8, by exp(score - largest), where -inf means out of sight, and updates the
// row's largest score and sum. Returns what the row's earlier sums must be multiplied by: 1 when the largest stayed.
static inline float collet_softmax_tile_avx2(float *s, uint32_t n, float *largest, float *sum)
{
    const float before = *largest;
    __m256 top = _mm256_set1_ps(before);
    for (uint32_t i = 0; i < n; i += 8)
        top = _mm256_max_ps(top, _mm256_loadu_ps(s + i));
    const float after = collet_f32x8_max(top);
    // Nothing in sight yet: any finite base gives weights exp(-inf) = 0, and -inf would give NaN.
    const __m256 base = _mm256_set1_ps(after == -INFINITY ? 0.0f : after);
    __m256 total = _mm256_setzero_ps();
    for (uint32_t i = 0; i < n; i += 8) {
        __m256 weight = collet_f32x8_exp(_mm256_sub_ps(_mm256_loadu_ps(s + i), base));
        _mm256_storeu_ps(s + i, weight);
        total = _mm256_add_ps(total, weight);
    }
    const float rescale =
        before == after ? 1.0f : _mm256_cvtss_f32(collet_f32x8_exp(_mm256_sub_ps(_mm256_set1_ps(before), base)));
    *largest = after;
    *sum = *sum * rescale + collet_f32x8_sum(total);
    return rescale;
}

#endif
