// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_f32_avx512.c - rows of f32, as they are; f32 activations.
#include "plugins/cpu/matmul/matmul_dense_avx512.h"

void collet_cpu_matmul_f32_avx512(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                                  uint32_t token_begin, uint32_t token_end)
{
    dense_run_avx512(a, panel_begin, panel_end, token_begin, token_end, dense_f32_load8, dense_f32_load1, 4);
}
