// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/add_f32_avx512.c - y = x + b, sixteen elements at a time.
#include "plugins/cpu/math_avx512.h"
#include "plugins/cpu/ops/ops.h"

void collet_cpu_add_f32_avx512(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    for (uint32_t r = begin; r < end; r++) {
        const float *x = a->x + r * a->x_row, *b = a->b + r * a->b_row;
        float *y = a->y + r * a->y_row;
        for (uint32_t i = 0; i < a->n; i += 16) {
            __mmask16 mask = collet_f32x16_mask(a->n - i);
            _mm512_mask_storeu_ps(
                y + i, mask, _mm512_add_ps(_mm512_maskz_loadu_ps(mask, x + i), _mm512_maskz_loadu_ps(mask, b + i)));
        }
    }
}
