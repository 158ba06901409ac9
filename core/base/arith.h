// SPDX-License-Identifier: Apache-2.0
// core/base/arith.h - sums and products of numbers that came from a file: checked, or refused.
#ifndef COLLET_CORE_BASE_ARITH_H
#define COLLET_CORE_BASE_ARITH_H

#include <stdbool.h>
#include <stdint.h>

// Each returns false, *out undefined, when the result does not fit.
static inline bool collet_add_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline bool collet_mul_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

// Rounds up to a multiple of `align`, a power of two.
static inline bool collet_align_u64(uint64_t a, uint64_t align, uint64_t *out)
{
    if (!collet_add_u64(a, align - 1, out))
        return false;
    *out &= ~(align - 1);
    return true;
}

#endif
