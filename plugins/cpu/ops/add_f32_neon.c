// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/add_f32_neon.c - y = x + b, four elements at a time.
#include "plugins/cpu/math_neon.h"
#include "plugins/cpu/ops/ops.h"

void collet_cpu_add_f32_neon(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    for (uint32_t r = begin; r < end; r++) {
        const float *x = a->x + r * a->x_row, *b = a->b + r * a->b_row;
        float *y = a->y + r * a->y_row;
        for (uint32_t i = 0; i < a->n; i += 4) {
            const float32x4_t v = collet_f32x4_load(x + i, a->n - i), u = collet_f32x4_load(b + i, a->n - i);
            collet_f32x4_store(y + i, vaddq_f32(v, u), a->n - i);
        }
    }
}
