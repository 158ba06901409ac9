// SPDX-License-Identifier: Apache-2.0
// core/base/isa_probe_avx512.c - AVX-512 F, BW, DQ, VL, VNNI: a dot product of bytes and a masked sum.
#include "core/base/isa_probe.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

int collet_isa_probe_avx512(void)
{
    uint8_t a[64];
    int8_t b[64];
    volatile int seed = 3; // keeps the compiler from folding the product
    int want = 0;
    for (int i = 0; i < 64; i++) {
        a[i] = (uint8_t)(i + seed);
        b[i] = (int8_t)(i - 32);
        want += a[i] * b[i];
    }
    __m512i p = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_loadu_si512(a), _mm512_loadu_si512(b));
    int32_t got = _mm512_reduce_add_epi32(p);

    __m512 x = _mm512_maskz_mov_ps(0x00ff, _mm512_set1_ps((float)seed));
    x = _mm512_and_ps(x, x);             // DQ
    __m512i w = _mm512_adds_epi16(p, p); // BW
    return got == want && _mm512_reduce_add_ps(x) == 24.0f && _mm512_reduce_add_epi32(w) != 1 - want;
}
#else
int collet_isa_probe_avx512(void)
{
    return 0;
}
#endif
