// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/take_rows_f32_ref.c - memcpy is the fastest copy there is, so this line has no faster twin.
#include <string.h>

#include "plugins/cpu/ops/ops.h"

void collet_cpu_take_rows_f32_ref(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    for (uint32_t r = begin; r < end; r++)
        memcpy(a->y + r * a->y_row, a->x + (size_t)a->index[r] * a->x_row, a->n * sizeof(float));
}
