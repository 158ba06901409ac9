// SPDX-License-Identifier: Apache-2.0
// plugins/common/ref_matmul.h - y = x W^T on dequantized weights, summed in double.
#ifndef COLLET_PLUGINS_COMMON_REF_MATMUL_H
#define COLLET_PLUGINS_COMMON_REF_MATMUL_H

#include <stdint.h>

#include "plugins/common/formats.h"

// Shapes:  x (n_tokens, n_in) f32, x_stride floats a row | w (n_out, n_in) in `format` | y (n_tokens, n_out) f32
// Memory:  `row` holds n_in floats of the caller's worker
// Threads: [worker] rows [begin, end) of W, so columns of y
typedef struct collet_ref_matmul_args {
    const float *x;
    const void *w;
    float *y;
    const collet_format *format;
    uint32_t n_tokens, n_in;
    uint64_t x_stride, y_stride; // floats
    uint64_t w_row_bytes;
} collet_ref_matmul_args;
void collet_ref_matmul(const collet_ref_matmul_args *a, float *row, uint32_t begin, uint32_t end);

#endif
