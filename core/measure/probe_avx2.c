// SPDX-License-Identifier: Apache-2.0
// core/measure/probe_avx2.c - probe loops with 32-byte registers.
#include "core/measure/probe_isa.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define ACCUMULATORS 12

uint64_t collet_probe_read_avx2(const void *data, uint64_t n_bytes)
{
    const __m256i *v = data;
    __m256i sum[4] = { _mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256() };
    for (uint64_t i = 0; i < n_bytes / 32; i += 4)
        for (int k = 0; k < 4; k++)
            sum[k] = _mm256_xor_si256(sum[k], _mm256_load_si256(v + i + k));
    sum[0] = _mm256_xor_si256(_mm256_xor_si256(sum[0], sum[1]), _mm256_xor_si256(sum[2], sum[3]));
    return (uint64_t)_mm256_extract_epi64(sum[0], 0) ^ (uint64_t)_mm256_extract_epi64(sum[0], 1) ^
           (uint64_t)_mm256_extract_epi64(sum[0], 2) ^ (uint64_t)_mm256_extract_epi64(sum[0], 3);
}

double collet_probe_f32_avx2(uint64_t rounds)
{
    __m256 acc[ACCUMULATORS], x = _mm256_set1_ps(0.5f);
    for (int i = 0; i < ACCUMULATORS; i++)
        acc[i] = _mm256_set1_ps((float)i);
    for (uint64_t r = 0; r < rounds; r++)
        for (int i = 0; i < ACCUMULATORS; i++) {
            acc[i] = _mm256_fmadd_ps(acc[i], x, x);
            __asm__ volatile("" : "+x"(acc[i]));
        }
    return (double)rounds * ACCUMULATORS * 8 * 2;
}

double collet_probe_int8_avx2(uint64_t rounds)
{
    __m256i acc[ACCUMULATORS];
    const __m256i u = _mm256_set1_epi8(3);
    for (int i = 0; i < ACCUMULATORS; i++)
        acc[i] = _mm256_set1_epi16((int16_t)i);
    for (uint64_t r = 0; r < rounds; r++)
        for (int i = 0; i < ACCUMULATORS; i++) {
            acc[i] = _mm256_add_epi16(acc[i], _mm256_maddubs_epi16(u, acc[(i + 1) % ACCUMULATORS]));
            __asm__ volatile("" : "+x"(acc[i]));
        }
    return (double)rounds * ACCUMULATORS * 32 * 2;
}
#else
uint64_t collet_probe_read_avx2(const void *data, uint64_t n_bytes)
{
    (void)data;
    return n_bytes;
}

double collet_probe_f32_avx2(uint64_t rounds)
{
    return 0.0 * (double)rounds;
}

double collet_probe_int8_avx2(uint64_t rounds)
{
    return 0.0 * (double)rounds;
}
#endif
