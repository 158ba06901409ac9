// SPDX-License-Identifier: Apache-2.0
// core/measure/probe_avx2.c - probe loops with 32-byte registers.
#include "core/measure/probe_isa.h"

#if defined(__x86_64__)
#include <immintrin.h>

// A name for each accumulator: an array of them may be kept on the stack, and then loads and stores are what is timed.
#define EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#define ACCUMULATORS 12

uint64_t collet_probe_read_avx2(const void *data, uint64_t n_bytes)
{
    __m256i sum[4] = { _mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256() };
    const uint64_t part = n_bytes / COLLET_PROBE_STREAMS;
    for (uint64_t i = 0; i < part; i += 128)
        for (uint64_t s = 0; s < COLLET_PROBE_STREAMS; s++) {
            const char *p = (const char *)data + s * part + i;
            _mm_prefetch(p + COLLET_PROBE_AHEAD, _MM_HINT_T0);
            _mm_prefetch(p + COLLET_PROBE_AHEAD + 64, _MM_HINT_T0);
            for (int k = 0; k < 4; k++)
                sum[k] = _mm256_xor_si256(sum[k], _mm256_load_si256((const __m256i *)(const void *)p + k));
        }
    sum[0] = _mm256_xor_si256(_mm256_xor_si256(sum[0], sum[1]), _mm256_xor_si256(sum[2], sum[3]));
    return (uint64_t)_mm256_extract_epi64(sum[0], 0) ^ (uint64_t)_mm256_extract_epi64(sum[0], 1) ^
           (uint64_t)_mm256_extract_epi64(sum[0], 2) ^ (uint64_t)_mm256_extract_epi64(sum[0], 3);
}

double collet_probe_f32_avx2(uint64_t rounds)
{
    const __m256 x = _mm256_set1_ps(0.5f);
#define ZERO(i) __m256 a##i = _mm256_setzero_ps();
#define STEP(i) \
    a##i = _mm256_fmadd_ps(x, x, a##i); \
    __asm__ volatile("" : "+x"(a##i));
    EACH(ZERO)
    for (uint64_t r = 0; r < rounds; r++) {
        EACH(STEP)
    }
#undef STEP
#undef ZERO
    return (double)rounds * ACCUMULATORS * 8 * 2;
}

// The barrier on s has the product made anew each time; to the processor it is nothing.
double collet_probe_int8_avx2(uint64_t rounds)
{
    const __m256i u = _mm256_set1_epi8(3);
    __m256i s = _mm256_set1_epi8(-5);
#define ZERO(i) __m256i a##i = _mm256_setzero_si256();
#define STEP(i) \
    a##i = _mm256_add_epi16(a##i, _mm256_maddubs_epi16(u, s)); \
    __asm__ volatile("" : "+x"(a##i), "+x"(s));
    EACH(ZERO)
    for (uint64_t r = 0; r < rounds; r++) {
        EACH(STEP)
    }
#undef STEP
#undef ZERO
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
