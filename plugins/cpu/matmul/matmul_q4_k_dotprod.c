// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_q4_k_dotprod.c - q4_k.r8: scales and minima of 32 columns, nibbles.
#include "plugins/cpu/matmul/r8_dotprod.h"
#include "plugins/cpu/matmul/matmul_r8_neon.h"

void collet_cpu_matmul_q4_k_dotprod(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                                    uint32_t token_begin, uint32_t token_end)
{
    const r8_format format = {
        .codes = r8_nibbles, .code_bytes = 128, .bits = 4, .m = R8_M_STORED, .is_super = 1, .n_sub = 1
    };
    r8_run(a, panel_begin, panel_end, token_begin, token_end, format);
}
