// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_act_amx.c - f32 activations to tiles of bf16, rounded to nearest even; NaN stays NaN.
#include <immintrin.h>

#include "plugins/cpu/matmul/matmul.h"

// 16 tokens by 32 columns, of which n_tokens and n_columns are there.
static inline void convert(uint16_t *tile, const float *x, uint64_t x_stride, uint32_t n_tokens, uint32_t n_columns)
{
    const __mmask16 low = n_columns < 16 ? (__mmask16)((1u << n_columns) - 1) : 0xffff;
    const __mmask16 high = n_columns < 32 ? (__mmask16)((1u << (n_columns > 16 ? n_columns - 16 : 0)) - 1) : 0xffff;
    for (uint32_t t = 0; t < 16; t++) {
        __m512i v = _mm512_setzero_si512();
        if (t < n_tokens) {
            const float *p = x + t * x_stride;
            v = (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(high, p + 16), _mm512_maskz_loadu_ps(low, p));
        }
        _mm512_storeu_si512(tile + t * 32, v);
    }
}

void collet_cpu_bf16_tiles_amx(uint16_t *tiles, const collet_cpu_matmul_args *a, uint32_t token, uint32_t column)
{
    const uint32_t n = a->n_tokens - token < 32 ? a->n_tokens - token : 32;
    uint16_t *out = tiles + collet_cpu_tiles_at(a->n_tokens, a->n_in, token, column);
    for (uint32_t s = 0; s < collet_cpu_tiles_steps(a->n_in, column); s++)
        for (uint32_t t = 0; t < n; t += 16, out += 16 * 32) {
            const uint32_t first = column + 32 * s, left = a->n_in - first;
            convert(out, a->x + (token + t) * a->x_stride + first, a->x_stride, n - t < 16 ? n - t : 16,
                    left < 32 ? left : 32);
        }
}
