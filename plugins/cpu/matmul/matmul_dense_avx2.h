// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_dense_avx2.h - rows of f32, f16 or bf16 times f32 activations.
//
// Few tokens: a lane is a column, rows stream by. Many tokens: a lane is a row; sixteen rows are transposed into the
// first-level cache, where they meet six tokens at a time in twelve sums, the outer product of BLIS, with activations
// that lie in the order of use (matmul_dense.h). Both add the same products in the same order, so that a token gets the
// same bits in any company, and at both levels:
//     y = sum over chunks of 256 columns, in order, of the tree over l = 0..7 of (sum over j of w[8 j + l] * x[8 j +
//     l])
// Measured: f32 4096x4096, 256 tokens: docs/PERFORMANCE.md, "Dense weights"
#ifndef COLLET_PLUGINS_CPU_MATMUL_MATMUL_DENSE_AVX2_H
#define COLLET_PLUGINS_CPU_MATMUL_MATMUL_DENSE_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "plugins/cpu/matmul/matmul_dense.h"
#include "plugins/cpu/matmul/matmul_dense_load.h"

#define DENSE_CHUNK COLLET_CPU_DENSE_CHUNK // sixteen rows of it are half of a first-level cache of 32 KiB
#define DENSE_GROUP COLLET_CPU_DENSE_GROUP
#define DENSE_STEPS (DENSE_CHUNK / 8)

// What one walk along a chunk covers: n_rows rows, columns [begin, end), n_tokens tokens from `token` on.
typedef struct dense_part {
    uint32_t row, n_rows, token, n_tokens, begin, end;
} dense_part;

// The last columns of a row, zeros behind them.
DENSE_INLINE __m256 dense_rest(const uint8_t *row, uint32_t i, uint32_t end, dense_load1_fn *load1)
{
    float v[8] = { 0 };
    for (uint32_t k = 0; i + k < end; k++)
        v[k] = load1(row, i + k);
    return _mm256_loadu_ps(v);
}

DENSE_INLINE __m256 dense_rest_x(const float *x, uint32_t n)
{
    float v[8] = { 0 };
    memcpy(v, x, n * sizeof *v);
    return _mm256_loadu_ps(v);
}

// ---- few tokens ----

DENSE_INLINE float dense_sum(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

// A chunk of n_rows (up to 4) by n tokens, added to sums[row][token].
DENSE_INLINE void dense_dots(float (*sums)[4], const collet_cpu_matmul_args *a, const dense_part p, const int n_rows,
                             const int n, dense_load8_fn *load8, dense_load1_fn *load1)
{
    const uint8_t *w[4];
    const float *x[4];
    __m256 sum[4][4];
    for (int r = 0; r < n_rows; r++) {
        w[r] = a->w + (p.row + (uint32_t)r) * a->panel_bytes;
        for (int c = 0; c < n; c++)
            sum[r][c] = _mm256_setzero_ps();
    }
    for (int c = 0; c < n; c++)
        x[c] = a->x + (p.token + (uint32_t)c) * a->x_stride;
    uint32_t i = p.begin;
    for (; i + 8 <= p.end; i += 8) {
        __m256 v[4];
        for (int r = 0; r < n_rows; r++)
            v[r] = load8(w[r], i);
        for (int c = 0; c < n; c++) {
            const __m256 u = _mm256_loadu_ps(x[c] + i);
            for (int r = 0; r < n_rows; r++)
                sum[r][c] = _mm256_fmadd_ps(v[r], u, sum[r][c]);
        }
    }
    for (int r = 0; r < n_rows && i < p.end; r++)
        for (int c = 0; c < n; c++)
            sum[r][c] =
                _mm256_fmadd_ps(dense_rest(w[r], i, p.end, load1), dense_rest_x(x[c] + i, p.end - i), sum[r][c]);
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n; c++)
            sums[r][c] = p.begin ? sums[r][c] + dense_sum(sum[r][c]) : dense_sum(sum[r][c]);
}

// Up to eight rows by n tokens. Three rows by three or four tokens need all sixteen registers; fewer leave room for
// four.
DENSE_INLINE void dense_panel(const collet_cpu_matmul_args *a, uint32_t row, uint32_t n_rows, uint32_t token,
                              const int n, dense_load8_fn *load8, dense_load1_fn *load1)
{
    float sums[R8_ROWS][4];
    for (uint32_t begin = 0; begin < a->n_in; begin += DENSE_CHUNK) {
        const uint32_t end = a->n_in - begin < DENSE_CHUNK ? a->n_in : begin + DENSE_CHUNK;
        for (uint32_t r = 0, k; r < n_rows; r += k) {
            const dense_part p = { .row = row + r, .token = token, .begin = begin, .end = end };
            k = n_rows - r < 3 ? n_rows - r : n == 4 || n_rows - r == 3 ? 3 : 4;
            if (k == 4)
                dense_dots(sums + r, a, p, 4, n, load8, load1);
            else if (k == 3)
                dense_dots(sums + r, a, p, 3, n, load8, load1);
            else if (k == 2)
                dense_dots(sums + r, a, p, 2, n, load8, load1);
            else
                dense_dots(sums + r, a, p, 1, n, load8, load1);
        }
    }
    for (uint32_t r = 0; r < n_rows; r++)
        for (int c = 0; c < n; c++)
            a->y[(token + (uint32_t)c) * a->y_stride + row + r] = sums[r][c];
}

// ---- many tokens ----

DENSE_INLINE void dense_transpose(__m256 v[8])
{
    __m256 t[8], u[8];
    for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm256_unpacklo_ps(v[2 * i], v[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_ps(v[2 * i], v[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++) {
            u[4 * i + 2 * k] = _mm256_shuffle_ps(t[4 * i + k], t[4 * i + k + 2], 0x44);
            u[4 * i + 2 * k + 1] = _mm256_shuffle_ps(t[4 * i + k], t[4 * i + k + 2], 0xee);
        }
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
        v[i + 4] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
    }
}

// tile[l][j][row] = column 8 j + l of the part's chunk; `width` rows a tile, in two vectors. Rows of a vector that do
// not exist are zero.
DENSE_INLINE void dense_fill(float *tile, const uint32_t width, const collet_cpu_matmul_args *a, const dense_part p,
                             dense_load8_fn *load8, dense_load1_fn *load1)
{
    const uint32_t rows = (p.n_rows + width / 2 - 1) / (width / 2) * (width / 2);
    for (uint32_t h = 0; h < rows; h += 8)
        for (uint32_t i = p.begin, j = 0; i < p.end; i += 8, j++) {
            __m256 v[8];
            for (uint32_t r = 0; r < 8; r++) {
                const uint8_t *w = a->w + (uint64_t)(p.row + h + r) * a->panel_bytes;
                if (h + r >= p.n_rows)
                    v[r] = _mm256_setzero_ps();
                else
                    v[r] = i + 8 <= p.end ? load8(w, i) : dense_rest(w, i, p.end, load1);
            }
            dense_transpose(v);
            for (uint32_t l = 0; l < 8; l++)
                _mm256_store_ps(tile + (l * DENSE_STEPS + j) * width + h, v[l]);
        }
}

// The rows that come next are asked for a few lines at a time, while the present ones meet the tokens: part `task` of
// `n` of the lines of p.
DENSE_INLINE void dense_prefetch(const collet_cpu_matmul_args *a, const dense_part p, uint32_t task, uint32_t n,
                                 const uint32_t elem_bytes)
{
    const uint32_t per_row = (DENSE_CHUNK * elem_bytes + 63) / 64, lines = p.n_rows * per_row;
    const uint32_t end = lines * (task + 1) / n;
    for (uint32_t i = lines * task / n; i < end; i++)
        _mm_prefetch((const char *)a->w + (uint64_t)(p.row + i / per_row) * a->panel_bytes + p.begin * elem_bytes +
                         i % per_row * 64,
                     _MM_HINT_T1);
}

// The tree over eight lanes without holding them all: lanes come as 0, 4, 2, 6, 1, 5, 3, 7, and a sum is added to the
// waiting ones as often as its place in that order ends in a binary one.
static const uint8_t dense_lane[8] = { 0, 4, 2, 6, 1, 5, 3, 7 };

// Vectors of eight rows (n_vectors of them) by n tokens, of which p.n_tokens exist; adds a chunk to y.
DENSE_INLINE void dense_outer(const float *tile, const float *packed, const collet_cpu_matmul_args *a,
                              const dense_part p, const int n_vectors, const int n)
{
    const uint32_t n_steps = (p.end - p.begin + 7) / 8;
    __m256 waiting[4][2][6], (*top)[2][6] = waiting;
    for (int c = 0; c < n; c++)
        __builtin_prefetch(a->y + (uint64_t)(p.token + (uint32_t)c) * a->y_stride + p.row, 1);
    for (uint32_t i = 0; i < 8; i++) {
        const float *w = tile + dense_lane[i] * DENSE_STEPS * 16, *x = packed + dense_lane[i] * DENSE_STEPS * 6;
        __m256 sum[2][6];
        for (int v = 0; v < n_vectors; v++)
            for (int c = 0; c < n; c++)
                sum[v][c] = _mm256_setzero_ps();
#pragma GCC unroll 4
        for (uint32_t j = 0; j < n_steps; j++, w += 16, x += 6) {
            __m256 rows[2];
            for (int v = 0; v < n_vectors; v++)
                rows[v] = _mm256_load_ps(w + 8 * v);
            for (int c = 0; c < n; c++) {
                const __m256 u = _mm256_broadcast_ss(x + c);
                for (int v = 0; v < n_vectors; v++)
                    sum[v][c] = _mm256_fmadd_ps(rows[v], u, sum[v][c]);
            }
        }
        for (uint32_t k = i; k & 1; k >>= 1) {
            top--;
            for (int v = 0; v < n_vectors; v++)
                for (int c = 0; c < n; c++)
                    sum[v][c] = _mm256_add_ps((*top)[v][c], sum[v][c]);
        }
        for (int v = 0; v < n_vectors; v++)
            for (int c = 0; c < n; c++)
                (*top)[v][c] = sum[v][c];
        top++;
    }
    for (uint32_t c = 0; c < (uint32_t)n && c < p.n_tokens; c++)
        for (int v = 0; v < n_vectors; v++) {
            const __m256 sum = waiting[0][v][c];
            float *y = a->y + (p.token + c) * a->y_stride + p.row + 8 * v;
            float all[8];
            if (p.n_rows >= 8 * (uint32_t)v + 8) {
                _mm256_storeu_ps(y, p.begin ? _mm256_add_ps(_mm256_loadu_ps(y), sum) : sum);
                continue;
            }
            _mm256_storeu_ps(all, sum);
            for (uint32_t r = 0; 8 * (uint32_t)v + r < p.n_rows; r++)
                y[r] = p.begin ? y[r] + all[r] : all[r];
        }
}

DENSE_INLINE void dense_tokens(const float *tile, const float *x, const collet_cpu_matmul_args *a, const dense_part p,
                               const int n_vectors)
{
    if (p.n_tokens > 4)
        dense_outer(tile, x, a, p, n_vectors, 6);
    else if (p.n_tokens > 2)
        dense_outer(tile, x, a, p, n_vectors, 4);
    else
        dense_outer(tile, x, a, p, n_vectors, 2);
}

// The chunk is the outer loop: its activations stay in the second-level cache while all rows pass by.
DENSE_INLINE void dense_product(const collet_cpu_matmul_args *a, uint32_t row_begin, uint32_t row_end,
                                uint32_t token_begin, uint32_t token_end, dense_load8_fn *load8, dense_load1_fn *load1,
                                const uint32_t elem_bytes)
{
    _Alignas(64) float tile[8 * DENSE_STEPS * 16];
    for (uint32_t begin = a->column_begin; begin < a->column_end; begin += DENSE_CHUNK)
        for (uint32_t row = row_begin; row < row_end; row += 16) {
            dense_part p = { .row = row,
                             .n_rows = row_end - row < 16 ? row_end - row : 16,
                             .begin = begin,
                             .end = a->n_in - begin < DENSE_CHUNK ? a->n_in : begin + DENSE_CHUNK };
            dense_part next = p;
            next.row += 16;
            next.n_rows = next.row >= row_end ? 0 : row_end - next.row < 16 ? row_end - next.row : 16;
            dense_fill(tile, 16, a, p, load8, load1);
            for (p.token = token_begin; p.token < token_end; p.token += DENSE_GROUP) {
                const float *x = collet_cpu_dense_packed(a, begin, p.token);
                p.n_tokens = token_end - p.token;
                dense_prefetch(a, next, (p.token - token_begin) / DENSE_GROUP,
                               (token_end - token_begin + DENSE_GROUP - 1) / DENSE_GROUP, elem_bytes);
                if (p.n_rows > 8)
                    dense_tokens(tile, x, a, p, 2);
                else
                    dense_tokens(tile, x, a, p, 1);
            }
        }
}

// Panels of canonical weights are eight rows too, so that the module splits all formats alike.
DENSE_INLINE void dense_run_few(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                                uint32_t token_begin, uint32_t token_end, dense_load8_fn *load8, dense_load1_fn *load1)
{
    for (uint32_t panel = panel_begin; panel < panel_end; panel++) {
        const uint32_t row = panel * R8_ROWS, n_rows = a->n_out - row < R8_ROWS ? a->n_out - row : R8_ROWS;
        uint32_t token = token_begin;
        for (; token + 4 <= token_end; token += 4)
            dense_panel(a, row, n_rows, token, 4, load8, load1);
        if (token_end - token == 3)
            dense_panel(a, row, n_rows, token, 3, load8, load1);
        else if (token_end - token == 2)
            dense_panel(a, row, n_rows, token, 2, load8, load1);
        else if (token_end - token == 1)
            dense_panel(a, row, n_rows, token, 1, load8, load1);
    }
}

DENSE_INLINE void dense_run(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                            uint32_t token_begin, uint32_t token_end, dense_load8_fn *load8, dense_load1_fn *load1,
                            const uint32_t elem_bytes)
{
    const uint32_t row_end = panel_end * R8_ROWS < a->n_out ? panel_end * R8_ROWS : a->n_out;
    if (a->packed_x)
        dense_product(a, panel_begin * R8_ROWS, row_end, token_begin, token_end, load8, load1, elem_bytes);
    else
        dense_run_few(a, panel_begin, panel_end, token_begin, token_end, load8, load1);
}

#endif
