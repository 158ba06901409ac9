// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/r8_neon.h - dot products of 32 columns of four rows with up to eight tokens, Armv8.0.
//
// smlal adds a product of two bytes into 16 bits, so a lane takes 8 products of codes below 32 (8 * 31 * 127 = 31496),
// 4 of codes below 64 (32004) and 2 of signed bytes (2 * 128 * 127 = 32512) before sadalp must widen it. Sums that are
// widened once keep nothing in 32 bits meanwhile, and eight tokens fit the registers; else four do.
#ifndef COLLET_PLUGINS_CPU_MATMUL_R8_NEON_H
#define COLLET_PLUGINS_CPU_MATMUL_R8_NEON_H

#include "plugins/cpu/matmul/matmul.h"
#include "plugins/cpu/matmul/r8_codes_neon.h"

// Four activations, four times.
R8_INLINE int8x16_t r8_four(const int8_t *a)
{
    int32_t four;
    memcpy(&four, a, sizeof four);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

// Groups [first, end) for n tokens, n as large as the registers take: dot[c] has a sum of each row.
R8_INLINE void r8_dots_some(int32x4_t *dot, const collet_cpu_act *act, const uint8_t *codes, r8_codes_fn *codes_of,
                            const int h, const int n, const int first, const int end, const int steps)
{
    int32x4_t low[8], high[8]; // rows 0 and 1, 2 and 3; two sums each
#pragma GCC unroll 8
    for (int begin = first; begin < end; begin += steps) {
        int16x8_t part[8][2];
#pragma GCC unroll 8
        for (int g = begin; g < begin + steps; g++) {
            const int8x16_t w = codes_of(codes, g, h);
#pragma GCC unroll 8
            for (int c = 0; c < n; c++) {
                const int8x16_t a = r8_four(act[c].q + 4 * g);
                if (g == begin) {
                    part[c][0] = vmull_s8(vget_low_s8(w), vget_low_s8(a));
                    part[c][1] = vmull_high_s8(w, a);
                } else {
                    part[c][0] = vmlal_s8(part[c][0], vget_low_s8(w), vget_low_s8(a));
                    part[c][1] = vmlal_high_s8(part[c][1], w, a);
                }
            }
        }
#pragma GCC unroll 8
        for (int c = 0; c < n; c++) {
            low[c] = begin == first ? vpaddlq_s16(part[c][0]) : vpadalq_s16(low[c], part[c][0]);
            high[c] = begin == first ? vpaddlq_s16(part[c][1]) : vpadalq_s16(high[c], part[c][1]);
        }
    }
#pragma GCC unroll 8
    for (int c = 0; c < n; c++)
        dot[c] = vpaddq_s32(low[c], high[c]);
}

// The same for any n up to eight. bits: of a code without a sign; 0: bytes with one.
R8_INLINE void r8_dots(int32x4_t dot[8], const collet_cpu_act *act, const uint8_t *codes, r8_codes_fn *codes_of,
                       const int h, const int n, const int first, const int end, const int bits)
{
    const int fit = bits == 0 ? 2 : bits <= 5 ? 8 : 4, steps = fit < end - first ? fit : end - first;
    const int together = steps == end - first ? 8 : 4;
#pragma GCC unroll 2
    for (int c = 0; c < n; c += together)
        r8_dots_some(dot + c, act + c, codes, codes_of, h, n - c < together ? n - c : together, first, end, steps);
}

#endif
