// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/attention/attention_prefill_f16_avx2.c - a block of query rows over a store of halves.
#include "plugins/cpu/attention/attention_prefill_avx2.h"

void collet_cpu_attention_prefill_f16_avx2(const collet_cpu_attention_args *a, uint32_t begin, uint32_t end,
                                           float *scratch, float *partial)
{
    (void)partial;
    prefill(a, begin, end, scratch, true);
}
