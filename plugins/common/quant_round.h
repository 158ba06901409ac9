// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_round.h - what the plain quantizers share: the range of a block, and floats to codes.
//
// Floats become integers by comparisons first: the cast of a NaN or of a huge float would be undefined.
#ifndef COLLET_PLUGINS_COMMON_QUANT_ROUND_H
#define COLLET_PLUGINS_COMMON_QUANT_ROUND_H

#include <math.h>
#include <stdint.h>

// The value of largest magnitude with its sign; the first one wins a tie. NaN is passed over.
static inline float collet_signed_peak(const float *x, uint32_t n)
{
    float peak = 0.0f;
    for (uint32_t i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(peak))
            peak = x[i];
    return peak;
}

// Returns the smallest value, gives the largest. NaN is passed over, unless it comes first.
static inline float collet_range(float *max, const float *x, uint32_t n)
{
    float min = x[0];
    *max = x[0];
    for (uint32_t i = 1; i < n; i++) {
        min = x[i] < min ? x[i] : min;
        *max = x[i] > *max ? x[i] : *max;
    }
    return min;
}

// Truncates to 0..max; NaN gives 0.
static inline uint32_t collet_code(float x, uint32_t max)
{
    if (!(x > 0.0f))
        return 0;
    return x < (float)max ? (uint32_t)x : max;
}

// Rounds to -127..127, halves away from zero; NaN gives 0.
static inline int8_t collet_code_i8(float x)
{
    if (!(fabsf(x) < 127.0f))
        return (int8_t)(x >= 127.0f ? 127 : x <= -127.0f ? -127 : 0);
    return (int8_t)roundf(x);
}

#endif
