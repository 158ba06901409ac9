// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_iq4_nl.c - 4 bits a weight that index a table of 16 uneven values: value d v[q].
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"

static const int8_t values[16] = COLLET_IQ4_VALUES;

void collet_dequantize_iq4_nl(const void *src, float *dst, uint64_t n)
{
    const collet_iq4_nl *b = src;
    for (uint64_t i = 0; i < n; i += 32, b++, dst += 32) {
        float d = collet_f16_to_f32(b->d);
        for (uint32_t j = 0; j < 16; j++) {
            dst[j] = d * (float)values[b->q[j] & 15];
            dst[j + 16] = d * (float)values[b->q[j] >> 4];
        }
    }
}
