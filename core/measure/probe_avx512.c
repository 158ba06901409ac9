// SPDX-License-Identifier: Apache-2.0
// core/measure/probe_avx512.c - probe loops with 64-byte registers; the dot product of bytes is VNNI's.
#include "core/measure/probe_isa.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define ACCUMULATORS 16

uint64_t collet_probe_read_avx512(const void *data, uint64_t n_bytes)
{
    const __m512i *v = data;
    __m512i sum[4] = { _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512() };
    for (uint64_t i = 0; i < n_bytes / 64; i += 4)
        for (int k = 0; k < 4; k++)
            sum[k] = _mm512_xor_si512(sum[k], _mm512_load_si512(v + i + k));
    sum[0] = _mm512_xor_si512(_mm512_xor_si512(sum[0], sum[1]), _mm512_xor_si512(sum[2], sum[3]));
    return (uint64_t)_mm512_reduce_or_epi64(sum[0]);
}

double collet_probe_f32_avx512(uint64_t rounds)
{
    __m512 acc[ACCUMULATORS], x = _mm512_set1_ps(0.5f);
    for (int i = 0; i < ACCUMULATORS; i++)
        acc[i] = _mm512_set1_ps((float)i);
    for (uint64_t r = 0; r < rounds; r++)
        for (int i = 0; i < ACCUMULATORS; i++) {
            acc[i] = _mm512_fmadd_ps(acc[i], x, x);
            __asm__ volatile("" : "+v"(acc[i]));
        }
    return (double)rounds * ACCUMULATORS * 16 * 2;
}

double collet_probe_int8_avx512(uint64_t rounds)
{
    __m512i acc[ACCUMULATORS];
    const __m512i u = _mm512_set1_epi8(3), s = _mm512_set1_epi8(-5);
    for (int i = 0; i < ACCUMULATORS; i++)
        acc[i] = _mm512_set1_epi32(i);
    for (uint64_t r = 0; r < rounds; r++)
        for (int i = 0; i < ACCUMULATORS; i++) {
            acc[i] = _mm512_dpbusd_epi32(acc[i], u, s);
            __asm__ volatile("" : "+v"(acc[i]));
        }
    return (double)rounds * ACCUMULATORS * 64 * 2;
}
#else
uint64_t collet_probe_read_avx512(const void *data, uint64_t n_bytes)
{
    (void)data;
    return n_bytes;
}

double collet_probe_f32_avx512(uint64_t rounds)
{
    return 0.0 * (double)rounds;
}

double collet_probe_int8_avx512(uint64_t rounds)
{
    return 0.0 * (double)rounds;
}
#endif
