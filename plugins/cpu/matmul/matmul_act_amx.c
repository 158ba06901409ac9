// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_act_amx.c - f32 activations to tiles of bf16, rounded to nearest even; NaN stays NaN.
#include <immintrin.h>

#include "plugins/cpu/matmul/matmul.h"

void collet_cpu_bf16_tiles_amx(uint16_t *tiles, const float *x, uint64_t x_stride, uint32_t n_tokens, uint32_t n_in)
{
    for (uint32_t i = 0; i < n_in; i += 32, tiles += 16 * 32) {
        const uint32_t left = n_in - i;
        const __mmask16 low = left < 16 ? (__mmask16)((1u << left) - 1) : 0xffff;
        const __mmask16 high = left < 32 ? (__mmask16)((1u << (left > 16 ? left - 16 : 0)) - 1) : 0xffff;
        for (uint32_t t = 0; t < 16; t++) {
            __m512i v = _mm512_setzero_si512();
            if (t < n_tokens) {
                const float *p = x + t * x_stride + i;
                v = (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(high, p + 16), _mm512_maskz_loadu_ps(low, p));
            }
            _mm512_storeu_si512(tiles + t * 32, v);
        }
    }
}
