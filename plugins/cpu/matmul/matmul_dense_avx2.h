// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_dense_avx2.h - rows of f32, f16 or bf16 times f32 activations, two rows by up to four
// tokens.
#ifndef COLLET_PLUGINS_CPU_MATMUL_MATMUL_DENSE_AVX2_H
#define COLLET_PLUGINS_CPU_MATMUL_MATMUL_DENSE_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "plugins/cpu/matmul/matmul.h"

#define DENSE_INLINE static inline __attribute__((always_inline))

typedef __m256 dense_load8_fn(const uint8_t *row, uint32_t i); // elements i..i+7 as f32
typedef float dense_load1_fn(const uint8_t *row, uint32_t i);

DENSE_INLINE float dense_sum(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

DENSE_INLINE void dense_rows(const collet_cpu_matmul_args *a, uint32_t row, const int n_rows, uint32_t token,
                             const int n, dense_load8_fn *load8, dense_load1_fn *load1)
{
    const uint8_t *w[2];
    const float *x[4];
    __m256 sum[2][4];
    for (int r = 0; r < n_rows; r++)
        w[r] = a->w + (row + (uint32_t)r) * a->panel_bytes;
    for (int c = 0; c < n; c++) {
        x[c] = a->x + (token + (uint32_t)c) * a->x_stride;
        for (int r = 0; r < n_rows; r++)
            sum[r][c] = _mm256_setzero_ps();
    }
    uint32_t i = 0;
    for (; i + 8 <= a->n_in; i += 8)
        for (int r = 0; r < n_rows; r++) {
            const __m256 v = load8(w[r], i);
            for (int c = 0; c < n; c++)
                sum[r][c] = _mm256_fmadd_ps(v, _mm256_loadu_ps(x[c] + i), sum[r][c]);
        }
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n; c++) {
            float total = dense_sum(sum[r][c]);
            for (uint32_t k = i; k < a->n_in; k++)
                total += load1(w[r], k) * x[c][k];
            a->y[(token + (uint32_t)c) * a->y_stride + row + (uint32_t)r] = total;
        }
}

DENSE_INLINE void dense_tokens(const collet_cpu_matmul_args *a, uint32_t row, const int n_rows, uint32_t token_begin,
                               uint32_t token_end, dense_load8_fn *load8, dense_load1_fn *load1)
{
    uint32_t token = token_begin;
    for (; token + 4 <= token_end; token += 4)
        dense_rows(a, row, n_rows, token, 4, load8, load1);
    for (; token < token_end; token++)
        dense_rows(a, row, n_rows, token, 1, load8, load1);
}

// Panels of canonical weights are eight rows too, so that the module splits all formats alike.
DENSE_INLINE void dense_run(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                            uint32_t token_begin, uint32_t token_end, dense_load8_fn *load8, dense_load1_fn *load1)
{
    const uint32_t end = panel_end * R8_ROWS < a->n_out ? panel_end * R8_ROWS : a->n_out;
    uint32_t row = panel_begin * R8_ROWS;
    for (; row + 2 <= end; row += 2)
        dense_tokens(a, row, 2, token_begin, token_end, load8, load1);
    if (row < end)
        dense_tokens(a, row, 1, token_begin, token_end, load8, load1);
}

#endif
