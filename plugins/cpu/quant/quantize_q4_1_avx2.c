// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quantize_q4_1_avx2.c - d f16 | m f16 | nibbles.
#include "plugins/common/blocks.h"
#include "plugins/cpu/quant/quant_kernels.h"
#include "plugins/cpu/quant/v16_avx2.h"
#include "plugins/cpu/quant/quantize_affine.h"

void collet_cpu_quantize_q4_1_avx2(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    collet_q4_1 *b = dst;
    for (uint64_t i = 0; i < n; i += 32, b++) {
        __m128i codes[2];
        uint16_t d, m;
        affine_codes(codes, &d, &m, src + i, v16_importances(imatrix, i), 15.0f);
        b->d = d;
        b->m = m;
        v16_store_nibbles(b->q, codes);
    }
}
