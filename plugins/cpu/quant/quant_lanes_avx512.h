// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quant_lanes_avx512.h - sixteen lanes: the names of plugins/common/quant_k_lanes_1.h.
#ifndef COLLET_PLUGINS_CPU_QUANT_QUANT_LANES_AVX512_H
#define COLLET_PLUGINS_CPU_QUANT_QUANT_LANES_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#define LANES 16

typedef __m512 lanes;

static inline lanes lanes_set(float value)
{
    return _mm512_set1_ps(value);
}

static inline lanes lanes_load(const float *from)
{
    return _mm512_loadu_ps(from);
}

static inline void lanes_store(float *to, lanes a)
{
    _mm512_storeu_ps(to, a);
}

static inline lanes lanes_max(lanes a, lanes b)
{
    return _mm512_max_ps(a, b);
}

static inline lanes lanes_min(lanes a, lanes b)
{
    return _mm512_min_ps(a, b);
}

static inline lanes lanes_round(lanes a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline lanes lanes_pick(lanes a, lanes b, lanes yes, lanes no)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), no, yes);
}

// A gather per element: no transposition to read.
static inline void lanes_load_columns(lanes *x, const float *from, uint32_t n)
{
    const __m512i rows = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                            _mm512_set1_epi32((int)n));
    for (uint32_t e = 0; e < n; e++)
        x[e] = _mm512_i32gather_ps(rows, from + e, 4);
}

#endif
