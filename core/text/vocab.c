// SPDX-License-Identifier: Apache-2.0
// core/text/vocab.c - the texts of a vocabulary: one arena, and a hash table from text to id.
#include "core/text/vocab.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/base/error.h"

static collet_status no_memory(collet_error *err)
{
    return collet_fail(err, COLLET_E_NOMEM, "no memory for the vocabulary");
}

// ---- text to id ----

collet_status collet_piece_map_init(collet_piece_map *map, uint32_t n, collet_error *err)
{
    uint64_t n_slots = 16;
    while (n_slots < (uint64_t)n * 2)
        n_slots *= 2;
    if (n_slots > UINT32_MAX)
        return no_memory(err);
    map->slots = malloc(n_slots * sizeof *map->slots);
    if (!map->slots)
        return no_memory(err);
    memset(map->slots, 0xFF, n_slots * sizeof *map->slots); // every id COLLET_NO_PIECE
    map->mask = (uint32_t)(n_slots - 1);
    map->n_used = 0;
    return COLLET_OK;
}

void collet_piece_map_finish(collet_piece_map *map)
{
    free(map->slots);
    *map = (collet_piece_map){ 0 };
}

// The slot that holds this text, or the free one where it belongs.
static inline collet_piece_slot *probe(const collet_piece_map *map, const char *arena, const collet_span *spans,
                                       const char *text, size_t n_bytes, uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32);
    for (uint32_t at = (uint32_t)hash & map->mask;; at = (at + 1) & map->mask) {
        collet_piece_slot *slot = &map->slots[at];
        if (slot->id == COLLET_NO_PIECE)
            return slot;
        if (slot->hash != tag)
            continue;
        const collet_span *span = &spans[slot->id];
        if (span->n_bytes == n_bytes && memcmp(arena + span->begin, text, n_bytes) == 0)
            return slot;
    }
}

uint32_t collet_piece_map_find(const collet_piece_map *map, const char *arena, const collet_span *spans,
                               const char *text, size_t n_bytes)
{
    return probe(map, arena, spans, text, n_bytes, XXH3_64bits(text, n_bytes))->id;
}

static void add_hashed(collet_piece_map *map, const char *arena, const collet_span *spans, uint32_t id, bool replace,
                       uint64_t hash)
{
    collet_piece_slot *slot = probe(map, arena, spans, arena + spans[id].begin, spans[id].n_bytes, hash);
    if (slot->id == COLLET_NO_PIECE)
        map->n_used++;
    else if (!replace)
        return;
    *slot = (collet_piece_slot){ .hash = (uint32_t)(hash >> 32), .id = id };
}

void collet_piece_map_add(collet_piece_map *map, const char *arena, const collet_span *spans, uint32_t id, bool replace)
{
    add_hashed(map, arena, spans, id, replace, XXH3_64bits(arena + spans[id].begin, spans[id].n_bytes));
}

// ---- the vocabulary ----

collet_status collet_vocab_init(collet_vocab *v, uint32_t n_tokens, size_t n_bytes, collet_error *err)
{
    v->n_tokens = v->n_pieces = v->n_pieces_max = n_tokens;
    v->keys = calloc(n_tokens, sizeof *v->keys);
    v->texts = calloc(n_tokens, sizeof *v->texts);
    v->n_arena_max = n_bytes + 1;
    v->arena = malloc(v->n_arena_max);
    if (!v->keys || !v->texts || !v->arena)
        return no_memory(err);
    return collet_piece_map_init(&v->by_key, n_tokens, err);
}

void collet_vocab_finish(collet_vocab *v)
{
    free(v->keys);
    free(v->texts);
    free(v->arena);
    collet_piece_map_finish(&v->by_key);
    *v = (collet_vocab){ 0 };
}

collet_status collet_vocab_store(collet_span *span, collet_vocab *v, const char *text, size_t n_bytes,
                                 collet_error *err)
{
    if (n_bytes > UINT32_MAX - v->n_arena)
        return collet_fail(err, COLLET_E_FORMAT, "the texts of all tokens are longer than 4 GiB");
    if (v->n_arena + n_bytes > v->n_arena_max) {
        size_t wanted = (v->n_arena + n_bytes) * 2;
        char *arena = realloc(v->arena, wanted);
        if (!arena)
            return no_memory(err);
        v->arena = arena;
        v->n_arena_max = wanted;
    }
    *span = (collet_span){ .begin = (uint32_t)v->n_arena, .n_bytes = (uint32_t)n_bytes };
    if (n_bytes > 0)
        memcpy(v->arena + v->n_arena, text, n_bytes);
    v->n_arena += n_bytes;
    return COLLET_OK;
}

static collet_status grow_index(collet_vocab *v, collet_error *err)
{
    collet_piece_map larger = { 0 };
    collet_status st = collet_piece_map_init(&larger, v->n_pieces * 2, err);
    if (st != COLLET_OK)
        return st;
    for (uint64_t at = 0; at <= v->by_key.mask; at++)
        if (v->by_key.slots[at].id != COLLET_NO_PIECE)
            collet_piece_map_add(&larger, v->arena, v->keys, v->by_key.slots[at].id, true);
    collet_piece_map_finish(&v->by_key);
    v->by_key = larger;
    return COLLET_OK;
}

// The table is larger than the cache, so each token's slot is asked for a few tokens ahead: 262144 tokens take a third
// of the time.
void collet_vocab_index_tokens(collet_vocab *v)
{
    enum { AHEAD = 16 };
    uint64_t hashes[AHEAD];
    for (uint64_t i = 0; i < (uint64_t)v->n_tokens + AHEAD; i++) {
        if (i >= AHEAD && v->keys[i - AHEAD].n_bytes > 0)
            add_hashed(&v->by_key, v->arena, v->keys, (uint32_t)(i - AHEAD), true, hashes[i % AHEAD]);
        if (i < v->n_tokens) {
            hashes[i % AHEAD] = XXH3_64bits(v->arena + v->keys[i].begin, v->keys[i].n_bytes);
            __builtin_prefetch(&v->by_key.slots[hashes[i % AHEAD] & v->by_key.mask], 1);
        }
    }
}

collet_status collet_vocab_intern(uint32_t *id, collet_vocab *v, const char *key, size_t n_bytes, collet_error *err)
{
    *id = collet_vocab_find(v, key, n_bytes);
    if (*id != COLLET_NO_PIECE)
        return COLLET_OK;
    if (v->n_pieces == v->n_pieces_max) {
        if (v->n_pieces > UINT32_MAX / 4)
            return collet_fail(err, COLLET_E_FORMAT, "more than %u tokens and merges", UINT32_MAX / 4);
        uint32_t wanted = v->n_pieces + v->n_pieces / 2 + 256;
        collet_span *keys = realloc(v->keys, wanted * sizeof *keys);
        if (!keys)
            return no_memory(err);
        v->keys = keys;
        v->n_pieces_max = wanted;
    }
    collet_status st = COLLET_OK;
    if (v->by_key.n_used > v->by_key.mask / 2)
        st = grow_index(v, err);
    if (st == COLLET_OK)
        st = collet_vocab_store(&v->keys[v->n_pieces], v, key, n_bytes, err);
    if (st != COLLET_OK)
        return st;
    collet_piece_map_add(&v->by_key, v->arena, v->keys, v->n_pieces, true);
    *id = v->n_pieces++;
    return COLLET_OK;
}

uint32_t collet_vocab_find(const collet_vocab *v, const char *key, size_t n_bytes)
{
    return collet_piece_map_find(&v->by_key, v->arena, v->keys, key, n_bytes);
}
