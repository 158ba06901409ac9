// SPDX-License-Identifier: Apache-2.0
// core/base/arena.c - a list of chunks, the newest first.
#include "core/base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arith.h"

#define CHUNK_BYTES 4000 // with its head and malloc's own below a page

struct collet_arena_chunk {
    collet_arena_chunk *older;
    size_t n_used, n_bytes;
    _Alignas(max_align_t) unsigned char data[];
};

void *collet_arena_alloc(collet_arena *a, size_t n_bytes)
{
    uint64_t need = 0, total = 0;
    bool fits = collet_align_u64(n_bytes ? n_bytes : 1, _Alignof(max_align_t), &need) &&
                collet_add_u64(need, sizeof(collet_arena_chunk), &total) && total <= SIZE_MAX;
    if (fits && (!a->chunk || need > a->chunk->n_bytes - a->chunk->n_used)) {
        size_t room = need > CHUNK_BYTES ? (size_t)need : CHUNK_BYTES;
        collet_arena_chunk *chunk = calloc(1, sizeof *chunk + room);
        fits = chunk != NULL;
        if (fits) {
            chunk->older = a->chunk;
            chunk->n_bytes = room;
            a->chunk = chunk;
        }
    }
    if (!fits) {
        a->failed = true;
        return NULL;
    }
    void *p = a->chunk->data + a->chunk->n_used;
    a->chunk->n_used += (size_t)need;
    return p;
}

char *collet_arena_text(collet_arena *a, const char *data, size_t n_bytes)
{
    char *copy = collet_arena_alloc(a, n_bytes + 1);
    if (copy && n_bytes)
        memcpy(copy, data, n_bytes);
    return copy;
}

char *collet_arena_printf(collet_arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : collet_arena_alloc(a, (size_t)n + 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, format, again);
    else
        a->failed = true;
    va_end(again);
    return text;
}

void collet_arena_free(collet_arena *a)
{
    while (a->chunk) {
        collet_arena_chunk *older = a->chunk->older;
        free(a->chunk);
        a->chunk = older;
    }
    *a = (collet_arena){ 0 };
}
