// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_dense_neon.h - rows of f32, f16 or bf16 times f32 activations.
//
// A lane is a column, rows stream by: three rows by four tokens need 24 of 32 registers for their sums, and load 14
// vectors for 24 multiply-adds. A token gets the same bits in any company:
//     y = sum over chunks of 512 columns, in order, of the tree over l = 0..7 of (sum over j of w[8 j + l] * x[8 j +
//     l])
#ifndef COLLET_PLUGINS_CPU_MATMUL_MATMUL_DENSE_NEON_H
#define COLLET_PLUGINS_CPU_MATMUL_MATMUL_DENSE_NEON_H

#include <arm_neon.h>
#include <string.h>

#include "plugins/cpu/matmul/matmul.h"

#define DENSE_INLINE static inline __attribute__((always_inline))
#define DENSE_CHUNK 512u // columns

typedef struct dense_eight {
    float32x4_t v[2];
} dense_eight;

typedef dense_eight dense_load8_fn(const uint8_t *row, uint32_t i); // elements i..i+7 as f32
typedef float dense_load1_fn(const uint8_t *row, uint32_t i);

// What one walk along a chunk covers: columns [begin, end) of rows from `row` and tokens from `token` on.
typedef struct dense_part {
    uint32_t row, token, begin, end;
} dense_part;

DENSE_INLINE dense_eight dense_floats(const float *x)
{
    return (dense_eight){ { vld1q_f32(x), vld1q_f32(x + 4) } };
}

// The last columns of a row, zeros behind them.
DENSE_INLINE dense_eight dense_rest(const uint8_t *row, uint32_t i, uint32_t end, dense_load1_fn *load1)
{
    float v[8] = { 0 };
    for (uint32_t k = 0; i + k < end; k++)
        v[k] = load1(row, i + k);
    return dense_floats(v);
}

DENSE_INLINE dense_eight dense_rest_x(const float *x, uint32_t n)
{
    float v[8] = { 0 };
    memcpy(v, x, n * sizeof *v);
    return dense_floats(v);
}

DENSE_INLINE float dense_sum(dense_eight a)
{
    const float32x4_t four = vaddq_f32(a.v[0], a.v[1]);
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

DENSE_INLINE dense_eight dense_add(dense_eight sum, dense_eight w, dense_eight x)
{
    return (dense_eight){ { vfmaq_f32(sum.v[0], w.v[0], x.v[0]), vfmaq_f32(sum.v[1], w.v[1], x.v[1]) } };
}

// A chunk of n_rows (up to 4) by n tokens, added to sums[row][token].
DENSE_INLINE void dense_dots(float (*sums)[4], const collet_cpu_matmul_args *a, const dense_part p, const int n_rows,
                             const int n, dense_load8_fn *load8, dense_load1_fn *load1)
{
    const uint8_t *w[4];
    const float *x[4];
    dense_eight sum[4][4];
    for (int r = 0; r < n_rows; r++) {
        w[r] = a->w + (p.row + (uint32_t)r) * a->panel_bytes;
        for (int c = 0; c < n; c++)
            sum[r][c] = (dense_eight){ { vdupq_n_f32(0.0f), vdupq_n_f32(0.0f) } };
    }
    for (int c = 0; c < n; c++)
        x[c] = a->x + (p.token + (uint32_t)c) * a->x_stride;
    uint32_t i = p.begin;
    for (; i + 8 <= p.end; i += 8) {
        dense_eight v[4];
        for (int r = 0; r < n_rows; r++)
            v[r] = load8(w[r], i);
        for (int c = 0; c < n; c++) {
            const dense_eight u = dense_floats(x[c] + i);
            for (int r = 0; r < n_rows; r++)
                sum[r][c] = dense_add(sum[r][c], v[r], u);
        }
    }
    for (int r = 0; r < n_rows && i < p.end; r++)
        for (int c = 0; c < n; c++)
            sum[r][c] = dense_add(sum[r][c], dense_rest(w[r], i, p.end, load1), dense_rest_x(x[c] + i, p.end - i));
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n; c++)
            sums[r][c] += dense_sum(sum[r][c]);
}

// Up to eight rows by n tokens.
DENSE_INLINE void dense_panel(const collet_cpu_matmul_args *a, uint32_t row, uint32_t n_rows, uint32_t token,
                              const int n, dense_load8_fn *load8, dense_load1_fn *load1)
{
    float sums[R8_ROWS][4] = { 0 };
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

// Panels of canonical weights are eight rows too, so that the module splits all formats alike.
DENSE_INLINE void dense_run(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
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

#endif
