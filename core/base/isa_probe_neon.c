// SPDX-License-Identifier: Apache-2.0
// core/base/isa_probe_neon.c - Advanced SIMD of Armv8.0: a dot product of bytes, one of halves widened to floats.
#include "core/base/isa_probe.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <stdint.h>

int collet_isa_probe_neon(void)
{
    int8_t a[16], b[16];
    volatile int seed = 3; // keeps the compiler from folding the product
    int want = 0;
    for (int i = 0; i < 16; i++) {
        a[i] = (int8_t)(i + seed);
        b[i] = (int8_t)(i - 8);
        want += a[i] * b[i];
    }
    const int8x16_t x = vld1q_s8(a), y = vld1q_s8(b);
    const int16x8_t two = vmlal_s8(vmull_s8(vget_low_s8(x), vget_low_s8(y)), vget_high_s8(x), vget_high_s8(y));

    const float32x4_t f = vcvt_f32_f16(vcvt_f16_f32(vdupq_n_f32((float)seed))); // exact in half precision
    return vaddvq_s32(vpaddlq_s16(two)) == want && vaddvq_f32(vfmaq_f32(f, f, f)) == 48.0f;
}
#else
int collet_isa_probe_neon(void)
{
    return 0;
}
#endif
