// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_act_neon.c - f32 activations to 8 bits, one scale per 32: the bits of matmul_act_avx2.c.
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "plugins/cpu/matmul/matmul.h"

#define INFINITY_BITS 0x7f800000u

void collet_cpu_quantize_act_neon(collet_cpu_act *act, uint32_t step, const float *x, uint32_t n_in)
{
    for (uint32_t b = 0; b < n_in / 32; b++, x += 32, act += step) {
        float32x4_t v[8];
        uint32x4_t top = vdupq_n_u32(0);
        for (int i = 0; i < 8; i++) {
            v[i] = vld1q_f32(x + 4 * i);
            top = vmaxq_u32(top, vreinterpretq_u32_f32(vabsq_f32(v[i])));
        }
        // Bits of floats without a sign order like the floats; NaN and infinity are above all others.
        const uint32_t bits = vmaxvq_u32(top);
        if (bits >= INFINITY_BITS) {
            memset(act->q, 0, sizeof act->q);
            act->d = act->s = act->half[0] = act->half[1] = NAN;
            continue;
        }
        float amax;
        memcpy(&amax, &bits, sizeof amax);
        // Below 1e-36 the inverse would overflow; such a block is zero beside any other.
        const float scale = amax / 127.0f, inverse = amax > 1e-36f ? 127.0f / amax : 0.0f;
        int16_t sum[2];
        for (int h = 0; h < 2; h++) {
            int16x4_t q[4];
            for (int i = 0; i < 4; i++)
                q[i] = vqmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(v[4 * h + i], inverse)));
            const int8x16_t bytes =
                vcombine_s8(vqmovn_s16(vcombine_s16(q[0], q[1])), vqmovn_s16(vcombine_s16(q[2], q[3])));
            vst1q_s8(act->q + 16 * h, bytes);
            sum[h] = vaddlvq_s8(bytes);
        }
        act->d = scale;
        act->s = (float)(sum[0] + sum[1]) * scale;
        act->half[0] = (float)sum[0] * scale;
        act->half[1] = (float)sum[1] * scale;
    }
}

void collet_cpu_quantize_act_fine_neon(collet_cpu_act *act, uint32_t step, const float *x, uint32_t n_in)
{
    for (uint32_t b = 0; b < n_in / 32; b++, x += 32, act += step) {
        float left[32];
        collet_cpu_quantize_act_neon(act, step, x, 32);
        for (int i = 0; i < 32; i++)
            left[i] = x[i] - act->d * (float)act->q[i];
        collet_cpu_quantize_act_neon(act + 1, step, left, 32);
    }
}
