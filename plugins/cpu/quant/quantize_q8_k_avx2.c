// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quantize_q8_k_avx2.c - d f32 | 256 signed bytes | 16 sums i16.
#include "plugins/cpu/quant/quant_kernels.h"
#include "plugins/cpu/quant/v16_avx2.h"
#include "plugins/cpu/quant/quantize_q8_0.h"

void collet_cpu_quantize_q8_k_avx2(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    (void)imatrix; // 8 bits do not need it
    quantize_q8_k(src, dst, n);
}
