// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_act_avx2.c - f32 activations to 8 bits, one scale per 32.
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "plugins/cpu/matmul/matmul.h"

static float largest(__m256 v)
{
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

static int32_t sum16(__m128i q)
{
    const __m128i pairs = _mm_madd_epi16(_mm_maddubs_epi16(_mm_set1_epi8(1), q), _mm_set1_epi16(1));
    const __m128i two = _mm_add_epi32(pairs, _mm_shuffle_epi32(pairs, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}

void collet_cpu_quantize_act_avx2(collet_cpu_act *act, uint32_t step, const float *x, uint32_t n_in)
{
    const __m256 no_sign = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    // Packing 32-bit lanes to bytes goes through 128-bit halves; this puts the bytes back in order.
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (uint32_t b = 0; b < n_in / 32; b++, x += 32, act += step) {
        __m256 v[4], top = _mm256_setzero_ps(), zero = _mm256_setzero_ps();
        for (int i = 0; i < 4; i++) {
            v[i] = _mm256_loadu_ps(x + 8 * i);
            top = _mm256_max_ps(top, _mm256_and_ps(v[i], no_sign));
            zero = _mm256_add_ps(zero, _mm256_mul_ps(v[i], _mm256_setzero_ps())); // NaN if v is NaN or infinite
        }
        const float amax = largest(top);
        const int finite = _mm256_movemask_ps(_mm256_cmp_ps(zero, zero, _CMP_UNORD_Q)) == 0;
        // Below 1e-30 the inverse would overflow; such a block is zero beside any other.
        const float scale = finite ? amax / 127.0f : NAN, inverse = finite && amax > 1e-30f ? 127.0f / amax : 0.0f;
        __m256i q[4];
        for (int i = 0; i < 4; i++)
            q[i] = _mm256_cvtps_epi32(_mm256_mul_ps(finite ? v[i] : _mm256_setzero_ps(), _mm256_set1_ps(inverse)));
        const __m256i low = _mm256_packs_epi32(q[0], q[1]), high = _mm256_packs_epi32(q[2], q[3]);
        const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
        const int32_t first = sum16(_mm256_castsi256_si128(bytes)), second = sum16(_mm256_extracti128_si256(bytes, 1));
        _mm256_storeu_si256((__m256i *)(void *)act->q, bytes);
        act->d = scale;
        act->s = scale * (float)(first + second);
        act->half[0] = scale * (float)first;
        act->half[1] = scale * (float)second;
    }
}
