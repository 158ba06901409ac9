// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_mxfp4.c - OCP MX: 4-bit floats (E2M1) with a power-of-two scale: value 2^(e - 128) v[q].
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"

static const int8_t values[16] = COLLET_MXFP4_VALUES;

// 2^(e - 128), built from bits: e < 2 gives the subnormals 2^-128 and 2^-127.
static float scale_of(uint8_t e)
{
    return collet_f32_from_bits(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23);
}

void collet_dequantize_mxfp4(const void *src, float *dst, uint64_t n)
{
    const collet_mxfp4 *b = src;
    for (uint64_t i = 0; i < n; i += 32, b++, dst += 32) {
        float d = scale_of(b->e);
        for (uint32_t j = 0; j < 16; j++) {
            dst[j] = (float)values[b->q[j] & 15] * d;
            dst[j + 16] = (float)values[b->q[j] >> 4] * d;
        }
    }
}
