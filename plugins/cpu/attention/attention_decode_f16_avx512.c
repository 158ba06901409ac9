// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/attention/attention_decode_f16_avx512.c - one query row of a group of heads over a store of halves.
#include "plugins/cpu/attention/attention_decode_avx512.h"

void collet_cpu_attention_decode_f16_avx512(const collet_cpu_attention_args *a, uint32_t begin, uint32_t end,
                                            float *scratch, float *partial)
{
    decode(a, begin, end, scratch, partial, true);
}
