// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_q8_k_neon.c - q8_k.r8: d in f32 | signed bytes.
#include "plugins/cpu/matmul/r8_neon.h"
#include "plugins/cpu/matmul/matmul_r8_neon.h"

void collet_cpu_matmul_q8_k_neon(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                                 uint32_t token_begin, uint32_t token_end)
{
    const r8_format format = { .codes = r8_eight_bits, .code_bytes = 256, .d = R8_D_F32, .n_sub = 1 };
    r8_run(a, panel_begin, panel_end, token_begin, token_end, format);
}
