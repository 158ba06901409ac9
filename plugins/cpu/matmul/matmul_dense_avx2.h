// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_dense_avx2.h - rows of f32, f16 or bf16 times f32 activations: three rows, four tokens.
#ifndef COLLET_PLUGINS_CPU_MATMUL_MATMUL_DENSE_AVX2_H
#define COLLET_PLUGINS_CPU_MATMUL_MATMUL_DENSE_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "plugins/cpu/matmul/matmul.h"

#define DENSE_INLINE static inline __attribute__((always_inline))

typedef __m256 dense_load8_fn(const uint8_t *row, uint32_t i); // elements i..i+7 as f32
typedef float dense_load1_fn(const uint8_t *row, uint32_t i);

#define DENSE_COLUMNS 512u // of four tokens and three rows: 14 KiB of a first-level cache of 32

// What one walk along the columns covers.
typedef struct dense_part {
    uint32_t row, token, begin, end;
} dense_part;

DENSE_INLINE float dense_sum(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

// Columns [begin, end) of n_rows by n: all sums in registers; eight columns are loaded n_rows + n times for
// n_rows * n multiplications.
DENSE_INLINE void dense_tile(__m256 (*sums)[4], const collet_cpu_matmul_args *a, const dense_part p, const int n_rows,
                             const int n, dense_load8_fn *load8)
{
    const uint8_t *w[4];
    const float *x[4];
    __m256 sum[4][4];
    for (int r = 0; r < n_rows; r++) {
        w[r] = a->w + (p.row + (uint32_t)r) * a->panel_bytes;
        for (int c = 0; c < n; c++)
            sum[r][c] = sums[r][c];
    }
    for (int c = 0; c < n; c++)
        x[c] = a->x + (p.token + (uint32_t)c) * a->x_stride;
    for (uint32_t i = p.begin; i < p.end; i += 8) {
        __m256 v[4];
        for (int r = 0; r < n_rows; r++)
            v[r] = load8(w[r], i);
        for (int c = 0; c < n; c++) {
            const __m256 u = _mm256_loadu_ps(x[c] + i);
            for (int r = 0; r < n_rows; r++)
                sum[r][c] = _mm256_fmadd_ps(v[r], u, sum[r][c]);
        }
    }
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n; c++)
            sums[r][c] = sum[r][c];
}

// Up to eight rows by n tokens, in stretches of columns whose activations stay in the first-level cache. Three rows by
// four tokens need all sixteen registers; fewer tokens leave room for four rows.
DENSE_INLINE void dense_panel(const collet_cpu_matmul_args *a, uint32_t row, uint32_t n_rows, uint32_t token,
                              const int n, dense_load8_fn *load8, dense_load1_fn *load1)
{
    const uint32_t whole = a->n_in / 8 * 8;
    __m256 sums[R8_ROWS][4];
    for (uint32_t r = 0; r < n_rows; r++)
        for (int c = 0; c < n; c++)
            sums[r][c] = _mm256_setzero_ps();
    for (uint32_t begin = 0; begin < whole; begin += DENSE_COLUMNS) {
        const uint32_t end = whole - begin < DENSE_COLUMNS ? whole : begin + DENSE_COLUMNS;
        for (uint32_t r = 0, k; r < n_rows; r += k) {
            const dense_part p = { .row = row + r, .token = token, .begin = begin, .end = end };
            k = n_rows - r < 3 ? n_rows - r : n == 4 || n_rows - r == 3 ? 3 : 4;
            if (k == 4)
                dense_tile(sums + r, a, p, 4, n, load8);
            else if (k == 3)
                dense_tile(sums + r, a, p, 3, n, load8);
            else if (k == 2)
                dense_tile(sums + r, a, p, 2, n, load8);
            else
                dense_tile(sums + r, a, p, 1, n, load8);
        }
    }
    for (uint32_t r = 0; r < n_rows; r++)
        for (int c = 0; c < n; c++) {
            const uint8_t *w = a->w + (row + r) * a->panel_bytes;
            const float *x = a->x + (token + (uint32_t)c) * a->x_stride;
            float total = dense_sum(sums[r][c]);
            for (uint32_t i = whole; i < a->n_in; i++)
                total += load1(w, i) * x[i];
            a->y[(token + (uint32_t)c) * a->y_stride + row + r] = total;
        }
}

// Panels of canonical weights are eight rows too, so that the module splits all formats alike.
DENSE_INLINE void dense_run(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                            uint32_t token_begin, uint32_t token_end, dense_load8_fn *load8, dense_load1_fn *load1)
{
    for (uint32_t panel = panel_begin; panel < panel_end; panel++) {
        const uint32_t row = panel * R8_ROWS, n_rows = a->n_out - row < R8_ROWS ? a->n_out - row : R8_ROWS;
        uint32_t token = token_begin;
        for (; token + 4 <= token_end; token += 4)
            dense_panel(a, row, n_rows, token, 4, load8, load1);
        for (; token + 2 <= token_end; token += 2)
            dense_panel(a, row, n_rows, token, 2, load8, load1);
        if (token < token_end)
            dense_panel(a, row, n_rows, token, 1, load8, load1);
    }
}

#endif
