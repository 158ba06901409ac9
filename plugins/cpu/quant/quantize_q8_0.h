// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quantize_q8_0.h - one scale, 8 bits. Twin: plugins/common/quant_q8_0.c.
#ifndef COLLET_PLUGINS_CPU_QUANT_QUANTIZE_Q8_0_H
#define COLLET_PLUGINS_CPU_QUANT_QUANTIZE_Q8_0_H

#include "plugins/common/blocks.h"
#include "plugins/cpu/quant/quantize_search.h"

V16_INLINE void quantize_q8_0(const float *src, void *dst, uint64_t n)
{
    // The largest float below 1/2, then truncated, rounds halves away from zero; 1/2 itself would round 0.49999997 up.
    const v16 half = v16_all(0x1.fffffep-2f), most = v16_all(127.0f), least = v16_all(-127.0f);
    collet_q8_0 *b = dst;
    for (uint64_t i = 0; i < n; i += 32, b++, src += 32) {
        const v16 x[2] = { v16_load(src), v16_load(src + 16) };
        float d = v16_largest(v16_max(v16_abs(x[1]), v16_max(v16_abs(x[0]), v16_all(0.0f)))) / 127.0f;
        const v16 inv = v16_all(d != 0.0f ? 1.0f / d : 0.0f);
        b->d = v16_f16(d);
        for (int k = 0; k < 2; k++) {
            v16 y = v16_min(v16_max(v16_numbers(v16_mul(x[k], inv)), least), most);
            _mm_storeu_si128((__m128i *)(b->q + 16 * k), v16_bytes(v16_add(y, v16_signed(half, y))));
        }
    }
}

#endif
