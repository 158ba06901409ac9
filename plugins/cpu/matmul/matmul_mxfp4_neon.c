// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_mxfp4_neon.c - mxfp4.r8: powers of two | nibbles that index a table.
//
// Twelve is added to the (doubled) values, so that they are unsigned and fit 5 bits.
#include "plugins/cpu/matmul/r8_neon.h"
#include "plugins/cpu/matmul/matmul_r8_neon.h"

static const int8_t values[16] = { 12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0 };

R8_INLINE int8x16_t codes_of(const uint8_t *codes, int g, int h)
{
    return r8_looked_up(codes, g, h, values);
}

void collet_cpu_matmul_mxfp4_neon(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                                  uint32_t token_begin, uint32_t token_end)
{
    const r8_format format = {
        .codes = codes_of, .code_bytes = 128, .d = R8_D_E8M0, .bits = 5, .m = R8_M_OFFSET, .offset = 12, .n_sub = 1
    };
    r8_run(a, panel_begin, panel_end, token_begin, token_end, format);
}
