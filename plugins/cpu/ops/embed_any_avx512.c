// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/embed_any_avx512.c - rows of a table in any format: the format's own decoder, then the scale.
#include "plugins/cpu/math_avx512.h"
#include "plugins/cpu/ops/ops.h"

void collet_cpu_embed_any_avx512(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    const __m512 scale = _mm512_set1_ps(a->scale);
    for (uint32_t r = begin; r < end; r++) {
        float *y = a->y + r * a->y_row;
        a->decode(a->table + (size_t)a->index[r] * a->table_row, y, a->n);
        for (uint32_t i = 0; i < a->n; i += 16) {
            __mmask16 mask = collet_f32x16_mask(a->n - i);
            _mm512_mask_storeu_ps(y + i, mask, _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, y + i), scale));
        }
    }
}
