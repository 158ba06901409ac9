// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/attention/softmax_avx512.h - the online softmax of one row against one tile of scores.
#ifndef COLLET_PLUGINS_CPU_SOFTMAX_AVX512_H
#define COLLET_PLUGINS_CPU_SOFTMAX_AVX512_H

#include <math.h>

#include "plugins/cpu/math_avx512.h"

// s = cap * tanh(s / cap), before anything is masked: a score of -inf is in sight and becomes -cap. n: multiple of 16.
static inline void collet_softcap_tile_avx512(float *s, uint32_t n, float cap)
{
    for (uint32_t i = 0; i < n; i += 16) {
        __m512 v = _mm512_div_ps(_mm512_loadu_ps(s + i), _mm512_set1_ps(cap));
        _mm512_storeu_ps(s + i, _mm512_mul_ps(collet_f32x16_tanh(v), _mm512_set1_ps(cap)));
    }
}

// Replaces the n scores of s, a multiple of 16, by exp(score - largest), where -inf means out of sight, and updates the
// row's largest score and sum. Returns what the row's earlier sums must be multiplied by: 1 when the largest stayed.
static inline float collet_softmax_tile_avx512(float *s, uint32_t n, float *largest, float *sum)
{
    const float before = *largest;
    __m512 top = _mm512_set1_ps(before);
    for (uint32_t i = 0; i < n; i += 16)
        top = _mm512_max_ps(top, _mm512_loadu_ps(s + i));
    const float after = _mm512_reduce_max_ps(top);
    // Nothing in sight yet: any finite base gives weights exp(-inf) = 0, and -inf would give NaN.
    const __m512 base = _mm512_set1_ps(after == -INFINITY ? 0.0f : after);
    __m512 total = _mm512_setzero_ps();
    for (uint32_t i = 0; i < n; i += 16) {
        __m512 weight = collet_f32x16_exp(_mm512_sub_ps(_mm512_loadu_ps(s + i), base));
        _mm512_storeu_ps(s + i, weight);
        total = _mm512_add_ps(total, weight);
    }
    const float rescale =
        before == after ? 1.0f : _mm512_cvtss_f32(collet_f32x16_exp(_mm512_sub_ps(_mm512_set1_ps(before), base)));
    *largest = after;
    *sum = *sum * rescale + _mm512_reduce_add_ps(total);
    return rescale;
}

#endif
