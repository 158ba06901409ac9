// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_k_lanes_1.h - one lane: what the K encoders' headers need of a vector type, in plain C.
//
// plugins/cpu/quant has the same names for 8 and 16 lanes. Arithmetic uses operators, which vectors have too.
#ifndef COLLET_PLUGINS_COMMON_QUANT_K_LANES_1_H
#define COLLET_PLUGINS_COMMON_QUANT_K_LANES_1_H

#include <stdint.h>

#include "plugins/common/f16.h"

#define LANES 1

typedef float lanes;

static inline lanes lanes_set(float value)
{
    return value;
}

static inline lanes lanes_load(const float *from)
{
    return *from;
}

static inline void lanes_store(float *to, lanes a)
{
    *to = a;
}

// x[e], lane j = from[j n + e], for n elements (a multiple of 16).
static inline void lanes_load_columns(lanes *x, const float *from, uint32_t n)
{
    for (uint32_t e = 0; e < n; e++)
        x[e] = from[e];
}

// The second operand where one is NaN.
static inline lanes lanes_max(lanes a, lanes b)
{
    return a > b ? a : b;
}

static inline lanes lanes_min(lanes a, lanes b)
{
    return a < b ? a : b;
}

// To the nearest integer, halves to even; |a| < 2^22.
static inline lanes lanes_round(lanes a)
{
    return (a + 12582912.0f) - 12582912.0f;
}

// What f16 makes of it.
static inline lanes lanes_half(lanes a)
{
    return collet_f16_to_f32(collet_f32_to_f16(a));
}

// to[e] = round((x[e] + add) * inv), held between low and high, less low; for 16 elements. NaN gives 0.
static inline void lanes_codes(uint8_t *to, const float *x, float add, float inv, float low, float high)
{
    for (uint32_t e = 0; e < 16; e++)
        to[e] = (uint8_t)(lanes_round(lanes_min(lanes_max((x[e] + add) * inv, low), high)) - low);
}

// a > b ? yes : no
static inline lanes lanes_pick(lanes a, lanes b, lanes yes, lanes no)
{
    return a > b ? yes : no;
}

#endif
