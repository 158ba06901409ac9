// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/softcap_f32_avx512.c - y = cap * tanh(x / cap), sixteen elements at a time.
#include "plugins/cpu/math_avx512.h"
#include "plugins/cpu/ops/ops.h"

void collet_cpu_softcap_f32_avx512(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    const __m512 cap = _mm512_set1_ps(a->cap);
    for (uint32_t r = begin; r < end; r++) {
        const float *x = a->x + r * a->x_row;
        float *y = a->y + r * a->y_row;
        for (uint32_t i = 0; i < a->n; i += 16) {
            __mmask16 mask = collet_f32x16_mask(a->n - i);
            __m512 v = _mm512_div_ps(_mm512_maskz_loadu_ps(mask, x + i), cap);
            _mm512_mask_storeu_ps(y + i, mask, _mm512_mul_ps(collet_f32x16_tanh(v), cap));
        }
    }
}
