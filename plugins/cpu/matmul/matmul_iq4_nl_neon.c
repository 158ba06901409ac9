// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_iq4_nl_neon.c - iq4_nl.r8: d | nibbles that index a table of signed bytes.
#include "plugins/common/blocks.h"
#include "plugins/cpu/matmul/r8_neon.h"
#include "plugins/cpu/matmul/matmul_r8_neon.h"

static const int8_t values[16] = COLLET_IQ4_VALUES;

R8_INLINE int8x16_t codes_of(const uint8_t *codes, int g, int h)
{
    return r8_looked_up(codes, g, h, values);
}

void collet_cpu_matmul_iq4_nl_neon(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                                   uint32_t token_begin, uint32_t token_end)
{
    const r8_format format = { .codes = codes_of, .code_bytes = 128, .n_sub = 1 };
    r8_run(a, panel_begin, panel_end, token_begin, token_end, format);
}
