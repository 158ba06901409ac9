// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/silu_mul_f32_avx2.c - y = silu(x) b, eight elements at a time.
#include "plugins/cpu/math_avx2.h"
#include "plugins/cpu/ops/ops.h"

// x / (1 + e^-x). Relative error 3e-7; where e^-x overflows (x < -88.7) the result is -0, not -1e-37 or less.
static inline __m256 silu(__m256 x)
{
    __m256 e = collet_f32x8_exp(_mm256_xor_ps(x, _mm256_set1_ps(-0.0f)));
    return _mm256_div_ps(x, _mm256_add_ps(e, _mm256_set1_ps(1.0f)));
}

void collet_cpu_silu_mul_f32_avx2(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    for (uint32_t r = begin; r < end; r++) {
        const float *x = a->x + r * a->x_row, *b = a->b + r * a->b_row;
        float *y = a->y + r * a->y_row;
        uint32_t i = 0;
        for (; i + 8 <= a->n; i += 8)
            _mm256_storeu_ps(y + i, _mm256_mul_ps(silu(_mm256_loadu_ps(x + i)), _mm256_loadu_ps(b + i)));
        if (i < a->n) {
            __m256i mask = collet_f32x8_mask(a->n - i);
            __m256 v = silu(_mm256_maskload_ps(x + i, mask));
            _mm256_maskstore_ps(y + i, mask, _mm256_mul_ps(v, _mm256_maskload_ps(b + i, mask)));
        }
    }
}
