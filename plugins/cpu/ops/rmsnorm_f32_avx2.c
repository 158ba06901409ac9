// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/rmsnorm_f32_avx2.c - y = x / sqrt(mean(x^2) + eps) * w, 32 squares in flight.
#include <math.h>

#include "plugins/cpu/math_avx2.h"
#include "plugins/cpu/ops/ops.h"

// Four chains of sums, because one would wait 4 cycles for each addition; it is also the more exact order.
static float sum_of_squares(const float *x, uint32_t n)
{
    __m256 sum[4] = { _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps() };
    uint32_t i = 0;
    for (; i + 32 <= n; i += 32)
        for (uint32_t j = 0; j < 4; j++) {
            __m256 v = _mm256_loadu_ps(x + i + 8 * j);
            sum[j] = _mm256_fmadd_ps(v, v, sum[j]);
        }
    for (; i < n; i += 8) {
        __m256 v = _mm256_maskload_ps(x + i, collet_f32x8_mask(n - i));
        sum[0] = _mm256_fmadd_ps(v, v, sum[0]);
    }
    return collet_f32x8_sum(_mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3])));
}

static void norm_row(float *y, const float *x, const float *w, uint32_t n, float eps)
{
    const __m256 scale = _mm256_set1_ps(1.0f / sqrtf(sum_of_squares(x, n) / (float)n + eps));
    uint32_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_mul_ps(_mm256_loadu_ps(x + i), scale), _mm256_loadu_ps(w + i)));
    if (i < n) {
        __m256i mask = collet_f32x8_mask(n - i);
        __m256 v = _mm256_mul_ps(_mm256_maskload_ps(x + i, mask), scale);
        _mm256_maskstore_ps(y + i, mask, _mm256_mul_ps(v, _mm256_maskload_ps(w + i, mask)));
    }
}

void collet_cpu_rmsnorm_f32_avx2(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    for (uint32_t r = begin; r < end; r++)
        for (uint32_t h = 0; h < a->n_heads; h++)
            norm_row(a->y + r * a->y_row + h * a->y_head, a->x + r * a->x_row + h * a->x_head, a->w, a->n, a->eps);
}
