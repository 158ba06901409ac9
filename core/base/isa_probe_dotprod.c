// SPDX-License-Identifier: Apache-2.0
// core/base/isa_probe_dotprod.c - SDOT: a dot product of bytes, by vector and by lane.
#include "core/base/isa_probe.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <stdint.h>

int collet_isa_probe_dotprod(void)
{
    int8_t a[16], b[16];
    volatile int seed = 3; // keeps the compiler from folding the product
    int want = 0, first = 0;
    for (int i = 0; i < 16; i++) {
        a[i] = (int8_t)(i + seed);
        b[i] = (int8_t)(i - 8);
        want += a[i] * b[i];
        first += a[i % 4] * b[i]; // every four of b with the first four of a
    }
    const int8x16_t x = vld1q_s8(a), y = vld1q_s8(b);
    const int32x4_t zero = vdupq_n_s32(0);
    return vaddvq_s32(vdotq_s32(zero, x, y)) == want && vaddvq_s32(vdotq_laneq_s32(zero, y, x, 0)) == first;
}
#else
int collet_isa_probe_dotprod(void)
{
    return 0;
}
#endif
