// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quantize_q5_1_avx2.c - d f16 | m f16 | high bits | nibbles.
#include "plugins/common/blocks.h"
#include "plugins/cpu/quant/quant_kernels.h"
#include "plugins/cpu/quant/v16_avx2.h"
#include "plugins/cpu/quant/quantize_affine.h"

void collet_cpu_quantize_q5_1_avx2(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    collet_q5_1 *b = dst;
    for (uint64_t i = 0; i < n; i += 32, b++) {
        __m128i codes[2];
        uint16_t d, m;
        affine_codes(codes, &d, &m, src + i, v16_importances(imatrix, i), 31.0f);
        b->d = d;
        b->m = m;
        b->high = v16_high_bits(codes);
        v16_store_nibbles(b->q, codes);
    }
}
