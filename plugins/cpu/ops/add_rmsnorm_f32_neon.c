// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/add_rmsnorm_f32_neon.c - the residual sum and the norm after it in two passes instead of three.
#include <math.h>

#include "plugins/cpu/math_neon.h"
#include "plugins/cpu/ops/ops.h"

// y = x + b; returns the sum of y's squares, in the order of rmsnorm_f32_neon.c, so that fused and decomposed agree.
static float add_row(float *y, const float *x, const float *b, uint32_t n)
{
    float32x4_t sum[4] = { vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f) };
    uint32_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (uint32_t j = 0; j < 4; j++) {
            const float32x4_t v = vaddq_f32(vld1q_f32(x + i + 4 * j), vld1q_f32(b + i + 4 * j));
            vst1q_f32(y + i + 4 * j, v);
            sum[j] = vfmaq_f32(sum[j], v, v);
        }
    for (; i < n; i += 4) {
        const float32x4_t v = vaddq_f32(collet_f32x4_load(x + i, n - i), collet_f32x4_load(b + i, n - i));
        collet_f32x4_store(y + i, v, n - i);
        sum[0] = vfmaq_f32(sum[0], v, v);
    }
    return vaddvq_f32(vaddq_f32(vaddq_f32(sum[0], sum[1]), vaddq_f32(sum[2], sum[3])));
}

void collet_cpu_add_rmsnorm_f32_neon(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    for (uint32_t r = begin; r < end; r++) {
        float *y = a->y + r * a->y_row, *h = a->h + r * a->h_row;
        const float squares = add_row(y, a->x + r * a->x_row, a->b + r * a->b_row, a->n);
        const float scale = 1.0f / sqrtf(squares / (float)a->n + a->eps);
        for (uint32_t i = 0; i < a->n; i += 4) {
            const float32x4_t v = vmulq_n_f32(collet_f32x4_load(y + i, a->n - i), scale);
            collet_f32x4_store(h + i, vmulq_f32(v, collet_f32x4_load(a->w + i, a->n - i)), a->n - i);
        }
    }
}
