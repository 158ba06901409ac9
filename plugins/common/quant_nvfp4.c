// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_nvfp4.c - 4-bit floats (E2M1) in sub-blocks of 16 with an unsigned E4M3 scale: value d v[q].
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"

static const int8_t values[16] = COLLET_MXFP4_VALUES;

// Half of the E4M3 number, since the values are doubled; its sign bit is not read. 0x7f, NaN in E4M3, stands for 0.
static float scale_of(uint8_t e4m3)
{
    uint32_t exponent = e4m3 >> 3 & 15, fraction = e4m3 & 7;
    if (e4m3 == 0x7f)
        return 0.0f;
    if (exponent == 0)
        return (float)fraction * 0x1p-10f;
    return collet_f32_from_bits((exponent + 119) << 23 | fraction << 20);
}

void collet_dequantize_nvfp4(const void *src, float *dst, uint64_t n)
{
    const collet_nvfp4 *b = src;
    for (uint64_t i = 0; i < n; i += 64, b++) {
        for (uint32_t s = 0; s < 4; s++, dst += 16) {
            float d = scale_of(b->scales[s]);
            for (uint32_t j = 0; j < 8; j++) {
                dst[j] = (float)values[b->q[8 * s + j] & 15] * d;
                dst[j + 8] = (float)values[b->q[8 * s + j] >> 4] * d;
            }
        }
    }
}
