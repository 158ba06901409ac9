// SPDX-License-Identifier: Apache-2.0
// plugins/common/ref_matmul.c
#include "plugins/common/ref_matmul.h"

// Eight partial sums in fixed order: the compiler may use vectors, and whole models can be read with it in tests.
static double dot(const float *a, const float *b, uint32_t n)
{
    double sum[8] = { 0.0 };
    uint32_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (uint32_t k = 0; k < 8; k++)
            sum[k] += (double)a[i + k] * b[i + k];
    for (; i < n; i++)
        sum[0] += (double)a[i] * b[i];
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

void collet_ref_matmul(const collet_ref_matmul_args *a, float *row, uint32_t begin, uint32_t end)
{
    for (uint32_t o = begin; o < end; o++) {
        a->format->dequantize((const uint8_t *)a->w + o * a->w_row_bytes, row, a->n_in);
        for (uint32_t t = 0; t < a->n_tokens; t++)
            a->y[t * a->y_stride + o] = (float)dot(row, a->x + t * a->x_stride, a->n_in);
    }
}
