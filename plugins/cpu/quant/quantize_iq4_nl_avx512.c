// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quantize_iq4_nl_avx512.c - d f16 | nibbles that index a table.
#include "plugins/cpu/quant/quant_kernels.h"
#include "plugins/cpu/quant/v16_avx512.h"
#include "plugins/cpu/quant/quantize_iq4.h"

void collet_cpu_quantize_iq4_nl_avx512(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    quantize_iq4_nl(src, dst, n, imatrix);
}
