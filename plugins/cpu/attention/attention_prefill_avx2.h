// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/attention/attention_prefill_avx2.h - the body of attention_prefill_{f16,f32}_avx2.c: a block of query
// rows.
//
// Both products are the same small matrix product, S = Q K^T and O += P V, of 6 rows by 16 columns in 12 registers.
// K (transposed) and V are copied once per tile into panels of 16 columns, as f32: the product then reads them one line
// after the other, the widening is paid once for up to 48 rows, and no horizontal sum is left.
// Rows are (token, head of the group), token first; row buffers are padded to whole register tiles.
#ifndef COLLET_PLUGINS_CPU_ATTENTION_PREFILL_AVX2_H
#define COLLET_PLUGINS_CPU_ATTENTION_PREFILL_AVX2_H

#include <stdbool.h>
#include <string.h>

#include "plugins/cpu/attention/attention.h"
#include "plugins/cpu/attention/softmax_avx2.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    ROWS = 6,                        // of the register tile
    COLS = 16,                       // of a panel
    KEYS = COLLET_CPU_ATTENTION_KEYS // of a tile
};

INLINE __m256 load8(const uint8_t *row, uint32_t i, bool f16)
{
    return f16 ? _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(row + 2 * (size_t)i)))
               : _mm256_loadu_ps((const float *)(const void *)(row + 4 * (size_t)i));
}

// c[r][j] (+)= sum over i < n of a[r][i] * panel[i][j], 6 rows of c and a, 16 columns.
INLINE void product(float *c, size_t c_row, const float *a, size_t a_row, const float *panel, uint32_t n, bool add)
{
    __m256 sum[ROWS][2];
    for (uint32_t r = 0; r < ROWS; r++)
        for (uint32_t h = 0; h < 2; h++)
            sum[r][h] = add ? _mm256_loadu_ps(c + r * c_row + 8 * h) : _mm256_setzero_ps();
    for (uint32_t i = 0; i < n; i++, panel += COLS) {
        const __m256 low = _mm256_loadu_ps(panel), high = _mm256_loadu_ps(panel + 8);
        for (uint32_t r = 0; r < ROWS; r++) {
            const __m256 x = _mm256_broadcast_ss(a + r * a_row + i);
            sum[r][0] = _mm256_fmadd_ps(x, low, sum[r][0]);
            sum[r][1] = _mm256_fmadd_ps(x, high, sum[r][1]);
        }
    }
    for (uint32_t r = 0; r < ROWS; r++)
        for (uint32_t h = 0; h < 2; h++)
            _mm256_storeu_ps(c + r * c_row + 8 * h, sum[r][h]);
}

// dst[i][j] = src[j][i] of 8 x 8 floats; rows of dst are COLS apart.
INLINE void transpose8(float *dst, const __m256 *src)
{
    __m256 t[8], u[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(src[i], src[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(src[i], src[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(dst + i * COLS, _mm256_permute2f128_ps(u[i], u[i + 4], 0x20));
        _mm256_storeu_ps(dst + (i + 4) * COLS, _mm256_permute2f128_ps(u[i], u[i + 4], 0x31));
    }
}

// panels[j / 16][d][j % 16] = key[j][d], for j < n; columns up to the panel's end repeat the last key and are masked.
INLINE void pack_keys(float *panels, const uint8_t *const *key, uint32_t n, uint32_t head_dim, bool f16)
{
    for (uint32_t j = 0; j < (n + COLS - 1) / COLS * COLS; j += 8) {
        float *panel = panels + (size_t)(j / COLS) * COLS * head_dim + j % COLS;
        for (uint32_t d = 0; d < head_dim; d += 8) {
            __m256 rows[8];
            for (uint32_t i = 0; i < 8; i++)
                rows[i] = load8(key[j + i < n ? j + i : n - 1], d, f16);
            transpose8(panel + (size_t)d * COLS, rows);
        }
    }
}

// panels[d / 16][j][d % 16] = value[j][d], for j < n.
INLINE void pack_values(float *panels, const uint8_t *const *value, uint32_t n, uint32_t head_dim, bool f16)
{
    for (uint32_t d = 0; d < head_dim; d += 8) {
        float *panel = panels + (size_t)(d / COLS) * COLS * KEYS + d % COLS;
        for (uint32_t j = 0; j < n; j++)
            _mm256_storeu_ps(panel + j * COLS, load8(value[j], d, f16));
    }
}

// Scores become weights: what row (position) cannot see of the keys [p, p + n) gets -inf first.
INLINE void weigh(float *s, float *outputs, uint32_t out_row, float *largest, float *sum,
                  const collet_cpu_attention_args *a, uint32_t position, uint32_t p, uint32_t n)
{
    const uint32_t padded = (n + 7) / 8 * 8;
    const uint32_t end = position < p ? 0 : position - p + 1 < n ? position - p + 1 : n;
    const uint32_t first = a->window && position + 1 > a->window + p ? position + 1 - a->window - p : 0;
    if (a->softcap > 0.0f)
        collet_softcap_tile_avx2(s, padded, a->softcap);
    for (uint32_t j = 0; j < first && j < n; j++)
        s[j] = -INFINITY;
    for (uint32_t j = end; j < padded; j++)
        s[j] = -INFINITY;
    const float rescale = collet_softmax_tile_avx2(s, padded, largest, sum);
    for (uint32_t d = 0; rescale != 1.0f && d < out_row; d += 8)
        _mm256_storeu_ps(outputs + d, _mm256_mul_ps(_mm256_loadu_ps(outputs + d), _mm256_set1_ps(rescale)));
}

// Queries of rows [begin, end), scaled, one (token, head) after the other; padding rows are 0.
INLINE void load_queries(float *queries, const collet_cpu_attention_args *a, uint32_t begin, uint32_t end,
                         uint32_t padded)
{
    uint32_t row = 0;
    for (uint32_t t = begin; t < end; t++)
        for (uint32_t g = 0; g < a->group; g++, row++) {
            const float *q = a->q + t * a->q_row + (size_t)(a->kv_head * a->group + g) * a->q_head;
            for (uint32_t d = 0; d < a->head_dim; d += 8)
                _mm256_storeu_ps(queries + (size_t)row * a->head_dim + d,
                                 _mm256_mul_ps(_mm256_loadu_ps(q + d), _mm256_set1_ps(a->scale)));
        }
    memset(queries + (size_t)row * a->head_dim, 0, (size_t)(padded - row) * a->head_dim * sizeof(float));
}

INLINE void store_outputs(const collet_cpu_attention_args *a, uint32_t begin, uint32_t end, const float *outputs,
                          uint32_t out_row, const float *sums)
{
    uint32_t row = 0;
    for (uint32_t t = begin; t < end; t++)
        for (uint32_t g = 0; g < a->group; g++, row++) {
            float *out = a->out + t * a->out_row + (size_t)(a->kv_head * a->group + g) * a->out_head;
            const __m256 share = _mm256_set1_ps(1.0f / sums[row]);
            for (uint32_t d = 0; d < a->head_dim; d += 8)
                _mm256_storeu_ps(out + d, _mm256_mul_ps(_mm256_loadu_ps(outputs + (size_t)row * out_row + d), share));
        }
}

INLINE void prefill(const collet_cpu_attention_args *a, uint32_t begin, uint32_t end, float *scratch, bool f16)
{
    const collet_cpu_attention_scratch_map map = collet_cpu_attention_scratch(a->head_dim, a->group);
    const uint32_t n_rows = (end - begin) * a->group, padded = (n_rows + ROWS - 1) / ROWS * ROWS;
    const uint32_t head_dim = a->head_dim, out_row = map.out_row;
    const uint32_t position = a->position + begin, keys_end = a->position + end;
    float *queries = scratch + map.queries, *scores = scratch + map.scores, *outputs = scratch + map.outputs;
    float *largest = scratch + map.largest, *sums = scratch + map.sums;
    float *keys = scratch + map.keys, *values = scratch + map.values;
    const uint8_t *key[KEYS], *value[KEYS];

    load_queries(queries, a, begin, end, padded);
    memset(outputs, 0, (size_t)padded * out_row * sizeof(float));
    memset(values, 0, (size_t)KEYS * out_row * sizeof(float)); // the unused half of the last panel stays 0
    for (uint32_t r = 0; r < n_rows; r++) {
        largest[r] = -INFINITY;
        sums[r] = 0.0f;
    }
    uint32_t p = a->window && position + 1 > a->window ? position + 1 - a->window : 0;
    for (uint32_t n; p < keys_end; p += n) {
        n = keys_end - p < KEYS ? keys_end - p : KEYS;
        collet_cpu_attention_rows(key, value, a, p, n);
        pack_keys(keys, key, n, head_dim, f16);
        pack_values(values, value, n, head_dim, f16);
        for (uint32_t j = 0; j < n; j += COLS)
            for (uint32_t r = 0; r < padded; r += ROWS)
                product(scores + (size_t)r * KEYS + j, KEYS, queries + (size_t)r * head_dim, head_dim,
                        keys + (size_t)j * head_dim, head_dim, false);
        for (uint32_t r = 0; r < n_rows; r++)
            weigh(scores + (size_t)r * KEYS, outputs + (size_t)r * out_row, out_row, &largest[r], &sums[r], a,
                  position + r / a->group, p, n);
        for (uint32_t d = 0; d < out_row; d += COLS)
            for (uint32_t r = 0; r < padded; r += ROWS)
                product(outputs + (size_t)r * out_row + d, out_row, scores + (size_t)r * KEYS, KEYS,
                        values + (size_t)d * KEYS, n, true);
    }
    store_outputs(a, begin, end, outputs, out_row, sums);
}

#undef INLINE
#endif
