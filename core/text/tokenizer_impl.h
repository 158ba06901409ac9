// SPDX-License-Identifier: Apache-2.0
// core/text/tokenizer_impl.h - what the files of this folder share: the tokenizer's tables and an encoder's scratch.
#ifndef COLLET_CORE_TEXT_TOKENIZER_IMPL_H
#define COLLET_CORE_TEXT_TOKENIZER_IMPL_H

#include <stdatomic.h>

#include "core/text/pretokenize.h"
#include "core/text/tokenizer.h"
#include "core/text/vocab.h"

// What a token is; several may hold.
enum {
    COLLET_ATTR_NORMAL = 1u << 0,
    COLLET_ATTR_UNKNOWN = 1u << 1,
    COLLET_ATTR_CONTROL = 1u << 2,
    COLLET_ATTR_USER = 1u << 3,
    COLLET_ATTR_BYTE = 1u << 4,
    COLLET_ATTR_EOG = 1u << 5,   // ends an answer
    COLLET_ATTR_STRIP = 1u << 6, // blanks behind it in the text belong to it
    COLLET_ATTR_MARKUP = COLLET_ATTR_UNKNOWN | COLLET_ATTR_CONTROL,
    COLLET_ATTR_SPECIAL = COLLET_ATTR_MARKUP | COLLET_ATTR_USER
};

// Special tokens of one length: a pass over the text looks for all of them at once.
typedef struct collet_special_class {
    uint32_t n_bytes;
    bool starts[256]; // first bytes
} collet_special_class;

typedef struct collet_specials {
    collet_special_class *classes; // (n_classes), longest first
    uint32_t n_classes;
    uint8_t *starts;          // 65536 bits: two bytes that one of them begins with
    collet_piece_map by_text; // over vocab.texts
} collet_specials;

// One pair of pieces that BPE may join.
typedef struct collet_pair {
    uint32_t left, right;
    uint32_t rank;   // lower joins first
    uint32_t joined; // piece
} collet_pair;

struct collet_tokenizer {
    collet_vocab vocab;
    uint8_t *attrs; // (n_tokens) COLLET_ATTR_*
    int32_t bos, eos, unk;
    bool add_bos, add_eos, add_space_prefix, clean_spaces;
    bool is_bpe;
    uint32_t longest_text;           // bytes
    collet_specials specials_always; // user-defined tokens
    collet_specials specials_all;    // with control tokens: PARSE_SPECIAL
    uint32_t byte_ids[256];          // BPE: each byte's piece; SentencePiece: its token, COLLET_NO_PIECE without one
    char warning[160];

    // Does merging the token's own text give the token? 0: not tried yet, 1: yes, 2: no. Nearly always yes, and then a
    // word that is in the vocabulary costs one lookup. Written by any thread that finds out; all find the same.
    _Atomic uint8_t *whole; // (n_tokens)

    // BPE
    collet_pretokenizer pre;
    bool ignore_merges;
    collet_pair *pairs; // open addressing; left COLLET_NO_PIECE: free
    uint32_t pairs_mask;

    // SentencePiece
    uint32_t *costs;   // (n_tokens) order of scores, turned round: lower joins first
    uint8_t *adjacent; // 65536 bits: may a character that begins with byte b follow one that ends with byte a?
};

// One encode() call: the ids so far and scratch that grows to the longest word.
typedef struct collet_encoder {
    const collet_tokenizer *t;
    uint32_t *ids;
    size_t n_ids, n_ids_max;
    collet_split split;            // the regular expressions' memory
    struct collet_symbol *symbols; // (n_symbols_max), with as many links and twice as many bids, one allocation each
    struct collet_bid *bids;
    size_t n_symbols_max;
    collet_error *err;
} collet_encoder;

// ---- special.c ----
collet_status collet_specials_mark(collet_tokenizer *t, const collet_vocab_source *source, collet_error *err);
collet_status collet_specials_init(collet_tokenizer *t, collet_error *err);
void collet_specials_finish(collet_specials *s);

// A stretch of the text: as it stands, or one special token.
typedef struct collet_fragment {
    size_t begin, end;
    uint32_t id; // COLLET_NO_PIECE: text
} collet_fragment;

// Ownership: gives *fragments, free() it.  Errors: NOMEM
collet_status collet_specials_cut(collet_fragment **fragments, size_t *n, const collet_tokenizer *t, const char *text,
                                  size_t n_bytes, bool parse_special, collet_error *err);

// ---- bpe.c, spm.c: load fills vocab keys and texts and the tables of its kind ----
collet_status collet_bpe_load(collet_tokenizer *t, const collet_vocab_source *source, collet_error *err);
collet_status collet_bpe_encode(collet_encoder *e, const char *text, size_t n_bytes);
const collet_pair *collet_bpe_pair(const collet_tokenizer *t, uint32_t left, uint32_t right); // NULL: never joined
collet_status collet_spm_load(collet_tokenizer *t, const collet_vocab_source *source, collet_error *err);
collet_status collet_spm_encode(collet_encoder *e, const char *text, size_t n_bytes);

// ---- merge.c: one word, whose merges touch no other ----
collet_status collet_merge_word(collet_encoder *e, const char *word, size_t n_bytes);

// ---- tokenizer.c ----
collet_status collet_encoder_push(collet_encoder *e, uint32_t id);
// "<0x41>" -> 0x41; -1: not of this form.
int collet_byte_token_value(collet_bytes text);

#endif
