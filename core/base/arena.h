// SPDX-License-Identifier: Apache-2.0
// core/base/arena.h - many small pieces of memory that die together.
#ifndef COLLET_CORE_BASE_ARENA_H
#define COLLET_CORE_BASE_ARENA_H

#include <stdbool.h>

#include "collet/base.h"

typedef struct collet_arena_chunk collet_arena_chunk;

// When memory runs out a call gives NULL and `failed` stays set, so that a caller may test once at the end.
typedef struct collet_arena {
    collet_arena_chunk *chunk; // the newest; NULL while empty
    bool failed;
} collet_arena;

// Zeroed, aligned for any type. Ownership: lends until collet_arena_free().
void *collet_arena_alloc(collet_arena *a, size_t n_bytes);

// Copies, terminated.
char *collet_arena_text(collet_arena *a, const char *data, size_t n_bytes);
char *collet_arena_printf(collet_arena *a, const char *format, ...) COLLET_PRINTF(2, 3);

void collet_arena_free(collet_arena *a); // zeroes; accepts a zeroed one

#endif
