// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/rmsnorm_f32_avx512.c - y = x / sqrt(mean(x^2) + eps) * w, 64 squares in flight.
#include <math.h>

#include "plugins/cpu/math_avx512.h"
#include "plugins/cpu/ops/ops.h"

static float sum_of_squares(const float *x, uint32_t n)
{
    __m512 sum[4] = { _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps() };
    uint32_t i = 0;
    for (; i + 64 <= n; i += 64)
        for (uint32_t j = 0; j < 4; j++) {
            __m512 v = _mm512_loadu_ps(x + i + 16 * j);
            sum[j] = _mm512_fmadd_ps(v, v, sum[j]);
        }
    for (; i < n; i += 16) {
        __m512 v = _mm512_maskz_loadu_ps(collet_f32x16_mask(n - i), x + i);
        sum[0] = _mm512_fmadd_ps(v, v, sum[0]);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));
}

static void norm_row(float *y, const float *x, const float *w, uint32_t n, float eps)
{
    const __m512 scale = _mm512_set1_ps(1.0f / sqrtf(sum_of_squares(x, n) / (float)n + eps));
    for (uint32_t i = 0; i < n; i += 16) {
        __mmask16 mask = collet_f32x16_mask(n - i);
        __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), scale);
        _mm512_mask_storeu_ps(y + i, mask, _mm512_mul_ps(v, _mm512_maskz_loadu_ps(mask, w + i)));
    }
}

void collet_cpu_rmsnorm_f32_avx512(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    for (uint32_t r = begin; r < end; r++)
        for (uint32_t h = 0; h < a->n_heads; h++)
            norm_row(a->y + r * a->y_row + h * a->y_head, a->x + r * a->x_row + h * a->x_head, a->w, a->n, a->eps);
}
