// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/ops.h - what every kernel between the matmuls of this plugin promises.
//
// A kernel does rows [begin, end) of one op and reads the fields of its line. Rows are independent: any split into
// ranges gives the same bits. Pointers have the alignment of their element only. Equivalent to, for each row r:
//
// add          y[r][i] = x[r][i] + b[r][i];                                                      y may be x or b
// add_rmsnorm  y[r][i] = x[r][i] + b[r][i];  h[r][i] = y[r][i] / sqrt(mean(y[r]^2) + eps) * w[i] y may be x, h not b
// embed        y[r][i] = scale * decode(table + index[r] * table_row)[i]
// embed_r8     the same, the table in panels of eight rows: table_row bytes each, block k in record k (matmul_pack.c)
// gelu_mul     y[r][i] = x / (1 + exp(-2 u)) * b;  u = sqrt(2 / pi) (x + 0.044715 x^3)           y may be x or b
// rmsnorm      y[r][h][i] = x[r][h][i] / sqrt(mean(x[r][h]^2) + eps) * w[i]                      y may be x
// rope         ops.h of the ABI; angle = index[r] * w[i], i < n_rot / 2                          y may be x
// silu_mul     y[r][i] = x / (1 + exp(-x)) * b                                                   y may be x or b
// softcap      y[r][i] = cap * tanh(x / cap)                                                     y may be x
// take_rows    y[r] = x[index[r]]
//
// Numerics: f32; the sum of squares of a row must be finite (|x| < 1e17 or so). docs in README.md say how near.
#ifndef COLLET_PLUGINS_CPU_OPS_H
#define COLLET_PLUGINS_CPU_OPS_H

#include "collet/plugin/ops.h"
#include "plugins/common/formats.h"
#include "plugins/cpu/matmul/matmul.h"

typedef struct collet_cpu_ops_args {
    float *y, *h;
    const float *x, *b;
    const float *w;       // norms: (n); rope: frequencies (n_rot / 2)
    const int32_t *index; // tokens, positions or rows of x: one a row
    const uint8_t *table; // embed: (vocab, n) coded
    collet_dequantize_fn *decode;
    const collet_cpu_packing *packing; // embed_r8
    collet_cpu_unpack_fn *unpack;      // embed_r8
    size_t x_row, b_row, y_row, h_row; // elements from one row to the next
    size_t x_head, y_head;             // rmsnorm, rope: elements from one head to the next
    size_t table_row;                  // bytes; embed_r8: of a panel
    uint32_t n_heads;                  // 1 when a row has no heads
    uint32_t n;                        // elements of a row, or of a head of it
    uint32_t n_rot, pairs;             // rope: COLLET_ROPE_*
    float eps, scale, cap;             // scale: of embed; of rope, its mscale
} collet_cpu_ops_args;

typedef void (*collet_cpu_ops_fn)(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end);

typedef struct collet_cpu_ops_kernel {
    const char *op, *format; // format: of embed's table, or "any"
    uint32_t isa;            // one COLLET_ISA_*
    const char *name;
    collet_cpu_ops_fn run;
} collet_cpu_ops_kernel;

#define KERNEL(op, format, isa, fn) void fn(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end);
#include "ops_kernels.inc"
#undef KERNEL

// The last line for `op` and `format` that isa_mask has; NULL when there is none.
const collet_cpu_ops_kernel *collet_cpu_ops_choose(const char *op, const char *format, uint32_t isa_mask);

#define LEVEL(level, isa, word, score, text) extern const collet_module collet_cpu_ops_##level;
#include "ops_levels.inc"
#undef LEVEL

#endif
