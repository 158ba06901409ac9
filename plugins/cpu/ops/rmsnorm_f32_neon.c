// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/rmsnorm_f32_neon.c - y = x / sqrt(mean(x^2) + eps) * w, 16 squares in flight.
#include <math.h>

#include "plugins/cpu/math_neon.h"
#include "plugins/cpu/ops/ops.h"

// Four chains of sums, because one would wait for each addition; it is also the more exact order.
static float sum_of_squares(const float *x, uint32_t n)
{
    float32x4_t sum[4] = { vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f) };
    uint32_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (uint32_t j = 0; j < 4; j++) {
            const float32x4_t v = vld1q_f32(x + i + 4 * j);
            sum[j] = vfmaq_f32(sum[j], v, v);
        }
    for (; i < n; i += 4) {
        const float32x4_t v = collet_f32x4_load(x + i, n - i);
        sum[0] = vfmaq_f32(sum[0], v, v);
    }
    return vaddvq_f32(vaddq_f32(vaddq_f32(sum[0], sum[1]), vaddq_f32(sum[2], sum[3])));
}

static void norm_row(float *y, const float *x, const float *w, uint32_t n, float eps)
{
    const float scale = 1.0f / sqrtf(sum_of_squares(x, n) / (float)n + eps);
    for (uint32_t i = 0; i < n; i += 4) {
        const float32x4_t v = vmulq_n_f32(collet_f32x4_load(x + i, n - i), scale);
        collet_f32x4_store(y + i, vmulq_f32(v, collet_f32x4_load(w + i, n - i)), n - i);
    }
}

void collet_cpu_rmsnorm_f32_neon(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    for (uint32_t r = begin; r < end; r++)
        for (uint32_t h = 0; h < a->n_heads; h++)
            norm_row(a->y + r * a->y_row + h * a->y_head, a->x + r * a->x_row + h * a->x_head, a->w, a->n, a->eps);
}
