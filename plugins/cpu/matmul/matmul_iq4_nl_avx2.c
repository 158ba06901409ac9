// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_iq4_nl_avx2.c - iq4_nl.r8: d | nibbles that index a table of signed bytes.
#include "plugins/common/blocks.h"
#include "plugins/cpu/matmul/r8_avx2.h"
#include "plugins/cpu/matmul/matmul_r8.h"

static const int8_t values[16] = COLLET_IQ4_VALUES;

R8_INLINE void unpack(const uint8_t *codes, __m256i w[8])
{
    r8_looked_up(codes, w, values);
}

void collet_cpu_matmul_iq4_nl_avx2(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                                   uint32_t token_begin, uint32_t token_end)
{
    const r8_format format = { .unpack = unpack, .code_bytes = 128 };
    r8_run(a, panel_begin, panel_end, token_begin, token_end, r8_blocks, format);
}
