// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quantize_q8_1_avx512.c - d f16 | s f16 | 32 signed bytes.
#include "plugins/cpu/quant/quant_kernels.h"
#include "plugins/cpu/quant/v16_avx512.h"
#include "plugins/cpu/quant/quantize_q8_0.h"

void collet_cpu_quantize_q8_1_avx512(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    (void)imatrix; // 8 bits do not need it
    quantize_q8_1(src, dst, n);
}
