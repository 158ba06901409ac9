// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_f32_neon.c - f32 rows as they are; f32 activations.
#include <arm_neon.h>

#include "plugins/cpu/matmul/matmul_dense_neon.h"

static inline __attribute__((always_inline)) dense_eight load8(const uint8_t *row, uint32_t i)
{
    const uint8_t *p = row + 4 * i;
    return (dense_eight){ { vreinterpretq_f32_u8(vld1q_u8(p)), vreinterpretq_f32_u8(vld1q_u8(p + 16)) } };
}

static inline __attribute__((always_inline)) float load1(const uint8_t *p, uint32_t i)
{
    float value;
    memcpy(&value, p + 4 * i, sizeof value);
    return value;
}

void collet_cpu_matmul_f32_neon(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                                uint32_t token_begin, uint32_t token_end)
{
    dense_run(a, panel_begin, panel_end, token_begin, token_end, load8, load1);
}
