// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_bf16_avx2.c - rows of bf16, widened by a shift; f32 activations.
#include "plugins/cpu/matmul/matmul_dense_avx2.h"

void collet_cpu_matmul_bf16_avx2(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                                 uint32_t token_begin, uint32_t token_end)
{
    dense_run(a, panel_begin, panel_end, token_begin, token_end, dense_bf16_load8, dense_bf16_load1, 2);
}
