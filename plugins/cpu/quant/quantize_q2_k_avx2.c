// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quantize_q2_k_avx2.c - q2_k with a sub-block in each lane; the bytes of its twin.
#include "plugins/cpu/quant/quant_kernels.h"
#include "plugins/cpu/quant/quant_lanes_avx2.h"

#include "plugins/common/quant_k_formats.h"

void collet_cpu_quantize_q2_k_avx2(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    collet_encode_q2_k(src, dst, n, imatrix);
}
