// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/attention/kv_append_f16_avx2.c - eight floats become eight halves; n is a multiple of 8.
#include <immintrin.h>

#include "plugins/cpu/attention/attention.h"

void collet_cpu_kv_append_f16_avx2(void *dst, const float *src, uint32_t n)
{
    uint16_t *half = dst;
    for (uint32_t i = 0; i < n; i += 8)
        _mm_storeu_si128((__m128i *)(half + i), _mm256_cvtps_ph(_mm256_loadu_ps(src + i), _MM_FROUND_TO_NEAREST_INT));
}
