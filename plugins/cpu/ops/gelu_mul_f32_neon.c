// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/gelu_mul_f32_neon.c - y = gelu(x) b, the tanh form, four elements at a time.
#include "plugins/cpu/math_neon.h"
#include "plugins/cpu/ops/ops.h"

// 0.5 x (1 + tanh u) = x / (1 + e^-2u), u = sqrt(2 / pi) (x + 0.044715 x^3). Relative error 1e-6 for x > 0, absolute
// 1e-7 below: the quotient cancels nothing, but the rounding of u grows with |u| in an exponential.
static inline float32x4_t gelu(float32x4_t x)
{
    // -2u = x k
    const float32x4_t k = vfmaq_f32(vdupq_n_f32(-1.5957691216f), vmulq_f32(x, x), vdupq_n_f32(-0.0713548163f));
    return vdivq_f32(x, vaddq_f32(collet_f32x4_exp(vmulq_f32(x, k)), vdupq_n_f32(1.0f)));
}

void collet_cpu_gelu_mul_f32_neon(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    for (uint32_t r = begin; r < end; r++) {
        const float *x = a->x + r * a->x_row, *b = a->b + r * a->b_row;
        float *y = a->y + r * a->y_row;
        for (uint32_t i = 0; i < a->n; i += 4) {
            const float32x4_t v = collet_f32x4_load(x + i, a->n - i), u = collet_f32x4_load(b + i, a->n - i);
            collet_f32x4_store(y + i, vmulq_f32(gelu(v), u), a->n - i);
        }
    }
}
