// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_q3_k_dotprod.c - q3_k.r8: signed scales of 16 columns, codes of 3 bits, 4 too large.
#include "plugins/cpu/matmul/r8_dotprod.h"
#include "plugins/cpu/matmul/matmul_r8_neon.h"

void collet_cpu_matmul_q3_k_dotprod(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                                    uint32_t token_begin, uint32_t token_end)
{
    const r8_format format = { .codes = r8_pairs_and_bit,
                               .code_bytes = 96,
                               .bits = 3,
                               .m = R8_M_OFFSET,
                               .offset = 4,
                               .is_super = 1,
                               .n_sub = 2,
                               .signed_scales = 1 };
    r8_run(a, panel_begin, panel_end, token_begin, token_end, format);
}
