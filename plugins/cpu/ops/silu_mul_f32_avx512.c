// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/silu_mul_f32_avx512.c - y = silu(x) b, sixteen elements at a time.
#include "plugins/cpu/math_avx512.h"
#include "plugins/cpu/ops/ops.h"

// x / (1 + e^-x). Relative error 3e-7; where e^-x overflows (x < -88.7) the result is -0, not -1e-37 or less.
static inline __m512 silu(__m512 x)
{
    __m512 e = collet_f32x16_exp(_mm512_xor_ps(x, _mm512_set1_ps(-0.0f)));
    return _mm512_div_ps(x, _mm512_add_ps(e, _mm512_set1_ps(1.0f)));
}

void collet_cpu_silu_mul_f32_avx512(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    for (uint32_t r = begin; r < end; r++) {
        const float *x = a->x + r * a->x_row, *b = a->b + r * a->b_row;
        float *y = a->y + r * a->y_row;
        for (uint32_t i = 0; i < a->n; i += 16) {
            __mmask16 mask = collet_f32x16_mask(a->n - i);
            __m512 v = silu(_mm512_maskz_loadu_ps(mask, x + i));
            _mm512_mask_storeu_ps(y + i, mask, _mm512_mul_ps(v, _mm512_maskz_loadu_ps(mask, b + i)));
        }
    }
}
