// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quantize_iq4_xs_avx2.c - d f16 | 8 scales | nibbles that index a table.
#include "plugins/cpu/quant/quant_kernels.h"
#include "plugins/cpu/quant/v16_avx2.h"
#include "plugins/cpu/quant/quantize_iq4.h"

void collet_cpu_quantize_iq4_xs_avx2(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    quantize_iq4_xs(src, dst, n, imatrix);
}
