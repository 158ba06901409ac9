// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_q8_k.c - 8 bits a weight, one f32 scale per 256; for activations: value d q.
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"

void collet_dequantize_q8_k(const void *src, float *dst, uint64_t n)
{
    const collet_q8_k *b = src;
    for (uint64_t i = 0; i < n; i += 256, b++, dst += 256)
        for (uint32_t j = 0; j < 256; j++)
            dst[j] = b->d * (float)b->q[j];
}
