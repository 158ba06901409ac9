// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/attention/attention_prefill_avx512.h - the body of attention_prefill_{f16,f32}_avx512.c: a block of rows.
//
// As attention_prefill_avx2.h, with register tiles of 12 rows by 16 columns: a column panel is one vector, and a row's
// element is broadcast by the multiplication that uses it. Keys are transposed by scattering 16 elements of a key into
// its column: 1 % of the products that follow.
#ifndef COLLET_PLUGINS_CPU_ATTENTION_PREFILL_AVX512_H
#define COLLET_PLUGINS_CPU_ATTENTION_PREFILL_AVX512_H

#include <stdbool.h>
#include <string.h>

#include "plugins/cpu/attention/attention.h"
#include "plugins/cpu/attention/softmax_avx512.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    ROWS = 12,                       // of the register tile
    COLS = 16,                       // of a panel
    KEYS = COLLET_CPU_ATTENTION_KEYS // of a tile
};

INLINE __m512 load16(const uint8_t *row, uint32_t i, __mmask16 mask, bool f16)
{
    return f16 ? _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, row + 2 * (size_t)i))
               : _mm512_maskz_loadu_ps(mask, row + 4 * (size_t)i);
}

// c[r][j] (+)= sum over i < n of a[r][i] * panel[i][j], 12 rows of c and a, 16 columns.
INLINE void product(float *c, size_t c_row, const float *a, size_t a_row, const float *panel, uint32_t n, bool add)
{
    __m512 sum[ROWS];
    for (uint32_t r = 0; r < ROWS; r++)
        sum[r] = add ? _mm512_loadu_ps(c + r * c_row) : _mm512_setzero_ps();
    for (uint32_t i = 0; i < n; i++, panel += COLS) {
        const __m512 columns = _mm512_loadu_ps(panel);
        for (uint32_t r = 0; r < ROWS; r++)
            sum[r] = _mm512_fmadd_ps(_mm512_set1_ps(a[r * a_row + i]), columns, sum[r]);
    }
    for (uint32_t r = 0; r < ROWS; r++)
        _mm512_storeu_ps(c + r * c_row, sum[r]);
}

// panels[j / 16][d][j % 16] = key[j][d], for j < n; columns up to the panel's end repeat the last key and are masked.
INLINE void pack_keys(float *panels, const uint8_t *const *key, uint32_t n, uint32_t head_dim, bool f16)
{
    const __m512i column = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                              _mm512_set1_epi32(COLS));
    for (uint32_t j = 0; j < (n + COLS - 1) / COLS * COLS; j++) {
        float *panel = panels + (size_t)(j / COLS) * COLS * head_dim + j % COLS;
        for (uint32_t d = 0; d < head_dim; d += 16) {
            const __mmask16 mask = collet_f32x16_mask(head_dim - d);
            _mm512_mask_i32scatter_ps(panel + (size_t)d * COLS, mask, column,
                                      load16(key[j < n ? j : n - 1], d, mask, f16), 4);
        }
    }
}

// panels[d / 16][j][d % 16] = value[j][d], for j < n; what is past head_dim is 0.
INLINE void pack_values(float *panels, const uint8_t *const *value, uint32_t n, uint32_t head_dim, bool f16)
{
    for (uint32_t d = 0; d < head_dim; d += 16) {
        const __mmask16 mask = collet_f32x16_mask(head_dim - d);
        for (uint32_t j = 0; j < n; j++)
            _mm512_storeu_ps(panels + (size_t)d * KEYS + j * COLS, load16(value[j], d, mask, f16));
    }
}

// Scores become weights: what row (position) cannot see of the keys [p, p + n) gets -inf first.
INLINE void weigh(float *s, float *outputs, uint32_t out_row, float *largest, float *sum,
                  const collet_cpu_attention_args *a, uint32_t position, uint32_t p, uint32_t n)
{
    const uint32_t padded = (n + 15) / 16 * 16;
    const uint32_t end = position < p ? 0 : position - p + 1 < n ? position - p + 1 : n;
    const uint32_t first = a->window && position + 1 > a->window + p ? position + 1 - a->window - p : 0;
    if (a->softcap > 0.0f)
        collet_softcap_tile_avx512(s, padded, a->softcap);
    for (uint32_t j = 0; j < first && j < n; j++)
        s[j] = -INFINITY;
    for (uint32_t j = end; j < padded; j++)
        s[j] = -INFINITY;
    const float rescale = collet_softmax_tile_avx512(s, padded, largest, sum);
    for (uint32_t d = 0; rescale != 1.0f && d < out_row; d += 16)
        _mm512_storeu_ps(outputs + d, _mm512_mul_ps(_mm512_loadu_ps(outputs + d), _mm512_set1_ps(rescale)));
}

// Queries of rows [begin, end), scaled, one (token, head) after the other; padding rows are 0.
INLINE void load_queries(float *queries, const collet_cpu_attention_args *a, uint32_t begin, uint32_t end,
                         uint32_t padded)
{
    uint32_t row = 0;
    for (uint32_t t = begin; t < end; t++)
        for (uint32_t g = 0; g < a->group; g++, row++) {
            const float *q = a->q + t * a->q_row + (size_t)(a->kv_head * a->group + g) * a->q_head;
            for (uint32_t d = 0; d < a->head_dim; d++)
                queries[(size_t)row * a->head_dim + d] = q[d] * a->scale;
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
            const float share = 1.0f / sums[row];
            for (uint32_t d = 0; d < a->head_dim; d++)
                out[d] = outputs[(size_t)row * out_row + d] * share;
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
