// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_q6_k_dotprod.c - q6_k.r8: signed scales of 16 columns, codes of 6 bits, 32 too large.
#include "plugins/cpu/matmul/r8_dotprod.h"
#include "plugins/cpu/matmul/matmul_r8_neon.h"

void collet_cpu_matmul_q6_k_dotprod(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                                    uint32_t token_begin, uint32_t token_end)
{
    const r8_format format = { .codes = r8_nibbles_and_pairs,
                               .code_bytes = 192,
                               .bits = 6,
                               .m = R8_M_OFFSET,
                               .offset = 32,
                               .is_super = 1,
                               .n_sub = 2,
                               .signed_scales = 1 };
    r8_run(a, panel_begin, panel_end, token_begin, token_end, format);
}
