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

static inline lanes lanes_half(lanes a)
{
    return _mm512_cvtph_ps(_mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}

static inline void lanes_codes(uint8_t *to, const float *x, float add, float inv, float low, float high)
{
    const __m512 t = _mm512_mul_ps(_mm512_add_ps(_mm512_loadu_ps(x), lanes_set(add)), lanes_set(inv));
    const __m512 l = lanes_round(lanes_min(lanes_max(t, lanes_set(low)), lanes_set(high)));
    _mm_storeu_si128((__m128i *)to, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_sub_ps(l, lanes_set(low)))));
}

// Four elements of rows j, j + 4, j + 8, j + 12.
static inline __m512 lanes_quarter_rows(const float *from, uint32_t n)
{
    __m512 rows = _mm512_castps128_ps512(_mm_loadu_ps(from));
    rows = _mm512_insertf32x4(rows, _mm_loadu_ps(from + 4 * n), 1);
    rows = _mm512_insertf32x4(rows, _mm_loadu_ps(from + 8 * n), 2);
    return _mm512_insertf32x4(rows, _mm_loadu_ps(from + 12 * n), 3);
}

// Four columns at a time, turned within the quarters of registers. A gather for each column took 3 cycles a weight.
static inline void lanes_load_columns(lanes *x, const float *from, uint32_t n)
{
    for (uint32_t e = 0; e < n; e += 4) {
        __m512 a[4], b[4];
        for (uint32_t j = 0; j < 4; j++)
            a[j] = lanes_quarter_rows(from + j * n + e, n);
        for (uint32_t j = 0; j < 4; j += 2) {
            b[j] = _mm512_unpacklo_ps(a[j], a[j + 1]);
            b[j + 1] = _mm512_unpackhi_ps(a[j], a[j + 1]);
        }
        x[e] = _mm512_shuffle_ps(b[0], b[2], 0x44);
        x[e + 1] = _mm512_shuffle_ps(b[0], b[2], 0xee);
        x[e + 2] = _mm512_shuffle_ps(b[1], b[3], 0x44);
        x[e + 3] = _mm512_shuffle_ps(b[1], b[3], 0xee);
    }
}

#endif
