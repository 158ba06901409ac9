// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quantize_mxfp4_avx2.c - exponent | nibbles, E2M1.
#include "plugins/cpu/quant/quant_kernels.h"
#include "plugins/cpu/quant/v16_avx2.h"
#include "plugins/cpu/quant/quantize_mxfp4.h"

void collet_cpu_quantize_mxfp4_avx2(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    quantize_mxfp4(src, dst, n, imatrix);
}
