// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/silu_mul_f32_neon.c - y = silu(x) b, four elements at a time.
#include "plugins/cpu/math_neon.h"
#include "plugins/cpu/ops/ops.h"

// x / (1 + e^-x). Relative error 3e-7; where e^-x overflows (x < -88.7) the result is -0, not -1e-37 or less.
static inline float32x4_t silu(float32x4_t x)
{
    return vdivq_f32(x, vaddq_f32(collet_f32x4_exp(vnegq_f32(x)), vdupq_n_f32(1.0f)));
}

void collet_cpu_silu_mul_f32_neon(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    for (uint32_t r = begin; r < end; r++) {
        const float *x = a->x + r * a->x_row, *b = a->b + r * a->b_row;
        float *y = a->y + r * a->y_row;
        for (uint32_t i = 0; i < a->n; i += 4) {
            const float32x4_t v = collet_f32x4_load(x + i, a->n - i), u = collet_f32x4_load(b + i, a->n - i);
            collet_f32x4_store(y + i, vmulq_f32(silu(v), u), a->n - i);
        }
    }
}
