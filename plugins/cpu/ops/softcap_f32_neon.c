// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/softcap_f32_neon.c - y = cap * tanh(x / cap), four elements at a time.
#include "plugins/cpu/math_neon.h"
#include "plugins/cpu/ops/ops.h"

void collet_cpu_softcap_f32_neon(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    const float32x4_t cap = vdupq_n_f32(a->cap);
    for (uint32_t r = begin; r < end; r++) {
        const float *x = a->x + r * a->x_row;
        float *y = a->y + r * a->y_row;
        for (uint32_t i = 0; i < a->n; i += 4) {
            const float32x4_t v = vdivq_f32(collet_f32x4_load(x + i, a->n - i), cap);
            collet_f32x4_store(y + i, vmulq_f32(collet_f32x4_tanh(v), cap), a->n - i);
        }
    }
}
