// SPDX-License-Identifier: Apache-2.0
// tests/support/guard.h - memory whose neighbours fault: one byte too far is a crash at the instruction that did it.
#ifndef COLLET_TESTS_SUPPORT_GUARD_H
#define COLLET_TESTS_SUPPORT_GUARD_H

#include <stddef.h>

typedef struct collet_guard {
    void *data; // n_bytes; the byte after the last is unmapped, and so is the page before the first one's page
    size_t n_bytes;
    void *map;
    size_t map_bytes;
} collet_guard;

// Filled with 0xff, which is NaN as f32 and f16. `data + n_bytes` is where the unmapped page begins, so data is aligned
// to nothing in general. Ends the program when memory runs out: a test cannot go on.
collet_guard collet_guard_make(size_t n_bytes);
void collet_guard_free(collet_guard *g);

// From here on writing faults.
void collet_guard_seal(collet_guard *g);

#endif
