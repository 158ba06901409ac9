// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_tq1_0.c - 1.69 bits a weight; five ternary digits in a byte: value d (t - 1).
#include "plugins/common/f16.h"
#include "plugins/common/blocks.h"
#include "plugins/common/formats.h"

// Digit k of a byte, the most significant first. The byte is a fraction of 256: times 3^k (what overflows is the digits
// before), then times 3, and the carry is the digit.
static float digit(uint8_t byte, uint32_t k)
{
    static const uint8_t pow3[5] = { 1, 3, 9, 27, 81 };
    uint8_t rest = (uint8_t)(byte * pow3[k]);
    return (float)((rest * 3 >> 8) - 1);
}

// Digit k of byte m is element k n_bytes + m.
static float *run(float *dst, const uint8_t *q, uint32_t n_bytes, uint32_t n_digits, float d)
{
    for (uint32_t k = 0; k < n_digits; k++)
        for (uint32_t m = 0; m < n_bytes; m++)
            *dst++ = digit(q[m], k) * d;
    return dst;
}

void collet_dequantize_tq1_0(const void *src, float *dst, uint64_t n)
{
    const collet_tq1_0 *b = src;
    for (uint64_t i = 0; i < n; i += 256, b++) {
        float d = collet_f16_to_f32(b->d);
        dst = run(dst, b->q, 32, 5, d);
        dst = run(dst, b->q + 32, 16, 5, d);
        dst = run(dst, b->last, 4, 4, d);
    }
}
