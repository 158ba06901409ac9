// SPDX-License-Identifier: Apache-2.0
// core/measure/probe_avx512.c - probe loops with 64-byte registers; the dot product of bytes is VNNI's, which some
// processors start once a cycle with 64 bytes, others twice with 32, or twice with 64.
#include "core/measure/probe_isa.h"

#if defined(__x86_64__)
#include <immintrin.h>

// A name for each accumulator: an array of them may be kept on the stack, and then loads and stores are what is timed.
#define EACH(DO) \
    DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14) DO(15)
#define ACCUMULATORS 16

uint64_t collet_probe_read_avx512(const void *data, uint64_t n_bytes)
{
    __m512i sum[2] = { _mm512_setzero_si512(), _mm512_setzero_si512() };
    const uint64_t part = n_bytes / COLLET_PROBE_STREAMS;
    for (uint64_t i = 0; i < part; i += 128)
        for (uint64_t s = 0; s < COLLET_PROBE_STREAMS; s++) {
            const char *p = (const char *)data + s * part + i;
            _mm_prefetch(p + COLLET_PROBE_AHEAD, _MM_HINT_T0);
            _mm_prefetch(p + COLLET_PROBE_AHEAD + 64, _MM_HINT_T0);
            sum[0] = _mm512_xor_si512(sum[0], _mm512_load_si512(p));
            sum[1] = _mm512_xor_si512(sum[1], _mm512_load_si512(p + 64));
        }
    return (uint64_t)_mm512_reduce_or_epi64(_mm512_xor_si512(sum[0], sum[1]));
}

double collet_probe_f32_avx512(uint64_t rounds)
{
    const __m512 x = _mm512_set1_ps(0.5f);
#define ZERO(i) __m512 a##i = _mm512_setzero_ps();
#define STEP(i) \
    a##i = _mm512_fmadd_ps(x, x, a##i); \
    __asm__ volatile("" : "+v"(a##i));
    EACH(ZERO)
    for (uint64_t r = 0; r < rounds; r++) {
        EACH(STEP)
    }
#undef STEP
#undef ZERO
    return (double)rounds * ACCUMULATORS * 16 * 2;
}

double collet_probe_int8_avx512(uint64_t rounds)
{
    const __m512i u = _mm512_set1_epi8(3), s = _mm512_set1_epi8(-5);
#define ZERO(i) __m512i a##i = _mm512_setzero_si512();
#define STEP(i) \
    a##i = _mm512_dpbusd_epi32(a##i, u, s); \
    __asm__ volatile("" : "+v"(a##i));
    EACH(ZERO)
    for (uint64_t r = 0; r < rounds; r++) {
        EACH(STEP)
    }
#undef STEP
#undef ZERO
    return (double)rounds * ACCUMULATORS * 64 * 2;
}

double collet_probe_int8_ymm_avx512(uint64_t rounds)
{
    const __m256i u = _mm256_set1_epi8(3), s = _mm256_set1_epi8(-5);
#define ZERO(i) __m256i a##i = _mm256_setzero_si256();
#define STEP(i) \
    a##i = _mm256_dpbusd_epi32(a##i, u, s); \
    __asm__ volatile("" : "+v"(a##i));
    EACH(ZERO)
    for (uint64_t r = 0; r < rounds; r++) {
        EACH(STEP)
    }
#undef STEP
#undef ZERO
    return (double)rounds * ACCUMULATORS * 32 * 2;
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

double collet_probe_int8_ymm_avx512(uint64_t rounds)
{
    return 0.0 * (double)rounds;
}
#endif
