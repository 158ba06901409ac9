// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/r8_dotprod.h - the same with SDOT, which adds four products into 32 bits: no step is counted.
#ifndef COLLET_PLUGINS_CPU_MATMUL_R8_DOTPROD_H
#define COLLET_PLUGINS_CPU_MATMUL_R8_DOTPROD_H

#include "plugins/cpu/matmul/matmul.h"
#include "plugins/cpu/matmul/r8_codes_neon.h"

// Four codes of each row with activations 4 lane .. 4 lane + 3. The instruction holds the lane.
R8_INLINE int32x4_t r8_dot_lane(int32x4_t sum, int8x16_t w, int8x16_t a, int lane)
{
    switch (lane) {
    case 0:
        return vdotq_laneq_s32(sum, w, a, 0);
    case 1:
        return vdotq_laneq_s32(sum, w, a, 1);
    case 2:
        return vdotq_laneq_s32(sum, w, a, 2);
    default:
        return vdotq_laneq_s32(sum, w, a, 3);
    }
}

// Groups [first, end) for n tokens: dot[c] has a sum of each row. A single token takes two sums in turn, as the latency
// of SDOT is several times its pace.
R8_INLINE void r8_dots(int32x4_t dot[8], const collet_cpu_act *act, const uint8_t *codes, r8_codes_fn *codes_of,
                       const int h, const int n, const int first, const int end, const int bits)
{
    (void)bits;
    int32x4_t turn[2][8];
#pragma GCC unroll 2
    for (int k = 0; k < 2; k++)
#pragma GCC unroll 8
        for (int c = 0; c < n; c++)
            turn[k][c] = vdupq_n_s32(0);
#pragma GCC unroll 8
    for (int g = first; g < end; g++) {
        const int8x16_t w = codes_of(codes, g, h);
        const int k = n == 1 ? g % 2 : 0;
#pragma GCC unroll 8
        for (int c = 0; c < n; c++)
            turn[k][c] = r8_dot_lane(turn[k][c], w, vld1q_s8(act[c].q + g / 4 * 16), g % 4);
    }
#pragma GCC unroll 8
    for (int c = 0; c < n; c++)
        dot[c] = n == 1 ? vaddq_s32(turn[0][c], turn[1][c]) : turn[0][c];
}

#endif
