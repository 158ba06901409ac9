// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/attention/attention_decode_avx2.h - the body of attention_decode_{f16,f32}_avx2.c: one query row.
//
// Three query heads against four keys at a time is what 16 registers hold: 12 sums, and a key loaded (and widened) once
// for three products. Values go the other way about: three heads by 32 elements of sums stay in registers over a run.
// Functions are inlined into constant arguments, so that sums are registers and f16 costs no branch.
#ifndef COLLET_PLUGINS_CPU_ATTENTION_DECODE_AVX2_H
#define COLLET_PLUGINS_CPU_ATTENTION_DECODE_AVX2_H

#include <stdbool.h>
#include <string.h>

#include "plugins/cpu/attention/attention.h"
#include "plugins/cpu/attention/softmax_avx2.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    HEADS = 3,                                  // query heads at a time
    SCORES_ROW = COLLET_CPU_ATTENTION_KEYS + 16 // four scores are written where one may be wanted
};

INLINE __m256 load8(const uint8_t *row, uint32_t i, bool f16)
{
    return f16 ? _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(row + 2 * (size_t)i)))
               : _mm256_loadu_ps((const float *)(const void *)(row + 4 * (size_t)i));
}

// Sums of four vectors, one a lane.
INLINE __m128 sum4(const __m256 *a)
{
    __m256 s = _mm256_hadd_ps(_mm256_hadd_ps(a[0], a[1]), _mm256_hadd_ps(a[2], a[3]));
    return _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
}

// scores[g][j] = q[g] . key j, for n_heads rows of q (head_dim each) and a run of n keys; up to three scores more are
// written, of the last key again: no key past the run is read.
INLINE void dots(float *scores, const float *q, uint32_t n_heads, const uint8_t *keys, size_t key_bytes, uint32_t n,
                 uint32_t head_dim, bool f16)
{
    for (uint32_t j = 0; j < n; j += 4) {
        const uint8_t *key[4];
        __m256 sum[HEADS][4];
        for (uint32_t i = 0; i < 4; i++) {
            key[i] = keys + (j + i < n ? j + i : n - 1) * key_bytes;
            for (uint32_t g = 0; g < n_heads; g++)
                sum[g][i] = _mm256_setzero_ps();
        }
        for (uint32_t d = 0; d < head_dim; d += 8) {
            __m256 k[4];
            for (uint32_t i = 0; i < 4; i++)
                k[i] = load8(key[i], d, f16);
            for (uint32_t g = 0; g < n_heads; g++)
                for (uint32_t i = 0; i < 4; i++)
                    sum[g][i] = _mm256_fmadd_ps(_mm256_loadu_ps(q + g * head_dim + d), k[i], sum[g][i]);
        }
        for (uint32_t g = 0; g < n_heads; g++)
            _mm_storeu_ps(scores + g * SCORES_ROW + j, sum4(sum[g]));
    }
}

// sums[g][d + ...] += weight[g][j] * value j, for 8 * n_vecs elements from d on, over a run of n values.
INLINE void add_values(float *sums, size_t sums_row, const float *weights, uint32_t n_heads, const uint8_t *values,
                       size_t value_bytes, uint32_t n, uint32_t d, uint32_t n_vecs, bool f16)
{
    __m256 sum[HEADS][4];
    for (uint32_t g = 0; g < n_heads; g++)
        for (uint32_t i = 0; i < n_vecs; i++)
            sum[g][i] = _mm256_loadu_ps(sums + g * sums_row + d + 8 * i);
    for (uint32_t j = 0; j < n; j++) {
        __m256 w[HEADS];
        for (uint32_t g = 0; g < n_heads; g++)
            w[g] = _mm256_broadcast_ss(weights + g * SCORES_ROW + j);
        for (uint32_t i = 0; i < n_vecs; i++) {
            const __m256 v = load8(values + j * value_bytes, d + 8 * i, f16);
            for (uint32_t g = 0; g < n_heads; g++)
                sum[g][i] = _mm256_fmadd_ps(w[g], v, sum[g][i]);
        }
    }
    for (uint32_t g = 0; g < n_heads; g++)
        for (uint32_t i = 0; i < n_vecs; i++)
            _mm256_storeu_ps(sums + g * sums_row + d + 8 * i, sum[g][i]);
}

// n_heads heads of the group, from `first` on, against n keys from p on.
INLINE void tile(const collet_cpu_attention_args *a, uint32_t p, uint32_t n, const float *q, float *scores,
                 float *partial, uint32_t n_heads, bool f16)
{
    const uint32_t head_dim = a->head_dim, row = collet_cpu_attention_partial(head_dim), padded = (n + 7) / 8 * 8;
    for (uint32_t j = 0, m; j < n; j += m) {
        m = collet_cpu_attention_run_tokens(a, p + j, p + n);
        dots(scores + j, q, n_heads, collet_cpu_attention_key(a, p + j), a->k_token, m, head_dim, f16);
    }
    for (uint32_t g = 0; g < n_heads; g++) {
        float *s = scores + g * SCORES_ROW, *sums = partial + (size_t)g * row;
        if (a->softcap > 0.0f)
            collet_softcap_tile_avx2(s, padded, a->softcap);
        for (uint32_t j = n; j < padded; j++)
            s[j] = -INFINITY;
        const float rescale = collet_softmax_tile_avx2(s, padded, &sums[head_dim], &sums[head_dim + 1]);
        for (uint32_t d = 0; rescale != 1.0f && d < head_dim; d += 8)
            _mm256_storeu_ps(sums + d, _mm256_mul_ps(_mm256_loadu_ps(sums + d), _mm256_set1_ps(rescale)));
    }
    for (uint32_t j = 0, m; j < n; j += m) {
        m = collet_cpu_attention_run_tokens(a, p + j, p + n);
        const uint8_t *values = collet_cpu_attention_value(a, p + j);
        uint32_t d = 0;
        for (; d + 32 <= head_dim; d += 32)
            add_values(partial, row, scores + j, n_heads, values, a->v_token, m, d, 4, f16);
        for (; d < head_dim; d += 8)
            add_values(partial, row, scores + j, n_heads, values, a->v_token, m, d, 1, f16);
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
        for (uint32_t d = 0; d < head_dim; d += 8) {
            _mm256_storeu_ps(queries + (size_t)g * head_dim + d,
                             _mm256_mul_ps(_mm256_loadu_ps(q + d), _mm256_set1_ps(a->scale)));
            _mm256_storeu_ps(sums + d, _mm256_setzero_ps());
        }
        sums[head_dim] = -INFINITY;
        sums[head_dim + 1] = 0.0f;
    }
    for (uint32_t p = begin, n; p < end; p += n) {
        n = end - p < COLLET_CPU_ATTENTION_KEYS ? end - p : COLLET_CPU_ATTENTION_KEYS;
        for (uint32_t g = 0; g < a->group; g += HEADS) {
            const float *q = queries + (size_t)g * head_dim;
            float *sums = partial + (size_t)g * row;
            if (a->group - g >= 3)
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
