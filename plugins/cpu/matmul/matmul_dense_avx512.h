// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_dense_avx512.h - rows of f32, f16 or bf16 times f32 activations, 512-bit outer products.
//
// Few tokens: as in matmul_dense_avx2.h, since memory sets the pace. Many tokens: 32 rows by twelve tokens in 24 sums.
// Products are added in the same order, so this gives the bits of the AVX2 kernels.
#ifndef COLLET_PLUGINS_CPU_MATMUL_MATMUL_DENSE_AVX512_H
#define COLLET_PLUGINS_CPU_MATMUL_MATMUL_DENSE_AVX512_H

#include "plugins/cpu/matmul/matmul_dense_avx2.h"

// Vectors of sixteen rows (n_vectors of them) by n_groups groups of six tokens, of which p.n_tokens exist; adds a chunk
// to y.
DENSE_INLINE void dense_outer_avx512(const float *tile, const float *packed, const collet_cpu_matmul_args *a,
                                     const dense_part p, const int n_vectors, const int n_groups)
{
    const uint32_t n_steps = (p.end - p.begin + 7) / 8, n = 6 * (uint32_t)n_groups;
    __m512 waiting[4][2][12], (*top)[2][12] = waiting;
    for (uint32_t c = 0; c < n; c++)
        for (int v = 0; v < n_vectors; v++)
            __builtin_prefetch(a->y + (uint64_t)(p.token + c) * a->y_stride + p.row + 16 * v, 1);
    for (uint32_t i = 0; i < 8; i++) {
        const float *w = tile + dense_lane[i] * DENSE_STEPS * 32, *x = packed + dense_lane[i] * DENSE_STEPS * 6;
        __m512 sum[2][12];
        for (int v = 0; v < n_vectors; v++)
            for (uint32_t c = 0; c < n; c++)
                sum[v][c] = _mm512_setzero_ps();
#pragma GCC unroll 2
        for (uint32_t j = 0; j < n_steps; j++, w += 32, x += 6) {
            __m512 rows[2];
            for (int v = 0; v < n_vectors; v++)
                rows[v] = _mm512_load_ps(w + 16 * v);
            for (uint32_t c = 0; c < n; c++) {
                const __m512 u = _mm512_set1_ps(x[c / 6 * DENSE_CHUNK * 6 + c % 6]);
                for (int v = 0; v < n_vectors; v++)
                    sum[v][c] = _mm512_fmadd_ps(rows[v], u, sum[v][c]);
            }
        }
        for (uint32_t k = i; k & 1; k >>= 1) {
            top--;
            for (int v = 0; v < n_vectors; v++)
                for (uint32_t c = 0; c < n; c++)
                    sum[v][c] = _mm512_add_ps((*top)[v][c], sum[v][c]);
        }
        for (int v = 0; v < n_vectors; v++)
            for (uint32_t c = 0; c < n; c++)
                (*top)[v][c] = sum[v][c];
        top++;
    }
    for (uint32_t c = 0; c < n && c < p.n_tokens; c++)
        for (int v = 0; v < n_vectors; v++) {
            const uint32_t rows = p.n_rows - 16 * (uint32_t)v;
            const __mmask16 mask = rows < 16 ? (__mmask16)((1u << rows) - 1) : 0xffff;
            float *y = a->y + (p.token + c) * a->y_stride + p.row + 16 * v;
            __m512 sum = waiting[0][v][c];
            if (p.begin)
                sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y), sum);
            _mm512_mask_storeu_ps(y, mask, sum);
        }
}

DENSE_INLINE void dense_tokens_avx512(const float *tile, const float *packed, const collet_cpu_matmul_args *a,
                                      const dense_part p, const int n_vectors)
{
    if (p.n_tokens > 6)
        dense_outer_avx512(tile, packed, a, p, n_vectors, 2);
    else
        dense_outer_avx512(tile, packed, a, p, n_vectors, 1);
}

DENSE_INLINE void dense_product_avx512(const collet_cpu_matmul_args *a, uint32_t row_begin, uint32_t row_end,
                                       uint32_t token_begin, uint32_t token_end, dense_load8_fn *load8,
                                       dense_load1_fn *load1, const uint32_t elem_bytes)
{
    _Alignas(64) float tile[8 * DENSE_STEPS * 32];
    for (uint32_t begin = a->column_begin; begin < a->column_end; begin += DENSE_CHUNK)
        for (uint32_t row = row_begin; row < row_end; row += 32) {
            dense_part p = { .row = row,
                             .n_rows = row_end - row < 32 ? row_end - row : 32,
                             .begin = begin,
                             .end = a->n_in - begin < DENSE_CHUNK ? a->n_in : begin + DENSE_CHUNK };
            dense_part next = p;
            next.row += 32;
            next.n_rows = next.row >= row_end ? 0 : row_end - next.row < 32 ? row_end - next.row : 32;
            dense_fill(tile, 32, a, p, load8, load1);
            for (p.token = token_begin; p.token < token_end; p.token += 2 * DENSE_GROUP) {
                const float *x = collet_cpu_dense_packed(a, begin, p.token);
                p.n_tokens = token_end - p.token;
                dense_prefetch(a, next, (p.token - token_begin) / 12, (token_end - token_begin + 11) / 12, elem_bytes);
                if (p.n_rows > 16)
                    dense_tokens_avx512(tile, x, a, p, 2);
                else
                    dense_tokens_avx512(tile, x, a, p, 1);
            }
        }
}

DENSE_INLINE void dense_run_avx512(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                                   uint32_t token_begin, uint32_t token_end, dense_load8_fn *load8,
                                   dense_load1_fn *load1, const uint32_t elem_bytes)
{
    const uint32_t row_end = panel_end * R8_ROWS < a->n_out ? panel_end * R8_ROWS : a->n_out;
    if (a->packed_x)
        dense_product_avx512(a, panel_begin * R8_ROWS, row_end, token_begin, token_end, load8, load1, elem_bytes);
    else
        dense_run_few(a, panel_begin, panel_end, token_begin, token_end, load8, load1);
}

#endif
