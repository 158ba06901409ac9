// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_f16_avx2.c - f16 rows as they are, widened eight at a time; f32 activations.
#include <immintrin.h>

#include "plugins/common/f16.h"
#include "plugins/cpu/matmul/matmul_dense_avx2.h"

static inline __attribute__((always_inline)) __m256 load8(const uint8_t *p, uint32_t i)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p + 2 * i)));
}

static inline __attribute__((always_inline)) float load1(const uint8_t *p, uint32_t i)
{
    uint16_t half;
    memcpy(&half, p + 2 * i, sizeof half);
    return collet_f16_to_f32(half);
}

void collet_cpu_matmul_f16_avx2(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                                uint32_t token_begin, uint32_t token_end)
{
    dense_run(a, panel_begin, panel_end, token_begin, token_end, load8, load1);
}
