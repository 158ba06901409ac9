// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/gelu_mul_f32_avx2.c - y = gelu(x) b, the tanh form, eight elements at a time.
#include "plugins/cpu/math_avx2.h"
#include "plugins/cpu/ops/ops.h"

// 0.5 x (1 + tanh u) = x / (1 + e^-2u), u = sqrt(2 / pi) (x + 0.044715 x^3). Relative error 1e-6 for x > 0, absolute
// 1e-7 below: the quotient cancels nothing, but the rounding of u grows with |u| in an exponential.
static inline __m256 gelu(__m256 x)
{
    __m256 x2 = _mm256_mul_ps(x, x);
    // -2u = x k
    __m256 k = _mm256_fmadd_ps(x2, _mm256_set1_ps(-0.0713548163f), _mm256_set1_ps(-1.5957691216f));
    __m256 e = collet_f32x8_exp(_mm256_mul_ps(x, k));
    return _mm256_div_ps(x, _mm256_add_ps(e, _mm256_set1_ps(1.0f)));
}

void collet_cpu_gelu_mul_f32_avx2(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    for (uint32_t r = begin; r < end; r++) {
        const float *x = a->x + r * a->x_row, *b = a->b + r * a->b_row;
        float *y = a->y + r * a->y_row;
        uint32_t i = 0;
        for (; i + 8 <= a->n; i += 8)
            _mm256_storeu_ps(y + i, _mm256_mul_ps(gelu(_mm256_loadu_ps(x + i)), _mm256_loadu_ps(b + i)));
        if (i < a->n) {
            __m256i mask = collet_f32x8_mask(a->n - i);
            __m256 v = gelu(_mm256_maskload_ps(x + i, mask));
            _mm256_maskstore_ps(y + i, mask, _mm256_mul_ps(v, _mm256_maskload_ps(b + i, mask)));
        }
    }
}
