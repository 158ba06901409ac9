// SPDX-License-Identifier: Apache-2.0
// core/base/isa_probe_avx2.c - AVX2, FMA, F16C: the dot product of two small vectors through each.
#include "core/base/isa_probe.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

int collet_isa_probe_avx2(void)
{
    uint8_t a[32];
    int8_t b[32];
    volatile int seed = 3; // keeps the compiler from folding the product
    int want = 0;
    for (int i = 0; i < 32; i++) {
        a[i] = (uint8_t)(i + seed);
        b[i] = (int8_t)(i - 16);
        want += a[i] * b[i];
    }
    __m256i p = _mm256_maddubs_epi16(_mm256_loadu_si256((const __m256i *)a), _mm256_loadu_si256((const __m256i *)b));
    p = _mm256_madd_epi16(p, _mm256_set1_epi16(1));
    int32_t lanes[8];
    _mm256_storeu_si256((__m256i *)lanes, p);
    int got = 0;
    for (int i = 0; i < 8; i++)
        got += lanes[i];

    __m256 x = _mm256_set1_ps((float)seed); // exact in half precision
    x = _mm256_cvtph_ps(_mm256_cvtps_ph(x, 0));
    x = _mm256_fmadd_ps(x, x, x); // 3 * 3 + 3
    float f[8];
    _mm256_storeu_ps(f, x);
    return got == want && f[0] == 12.0f && f[7] == 12.0f;
}
#else
int collet_isa_probe_avx2(void)
{
    return 0;
}
#endif
