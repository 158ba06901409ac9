// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_f32_avx2.c - f32 rows as they are; f32 activations.
#include <immintrin.h>

#include "plugins/cpu/matmul/matmul_dense_avx2.h"

static inline __attribute__((always_inline)) __m256 load8(const uint8_t *p, uint32_t i)
{
    return _mm256_loadu_ps((const float *)(const void *)p + i);
}

static inline __attribute__((always_inline)) float load1(const uint8_t *p, uint32_t i)
{
    float value;
    memcpy(&value, p + 4 * i, sizeof value);
    return value;
}

void collet_cpu_matmul_f32_avx2(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                                uint32_t token_begin, uint32_t token_end)
{
    dense_run(a, panel_begin, panel_end, token_begin, token_end, load8, load1);
}
