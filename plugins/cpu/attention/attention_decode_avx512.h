// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/attention/attention_decode_avx512.h - the body of attention_decode_{f16,f32}_avx512.c: one query row.
//
// As attention_decode_avx2.h, with twice the lanes: four query heads against four keys at a time (16 of 32 registers
// are sums), and the values of 64 elements. A head_dim that is 8 more than a multiple of 16 ends in a masked vector.
#ifndef COLLET_PLUGINS_CPU_ATTENTION_DECODE_AVX512_H
#define COLLET_PLUGINS_CPU_ATTENTION_DECODE_AVX512_H

#include <stdbool.h>

#include "plugins/cpu/attention/attention.h"
#include "plugins/cpu/attention/softmax_avx512.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    HEADS = 4,                                  // query heads at a time
    SCORES_ROW = COLLET_CPU_ATTENTION_KEYS + 16 // four scores are written where one may be wanted
};

INLINE __m512 load16(const uint8_t *row, uint32_t i, __mmask16 mask, bool f16)
{
    return f16 ? _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, row + 2 * (size_t)i))
               : _mm512_maskz_loadu_ps(mask, row + 4 * (size_t)i);
}

// scores[g][j] = q[g] . key j, for n_heads rows of q (head_dim each) and a run of n keys; up to three scores more are
// written, of the last key again: no key past the run is read.
INLINE void dots(float *scores, const float *q, uint32_t n_heads, const uint8_t *keys, size_t key_bytes, uint32_t n,
                 uint32_t head_dim, bool f16)
{
    for (uint32_t j = 0; j < n; j += 4) {
        const uint8_t *key[4];
        __m512 sum[HEADS][4];
        for (uint32_t i = 0; i < 4; i++) {
            key[i] = keys + (j + i < n ? j + i : n - 1) * key_bytes;
            for (uint32_t g = 0; g < n_heads; g++)
                sum[g][i] = _mm512_setzero_ps();
        }
        for (uint32_t d = 0; d < head_dim; d += 16) {
            const __mmask16 mask = collet_f32x16_mask(head_dim - d);
            __m512 k[4];
            for (uint32_t i = 0; i < 4; i++)
                k[i] = load16(key[i], d, mask, f16);
            for (uint32_t g = 0; g < n_heads; g++) {
                const __m512 v = _mm512_maskz_loadu_ps(mask, q + g * head_dim + d);
                for (uint32_t i = 0; i < 4; i++)
                    sum[g][i] = _mm512_fmadd_ps(v, k[i], sum[g][i]);
            }
        }
        for (uint32_t g = 0; g < n_heads; g++)
            for (uint32_t i = 0; i < 4; i++)
                scores[g * SCORES_ROW + j + i] = _mm512_reduce_add_ps(sum[g][i]);
    }
}

// sums[g][d + ...] += weight[g][j] * value j, for n_vecs vectors of elements from d on, over a run of n values.
INLINE void add_values(float *sums, size_t sums_row, const float *weights, uint32_t n_heads, const uint8_t *values,
                       size_t value_bytes, uint32_t n, uint32_t d, uint32_t n_vecs, __mmask16 mask, bool f16)
{
    __m512 sum[HEADS][4];
    for (uint32_t g = 0; g < n_heads; g++)
        for (uint32_t i = 0; i < n_vecs; i++)
            sum[g][i] = _mm512_maskz_loadu_ps(mask, sums + g * sums_row + d + 16 * i);
    for (uint32_t j = 0; j < n; j++)
        for (uint32_t i = 0; i < n_vecs; i++) {
            const __m512 v = load16(values + j * value_bytes, d + 16 * i, mask, f16);
            for (uint32_t g = 0; g < n_heads; g++)
                sum[g][i] = _mm512_fmadd_ps(_mm512_set1_ps(weights[g * SCORES_ROW + j]), v, sum[g][i]);
        }
    for (uint32_t g = 0; g < n_heads; g++)
        for (uint32_t i = 0; i < n_vecs; i++)
            _mm512_mask_storeu_ps(sums + g * sums_row + d + 16 * i, mask, sum[g][i]);
}

// n_heads heads of the group against n keys from p on.
INLINE void tile(const collet_cpu_attention_args *a, uint32_t p, uint32_t n, const float *q, float *scores,
                 float *partial, uint32_t n_heads, bool f16)
{
    const uint32_t head_dim = a->head_dim, row = collet_cpu_attention_partial(head_dim), padded = (n + 15) / 16 * 16;
    for (uint32_t j = 0, m; j < n; j += m) {
        m = collet_cpu_attention_run_tokens(a, p + j, p + n);
        dots(scores + j, q, n_heads, collet_cpu_attention_key(a, p + j), a->k_token, m, head_dim, f16);
    }
    for (uint32_t g = 0; g < n_heads; g++) {
        float *s = scores + g * SCORES_ROW, *sums = partial + (size_t)g * row;
        if (a->softcap > 0.0f)
            collet_softcap_tile_avx512(s, padded, a->softcap);
        for (uint32_t j = n; j < padded; j++)
            s[j] = -INFINITY;
        const float rescale = collet_softmax_tile_avx512(s, padded, &sums[head_dim], &sums[head_dim + 1]);
        for (uint32_t d = 0; rescale != 1.0f && d < head_dim; d += 16) {
            const __mmask16 mask = collet_f32x16_mask(head_dim - d);
            _mm512_mask_storeu_ps(sums + d, mask,
                                  _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, sums + d), _mm512_set1_ps(rescale)));
        }
    }
    for (uint32_t j = 0, m; j < n; j += m) {
        m = collet_cpu_attention_run_tokens(a, p + j, p + n);
        const uint8_t *values = collet_cpu_attention_value(a, p + j);
        uint32_t d = 0;
        for (; d + 64 <= head_dim; d += 64)
            add_values(partial, row, scores + j, n_heads, values, a->v_token, m, d, 4, 0xffff, f16);
        for (; d < head_dim; d += 16)
            add_values(partial, row, scores + j, n_heads, values, a->v_token, m, d, 1, collet_f32x16_mask(head_dim - d),
                       f16);
    }
}

INLINE void decode(const collet_cpu_attention_args *a, uint32_t begin, uint32_t end, float *scratch, float *partial,
                   bool f16)
{
    const collet_cpu_attention_scratch_map map = collet_cpu_attention_scratch(a->head_dim, a->group);
    const uint32_t head_dim = a->head_dim, row = collet_cpu_attention_partial(head_dim);
    float *queries = scratch + map.queries, *scores = scratch + map.scores;
    for (uint32_t g = 0; g < a->group; g++) {
        const float *q = a->q + (size_t)(a->kv_head * a->group + g) * a->q_head;
        float *sums = partial + (size_t)g * row;
        for (uint32_t d = 0; d < head_dim; d++) {
            queries[(size_t)g * head_dim + d] = q[d] * a->scale;
            sums[d] = 0.0f;
        }
        sums[head_dim] = -INFINITY;
        sums[head_dim + 1] = 0.0f;
    }
    for (uint32_t p = begin, n; p < end; p += n) {
        n = end - p < COLLET_CPU_ATTENTION_KEYS ? end - p : COLLET_CPU_ATTENTION_KEYS;
        for (uint32_t g = 0; g < a->group; g += HEADS) {
            const float *q = queries + (size_t)g * head_dim;
            float *sums = partial + (size_t)g * row;
            if (a->group - g >= 4)
                tile(a, p, n, q, scores, sums, 4, f16);
            else if (a->group - g == 3)
                tile(a, p, n, q, scores, sums, 3, f16);
            else if (a->group - g == 2)
                tile(a, p, n, q, scores, sums, 2, f16);
            else
                tile(a, p, n, q, scores, sums, 1, f16);
        }
    }
}

#undef INLINE
#endif
