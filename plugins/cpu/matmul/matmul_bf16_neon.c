// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_bf16_neon.c - bf16 rows as they are, widened by a shift; f32 activations.
#include <arm_neon.h>

#include "plugins/common/f16.h"
#include "plugins/cpu/matmul/matmul_dense_neon.h"

static inline __attribute__((always_inline)) dense_eight load8(const uint8_t *row, uint32_t i)
{
    const uint16x8_t v = vreinterpretq_u16_u8(vld1q_u8(row + 2 * i));
    return (dense_eight){ { vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(v), 16)),
                            vreinterpretq_f32_u32(vshll_high_n_u16(v, 16)) } };
}

static inline __attribute__((always_inline)) float load1(const uint8_t *p, uint32_t i)
{
    uint16_t half;
    memcpy(&half, p + 2 * i, sizeof half);
    return collet_bf16_to_f32(half);
}

void collet_cpu_matmul_bf16_neon(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                                 uint32_t token_begin, uint32_t token_end)
{
    dense_run(a, panel_begin, panel_end, token_begin, token_end, load8, load1);
}
