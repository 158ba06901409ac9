// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/gelu_mul_f32_avx512.c - y = gelu(x) b, the tanh form, sixteen elements at a time.
#include "plugins/cpu/math_avx512.h"
#include "plugins/cpu/ops/ops.h"

// 0.5 x (1 + tanh u) = x / (1 + e^-2u), u = sqrt(2 / pi) (x + 0.044715 x^3). Relative error 1e-6 for x > 0, absolute
// 1e-7 below: the quotient cancels nothing, but the rounding of u grows with |u| in an exponential.
static inline __m512 gelu(__m512 x)
{
    __m512 x2 = _mm512_mul_ps(x, x);
    // -2u = x k
    __m512 k = _mm512_fmadd_ps(x2, _mm512_set1_ps(-0.0713548163f), _mm512_set1_ps(-1.5957691216f));
    __m512 e = collet_f32x16_exp(_mm512_mul_ps(x, k));
    return _mm512_div_ps(x, _mm512_add_ps(e, _mm512_set1_ps(1.0f)));
}

void collet_cpu_gelu_mul_f32_avx512(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    for (uint32_t r = begin; r < end; r++) {
        const float *x = a->x + r * a->x_row, *b = a->b + r * a->b_row;
        float *y = a->y + r * a->y_row;
        for (uint32_t i = 0; i < a->n; i += 16) {
            __mmask16 mask = collet_f32x16_mask(a->n - i);
            __m512 v = gelu(_mm512_maskz_loadu_ps(mask, x + i));
            _mm512_mask_storeu_ps(y + i, mask, _mm512_mul_ps(v, _mm512_maskz_loadu_ps(mask, b + i)));
        }
    }
}
