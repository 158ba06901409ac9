// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/attention/attention_decode_avx2.h - the body of attention_decode_{f16,f32}_avx2.c: one query row.
//
// Sixteen registers hold three query heads against four keys, or four against two: 12 or 8 sums, and a key is loaded
// (and widened) once for all of them. Values go the other way about: sums of 32 or 16 elements stay in registers over a
// run of tokens. Functions are inlined into constant arguments, so that sums are registers and f16 costs no branch.
//
// Measured: 14.0 GB/s of f16 keys and values, 0.77 of what the core reads (Zen 3, 9 heads over 3 of 64, 4096 tokens)
// Tried:    no prefetch: the first pass over a tile's values waited for memory a third of the time
//           a table of the tile's rows instead of runs: 7 % slower when contiguous, 6 % faster in blocks of 16
#ifndef COLLET_PLUGINS_CPU_ATTENTION_DECODE_AVX2_H
#define COLLET_PLUGINS_CPU_ATTENTION_DECODE_AVX2_H

#include <stdbool.h>
#include <string.h>

#include "plugins/cpu/attention/attention.h"
#include "plugins/cpu/attention/softmax_avx2.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    HEADS_MAX = 4,                               // query heads at a time
    SCORES_ROW = COLLET_CPU_ATTENTION_KEYS + 16, // four scores are written where one may be wanted
    LINE = 64                                    // bytes of a cache line
};

// Keys of a tile: 8 KiB of them and 8 KiB of values stay in L1 until they have been used.
INLINE uint32_t tile_keys(uint32_t row_bytes)
{
    const uint32_t n = 8192 / row_bytes / 8 * 8;
    return n < 16 ? 16 : n < COLLET_CPU_ATTENTION_KEYS ? n : COLLET_CPU_ATTENTION_KEYS;
}

// Heads of the next pass, so that no pass is left with one head that could have had more.
INLINE uint32_t heads_of_pass(uint32_t left)
{
    if (left <= 3)
        return left;
    return left % 3 == 0 || left == 5 ? 3 : 4;
}

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

// Asks for the lines of n rows from `rows` on.
INLINE void prefetch_rows(const uint8_t *rows, size_t row_bytes, uint32_t n, uint32_t n_bytes)
{
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t at = 0; at < n_bytes; at += LINE)
            _mm_prefetch((const char *)(rows + i * row_bytes + at), _MM_HINT_T0);
}

// A run of n tokens that lie one after the other, and what will be wanted after it (a hint: it may be anywhere).
typedef struct run {
    const uint8_t *keys, *values, *next_keys;
    size_t key_bytes, value_bytes;
    uint32_t n;
} run;

// scores[g][j] = q[g] . key j, for n_heads rows of q (head_dim each); up to three scores more are written, of the last
// key again: no key past the run is read.
INLINE void dots(float *scores, const float *q, uint32_t n_heads, const run *r, uint32_t head_dim, bool first, bool f16)
{
    const uint32_t n_keys = n_heads == 4 ? 2 : 4, row_bytes = head_dim * (f16 ? 2 : 4);
    for (uint32_t j = 0; j < r->n; j += n_keys) {
        const uint8_t *key[4];
        __m256 sum[HEADS_MAX][4];
        if (first) { // of several passes over a tile
            prefetch_rows(r->values + j * r->value_bytes, r->value_bytes, n_keys, row_bytes);
            prefetch_rows(r->next_keys + j * r->key_bytes, r->key_bytes, n_keys, row_bytes);
        }
        for (uint32_t i = 0; i < n_keys; i++) {
            key[i] = r->keys + (j + i < r->n ? j + i : r->n - 1) * r->key_bytes;
            for (uint32_t g = 0; g < n_heads; g++)
                sum[g][i] = _mm256_setzero_ps();
        }
        for (uint32_t d = 0; d < head_dim; d += 8) {
            __m256 k[4];
            for (uint32_t i = 0; i < n_keys; i++)
                k[i] = load8(key[i], d, f16);
            for (uint32_t g = 0; g < n_heads; g++)
                for (uint32_t i = 0; i < n_keys; i++)
                    sum[g][i] = _mm256_fmadd_ps(_mm256_loadu_ps(q + g * head_dim + d), k[i], sum[g][i]);
        }
        if (n_keys == 4) {
            for (uint32_t g = 0; g < n_heads; g++)
                _mm_storeu_ps(scores + g * SCORES_ROW + j, sum4(sum[g]));
        } else { // two heads make a vector: of each, both keys
            for (uint32_t g = 0; g < n_heads; g += 2) {
                const __m256 pair[4] = { sum[g][0], sum[g][1], sum[g + 1][0], sum[g + 1][1] };
                const __m128 s = sum4(pair);
                _mm_storel_pi((__m64 *)(void *)(scores + g * SCORES_ROW + j), s);
                _mm_storeh_pi((__m64 *)(void *)(scores + (g + 1) * SCORES_ROW + j), s);
            }
        }
    }
}

// sums[g][d + ...] += weight[g][j] * value j, for 8 * n_vecs elements from d on, over a run.
INLINE void add_values(float *sums, size_t sums_row, const float *weights, uint32_t n_heads, const run *r, uint32_t d,
                       uint32_t n_vecs, bool f16)
{
    __m256 sum[HEADS_MAX][4];
    for (uint32_t g = 0; g < n_heads; g++)
        for (uint32_t i = 0; i < n_vecs; i++)
            sum[g][i] = _mm256_loadu_ps(sums + g * sums_row + d + 8 * i);
    for (uint32_t j = 0; j < r->n; j++) {
        __m256 w[HEADS_MAX];
        for (uint32_t g = 0; g < n_heads; g++)
            w[g] = _mm256_broadcast_ss(weights + g * SCORES_ROW + j);
        for (uint32_t i = 0; i < n_vecs; i++) {
            const __m256 v = load8(r->values + j * r->value_bytes, d + 8 * i, f16);
            for (uint32_t g = 0; g < n_heads; g++)
                sum[g][i] = _mm256_fmadd_ps(w[g], v, sum[g][i]);
        }
    }
    for (uint32_t g = 0; g < n_heads; g++)
        for (uint32_t i = 0; i < n_vecs; i++)
            _mm256_storeu_ps(sums + g * sums_row + d + 8 * i, sum[g][i]);
}

// The run at position p, before `end`; `ahead` is the position whose keys come a tile later.
INLINE run run_at(const collet_cpu_attention_args *a, uint32_t p, uint32_t end, uint32_t ahead)
{
    return (run){ .keys = collet_cpu_attention_key(a, p),
                  .values = collet_cpu_attention_value(a, p),
                  .next_keys = collet_cpu_attention_key(a, ahead),
                  .key_bytes = a->k_token,
                  .value_bytes = a->v_token,
                  .n = collet_cpu_attention_run_tokens(a, p, end) };
}

// n_heads heads of the group against the keys [p, end) of a range that ends at `last`.
INLINE void tile(const collet_cpu_attention_args *a, uint32_t p, uint32_t end, uint32_t last, const float *q,
                 float *scores, float *partial, uint32_t n_heads, bool first, bool f16)
{
    const uint32_t head_dim = a->head_dim, row = collet_cpu_attention_partial(head_dim);
    const uint32_t n = end - p, padded = (n + 7) / 8 * 8, n_vecs = n_heads == 4 ? 2 : 4;
    for (uint32_t j = 0; j < n;) {
        const run r = run_at(a, p + j, end, end + j < last ? end + j : p + j);
        dots(scores + j, q, n_heads, &r, head_dim, first, f16);
        j += r.n;
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
    for (uint32_t j = 0; j < n;) {
        const run r = run_at(a, p + j, end, p + j);
        uint32_t d = 0;
        for (; d + 8 * n_vecs <= head_dim; d += 8 * n_vecs)
            add_values(partial, row, scores + j, n_heads, &r, d, n_vecs, f16);
        for (; d < head_dim; d += 8)
            add_values(partial, row, scores + j, n_heads, &r, d, 1, f16);
        j += r.n;
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
    const uint32_t n_keys = tile_keys(head_dim * (f16 ? 2 : 4));
    for (uint32_t p = begin, next; p < end; p = next) {
        next = end - p < n_keys ? end : p + n_keys;
        for (uint32_t g = 0, n_heads; g < a->group; g += n_heads) {
            const float *q = queries + (size_t)g * head_dim;
            float *sums = partial + (size_t)g * row;
            n_heads = heads_of_pass(a->group - g);
            if (n_heads == 4)
                tile(a, p, next, end, q, scores, sums, 4, g == 0, f16);
            else if (n_heads == 3)
                tile(a, p, next, end, q, scores, sums, 3, g == 0, f16);
            else if (n_heads == 2)
                tile(a, p, next, end, q, scores, sums, 2, g == 0, f16);
            else
                tile(a, p, next, end, q, scores, sums, 1, g == 0, f16);
        }
    }
}

#undef INLINE
#endif
