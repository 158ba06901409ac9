// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/embed_q8_0_avx2.c - rows of a q8_0 table: both models of the first release embed from one.
// Block:    | d f16 | q 32 x i8 |  34 bytes, so nothing is aligned and every load says so
#include "plugins/common/blocks.h"
#include "plugins/cpu/math_avx2.h"
#include "plugins/cpu/ops/ops.h"

void collet_cpu_embed_q8_0_avx2(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    const __m256 scale = _mm256_set1_ps(a->scale);
    for (uint32_t r = begin; r < end; r++) {
        const collet_q8_0 *block = (const collet_q8_0 *)(a->table + (size_t)a->index[r] * a->table_row);
        for (float *y = a->y + r * a->y_row, *y_end = y + a->n; y < y_end; y += 32, block++) {
            const __m256 d = _mm256_set1_ps(_cvtsh_ss(block->d));
            for (int i = 0; i < 32; i += 8) {
                __m128i q8 = _mm_loadl_epi64((const __m128i *)(block->q + i));
                __m256 q = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q8));
                // d q first and rounded, then the scale: the bits of the decoder followed by the scale.
                _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_mul_ps(q, d), scale));
            }
        }
    }
}
