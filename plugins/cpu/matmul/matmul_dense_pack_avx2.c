// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_dense_pack_avx2.c - activations in the order in which dense kernels use them.
#include "plugins/cpu/matmul/matmul_dense_avx2.h"

void collet_cpu_dense_pack_avx2(float *out, const float *x, uint64_t x_stride, uint32_t n_tokens, uint32_t n_columns)
{
    for (uint32_t i = 0; i < n_columns; i += 8, out += DENSE_GROUP) {
        __m256 v[8];
        for (uint32_t t = 0; t < 8; t++) {
            const float *row = x + (t < n_tokens ? t : 0) * x_stride + i;
            if (t >= n_tokens)
                v[t] = _mm256_setzero_ps();
            else
                v[t] = i + 8 <= n_columns ? _mm256_loadu_ps(row) : dense_rest_x(row, n_columns - i);
        }
        dense_transpose(v);
        for (uint32_t l = 0; l < 8; l++) {
            float *six = out + l * DENSE_STEPS * DENSE_GROUP;
            _mm_storeu_ps(six, _mm256_castps256_ps128(v[l]));
            _mm_storel_pi((__m64 *)(void *)(six + 4), _mm256_extractf128_ps(v[l], 1));
        }
    }
}
