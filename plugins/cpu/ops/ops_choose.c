// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/ops_choose.c - the table of kernels between the matmuls.
#include "plugins/cpu/ops/ops.h"

#include <string.h>

static const collet_cpu_ops_kernel kernels[] = {
#define KERNEL(o, w, i, f) { .op = #o, .format = #w, .isa = COLLET_ISA_##i, .name = #f, .run = f },
#include "ops_kernels.inc"
#undef KERNEL
};

const collet_cpu_ops_kernel *collet_cpu_ops_choose(const char *op, const char *format, uint32_t isa_mask)
{
    const collet_cpu_ops_kernel *best = NULL;
    for (size_t i = 0; i < COLLET_COUNT(kernels); i++) {
        const collet_cpu_ops_kernel *k = &kernels[i];
        if (strcmp(k->op, op) == 0 && (k->isa & isa_mask) &&
            (strcmp(k->format, "any") == 0 || strcmp(k->format, format) == 0))
            best = k;
    }
    return best;
}
