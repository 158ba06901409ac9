// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/add_rmsnorm_f32_avx512.c - the residual sum and the norm after it in two passes instead of three.
#include <math.h>

#include "plugins/cpu/math_avx512.h"
#include "plugins/cpu/ops/ops.h"

// y = x + b; returns the sum of y's squares, in the order of rmsnorm_f32_avx512.c, so that fused and decomposed agree.
static float add_row(float *y, const float *x, const float *b, uint32_t n)
{
    __m512 sum[4] = { _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps() };
    uint32_t i = 0;
    for (; i + 64 <= n; i += 64)
        for (uint32_t j = 0; j < 4; j++) {
            __m512 v = _mm512_add_ps(_mm512_loadu_ps(x + i + 16 * j), _mm512_loadu_ps(b + i + 16 * j));
            _mm512_storeu_ps(y + i + 16 * j, v);
            sum[j] = _mm512_fmadd_ps(v, v, sum[j]);
        }
    for (; i < n; i += 16) {
        __mmask16 mask = collet_f32x16_mask(n - i);
        __m512 v = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, x + i), _mm512_maskz_loadu_ps(mask, b + i));
        _mm512_mask_storeu_ps(y + i, mask, v);
        sum[0] = _mm512_fmadd_ps(v, v, sum[0]);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));
}

void collet_cpu_add_rmsnorm_f32_avx512(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    for (uint32_t r = begin; r < end; r++) {
        float *y = a->y + r * a->y_row, *h = a->h + r * a->h_row;
        float squares = add_row(y, a->x + r * a->x_row, a->b + r * a->b_row, a->n);
        const __m512 scale = _mm512_set1_ps(1.0f / sqrtf(squares / (float)a->n + a->eps));
        for (uint32_t i = 0; i < a->n; i += 16) {
            __mmask16 mask = collet_f32x16_mask(a->n - i);
            __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, y + i), scale);
            _mm512_mask_storeu_ps(h + i, mask, _mm512_mul_ps(v, _mm512_maskz_loadu_ps(mask, a->w + i)));
        }
    }
}
