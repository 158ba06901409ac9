// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/add_rmsnorm_f32_avx2.c - the residual sum and the norm after it in two passes instead of three.
#include <math.h>

#include "plugins/cpu/math_avx2.h"
#include "plugins/cpu/ops/ops.h"

// y = x + b; returns the sum of y's squares, in the order of rmsnorm_f32_avx2.c, so that fused and decomposed agree.
static float add_row(float *y, const float *x, const float *b, uint32_t n)
{
    __m256 sum[4] = { _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps() };
    uint32_t i = 0;
    for (; i + 32 <= n; i += 32)
        for (uint32_t j = 0; j < 4; j++) {
            __m256 v = _mm256_add_ps(_mm256_loadu_ps(x + i + 8 * j), _mm256_loadu_ps(b + i + 8 * j));
            _mm256_storeu_ps(y + i + 8 * j, v);
            sum[j] = _mm256_fmadd_ps(v, v, sum[j]);
        }
    for (; i < n; i += 8) {
        __m256i mask = collet_f32x8_mask(n - i);
        __m256 v = _mm256_add_ps(_mm256_maskload_ps(x + i, mask), _mm256_maskload_ps(b + i, mask));
        _mm256_maskstore_ps(y + i, mask, v);
        sum[0] = _mm256_fmadd_ps(v, v, sum[0]);
    }
    return collet_f32x8_sum(_mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3])));
}

void collet_cpu_add_rmsnorm_f32_avx2(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    for (uint32_t r = begin; r < end; r++) {
        float *y = a->y + r * a->y_row, *h = a->h + r * a->h_row;
        float squares = add_row(y, a->x + r * a->x_row, a->b + r * a->b_row, a->n);
        const __m256 scale = _mm256_set1_ps(1.0f / sqrtf(squares / (float)a->n + a->eps));
        uint32_t i = 0;
        for (; i + 8 <= a->n; i += 8)
            _mm256_storeu_ps(h + i,
                             _mm256_mul_ps(_mm256_mul_ps(_mm256_loadu_ps(y + i), scale), _mm256_loadu_ps(a->w + i)));
        if (i < a->n) {
            __m256i mask = collet_f32x8_mask(a->n - i);
            __m256 v = _mm256_mul_ps(_mm256_maskload_ps(y + i, mask), scale);
            _mm256_maskstore_ps(h + i, mask, _mm256_mul_ps(v, _mm256_maskload_ps(a->w + i, mask)));
        }
    }
}
