// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/embed_any_neon.c - rows of a table in any format: the format's own decoder, then the scale.
#include "plugins/cpu/math_neon.h"
#include "plugins/cpu/ops/ops.h"

void collet_cpu_embed_any_neon(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    for (uint32_t r = begin; r < end; r++) {
        float *y = a->y + r * a->y_row;
        a->decode(a->table + (size_t)a->index[r] * a->table_row, y, a->n);
        for (uint32_t i = 0; i < a->n; i += 4)
            collet_f32x4_store(y + i, vmulq_n_f32(collet_f32x4_load(y + i, a->n - i), a->scale), a->n - i);
    }
}
