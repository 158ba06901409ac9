// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/embed_any_avx2.c - rows of a table in any format: the format's own decoder, then the scale.
#include "plugins/cpu/math_avx2.h"
#include "plugins/cpu/ops/ops.h"

void collet_cpu_embed_any_avx2(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    const __m256 scale = _mm256_set1_ps(a->scale);
    for (uint32_t r = begin; r < end; r++) {
        float *y = a->y + r * a->y_row;
        a->decode(a->table + (size_t)a->index[r] * a->table_row, y, a->n);
        uint32_t i = 0;
        for (; i + 8 <= a->n; i += 8)
            _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_loadu_ps(y + i), scale));
        if (i < a->n) {
            __m256i mask = collet_f32x8_mask(a->n - i);
            _mm256_maskstore_ps(y + i, mask, _mm256_mul_ps(_mm256_maskload_ps(y + i, mask), scale));
        }
    }
}
