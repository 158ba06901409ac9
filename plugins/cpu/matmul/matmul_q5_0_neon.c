// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_q5_0_neon.c - q5_0.r8: d | nibbles | fifth bits, 16 too large.
#include "plugins/cpu/matmul/r8_neon.h"
#include "plugins/cpu/matmul/matmul_r8_neon.h"

void collet_cpu_matmul_q5_0_neon(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                                 uint32_t token_begin, uint32_t token_end)
{
    const r8_format format = {
        .codes = r8_nibbles_and_bit, .code_bytes = 160, .bits = 5, .m = R8_M_OFFSET, .offset = 16, .n_sub = 1
    };
    r8_run(a, panel_begin, panel_end, token_begin, token_end, format);
}
