// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_dense_load.h - weights of a dense row as f32.
#ifndef COLLET_PLUGINS_CPU_MATMUL_MATMUL_DENSE_LOAD_H
#define COLLET_PLUGINS_CPU_MATMUL_MATMUL_DENSE_LOAD_H

#include <immintrin.h>
#include <string.h>

#include "plugins/common/f16.h"

#define DENSE_INLINE static inline __attribute__((always_inline))

typedef __m256 dense_load8_fn(const uint8_t *row, uint32_t i); // elements i..i+7 as f32
typedef float dense_load1_fn(const uint8_t *row, uint32_t i);

DENSE_INLINE __m256 dense_f32_load8(const uint8_t *row, uint32_t i)
{
    return _mm256_loadu_ps((const float *)(const void *)row + i);
}

DENSE_INLINE float dense_f32_load1(const uint8_t *row, uint32_t i)
{
    float value;
    memcpy(&value, row + 4 * i, sizeof value);
    return value;
}

DENSE_INLINE __m256 dense_f16_load8(const uint8_t *row, uint32_t i)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(row + 2 * i)));
}

DENSE_INLINE float dense_f16_load1(const uint8_t *row, uint32_t i)
{
    uint16_t half;
    memcpy(&half, row + 2 * i, sizeof half);
    return collet_f16_to_f32(half);
}

DENSE_INLINE __m256 dense_bf16_load8(const uint8_t *row, uint32_t i)
{
    const __m128i halves = _mm_loadu_si128((const __m128i *)(const void *)(row + 2 * i));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

DENSE_INLINE float dense_bf16_load1(const uint8_t *row, uint32_t i)
{
    uint16_t half;
    memcpy(&half, row + 2 * i, sizeof half);
    return collet_bf16_to_f32(half);
}

#endif
