// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/softcap_f32_avx2.c - y = cap * tanh(x / cap), eight elements at a time.
#include "plugins/cpu/math_avx2.h"
#include "plugins/cpu/ops/ops.h"

void collet_cpu_softcap_f32_avx2(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    const __m256 cap = _mm256_set1_ps(a->cap);
    for (uint32_t r = begin; r < end; r++) {
        const float *x = a->x + r * a->x_row;
        float *y = a->y + r * a->y_row;
        uint32_t i = 0;
        for (; i + 8 <= a->n; i += 8) {
            __m256 v = _mm256_div_ps(_mm256_loadu_ps(x + i), cap);
            _mm256_storeu_ps(y + i, _mm256_mul_ps(collet_f32x8_tanh(v), cap));
        }
        if (i < a->n) {
            __m256i mask = collet_f32x8_mask(a->n - i);
            __m256 v = _mm256_div_ps(_mm256_maskload_ps(x + i, mask), cap);
            _mm256_maskstore_ps(y + i, mask, _mm256_mul_ps(collet_f32x8_tanh(v), cap));
        }
    }
}
