// SPDX-License-Identifier: Apache-2.0
// core/text/vocab.h - the texts of a vocabulary: one arena, and a hash table from text to id.
#ifndef COLLET_CORE_TEXT_VOCAB_H
#define COLLET_CORE_TEXT_VOCAB_H

#include "core/text/tokenizer.h"

#define COLLET_NO_PIECE UINT32_MAX

typedef struct collet_span {
    uint32_t begin, n_bytes; // in the arena
} collet_span;

// From text to number, open addressing. A slot keeps half of its text's hash, so that a miss rarely touches the arena.
typedef struct collet_piece_slot {
    uint32_t hash;
    uint32_t id; // COLLET_NO_PIECE: free
} collet_piece_slot;

typedef struct collet_piece_map {
    collet_piece_slot *slots; // a power of two, at most half full
    uint32_t mask;
    uint32_t n_used;
} collet_piece_map;

// A "piece" is a token, or a text that only merges know: BPE merges may pass through texts that are no tokens.
typedef struct collet_vocab {
    uint32_t n_tokens; // pieces [0, n_tokens) are the tokens
    uint32_t n_pieces;
    uint32_t n_pieces_max;
    collet_span *keys;  // (n_pieces) the piece as it stands in the text to encode; empty: never found there
    collet_span *texts; // (n_tokens) what the token writes
    char *arena;
    size_t n_arena, n_arena_max;
    collet_piece_map by_key;
} collet_vocab;

// Room for so many tokens and about so many bytes of text.  Errors: NOMEM (zeroed or half-built: finish it)
collet_status collet_vocab_init(collet_vocab *v, uint32_t n_tokens, size_t n_bytes, collet_error *err);
void collet_vocab_finish(collet_vocab *v); // accepts a zeroed one

// Copies into the arena.  Errors: NOMEM, FORMAT (4 GiB of text)
collet_status collet_vocab_store(collet_span *span, collet_vocab *v, const char *text, size_t n_bytes,
                                 collet_error *err);

// Makes the keys of all tokens findable, once they are stored; the later of two equal ones is found.
void collet_vocab_index_tokens(collet_vocab *v);

// The piece with this key: found, or made as one that only merges know.  Errors: NOMEM, FORMAT
collet_status collet_vocab_intern(uint32_t *id, collet_vocab *v, const char *key, size_t n_bytes, collet_error *err);

// COLLET_NO_PIECE: none.
uint32_t collet_vocab_find(const collet_vocab *v, const char *key, size_t n_bytes);

// The same over any spans of the arena, for tables beside by_key.
collet_status collet_piece_map_init(collet_piece_map *map, uint32_t n, collet_error *err);
void collet_piece_map_finish(collet_piece_map *map);
uint32_t collet_piece_map_find(const collet_piece_map *map, const char *arena, const collet_span *spans,
                               const char *text, size_t n_bytes);
// Room must be there (init's n). With `replace` an equal text takes the new id, without it keeps the old one.
void collet_piece_map_add(collet_piece_map *map, const char *arena, const collet_span *spans, uint32_t id,
                          bool replace);

#endif
