// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/attention/attention_choose.c - the tables of attention kernels.
#include <string.h>

#include "plugins/cpu/attention/attention.h"

static const collet_cpu_attention_kernel kernels[] = {
#define KERNEL(p, t, i, f) { .phase = #p, .format = #t, .isa = COLLET_ISA_##i, .name = #f, .run = f },
#define APPEND(t, i, f)
#include "attention_kernels.inc"
#undef KERNEL
#undef APPEND
    { .phase = NULL }, // the end: there are machines without a line
};

static const collet_cpu_kv_append_kernel append_kernels[] = {
#define KERNEL(p, t, i, f)
#define APPEND(t, i, f) { .format = #t, .isa = COLLET_ISA_##i, .name = #f, .run = f },
#include "attention_kernels.inc"
#undef KERNEL
#undef APPEND
};

const collet_cpu_attention_kernel *collet_cpu_attention_choose(const char *phase, const char *format, uint32_t isa_mask)
{
    const collet_cpu_attention_kernel *best = NULL;
    for (size_t i = 0; kernels[i].phase; i++)
        if (strcmp(kernels[i].phase, phase) == 0 && strcmp(kernels[i].format, format) == 0 &&
            (kernels[i].isa & isa_mask))
            best = &kernels[i];
    return best;
}

const collet_cpu_kv_append_kernel *collet_cpu_kv_append_choose(const char *format, uint32_t isa_mask)
{
    const collet_cpu_kv_append_kernel *best = NULL;
    for (size_t i = 0; i < COLLET_COUNT(append_kernels); i++)
        if (strcmp(append_kernels[i].format, format) == 0 && (append_kernels[i].isa & isa_mask))
            best = &append_kernels[i];
    return best;
}
