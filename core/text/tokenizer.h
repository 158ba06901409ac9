// SPDX-License-Identifier: Apache-2.0
// core/text/tokenizer.h - text to token ids and back: byte-level BPE and SentencePiece-style vocabularies.
//
// Invariant: same source and text, same ids, on every machine; the rules are llama.cpp's, case by case, because that is
//            what GGUF vocabularies were converted for (tests/core/text/test_tokenizer_golden.c).
// Lifecycle: create -> { encode | decode | ask }* -> destroy
// Threads:   [any-thread] once created: encode and decode keep their state on the caller's side
// Memory:    one arena for all token texts and one hash table; nothing is allocated per token
#ifndef COLLET_CORE_TEXT_TOKENIZER_H
#define COLLET_CORE_TEXT_TOKENIZER_H

#include <stdbool.h>

#include "collet/base.h"

typedef struct collet_tokenizer collet_tokenizer;

typedef struct collet_bytes {
    const char *data; // n bytes, any value, not terminated
    size_t n;
} collet_bytes;

// Kinds of tokens, as numbered in GGUF.
enum {
    COLLET_TOKEN_NORMAL = 1,
    COLLET_TOKEN_UNKNOWN = 2,
    COLLET_TOKEN_CONTROL = 3,      // found in text only with PARSE_SPECIAL
    COLLET_TOKEN_USER_DEFINED = 4, // found in text always, before anything is split
    COLLET_TOKEN_UNUSED = 5,
    COLLET_TOKEN_BYTE = 6 // "<0x41>"
};

// What the vocabulary's file says; how it was stored is its reader's business. Everything is borrowed until create()
// returns.
typedef struct collet_vocab_source {
    const char *model;          // "gpt2" (byte-level BPE) or "llama" (SentencePiece-style)
    const char *pre;            // the pre-tokenizer's name, BPE only; NULL: "default", and a warning
    const char *model_name;     // general.name: one family strips blanks after its special tokens; may be NULL
    const collet_bytes *tokens; // (n_tokens)
    const float *scores;        // (n_tokens), higher merges first; NULL: all 0
    const int32_t *types;       // (n_tokens) COLLET_TOKEN_*; NULL: all normal
    const collet_bytes *merges; // (n_merges) "left right", first is best; BPE only
    uint32_t n_tokens;
    uint32_t n_merges;
    int32_t bos, eos, eot, eom, unk;            // ids, -1: none
    int32_t add_bos, add_eos, add_space_prefix; // 1, 0, or -1: as the model and the pre-tokenizer are used to
} collet_vocab_source;

// Ownership: gives *out, destroy() frees; destroy accepts NULL
// Errors:    UNSUPPORTED  an unknown model or pre-tokenizer: the message names it and the nearest known one
//            FORMAT       an id out of range, a merge without two sides, no way to write some byte (SentencePiece)
//            NOMEM
collet_status collet_tokenizer_create(collet_tokenizer **out, const collet_vocab_source *source, collet_error *err);
void collet_tokenizer_destroy(collet_tokenizer *t);

// What its user should be told once, such as a missing pre-tokenizer; NULL: nothing.
const char *collet_tokenizer_warning(const collet_tokenizer *t);

uint32_t collet_tokenizer_n_tokens(const collet_tokenizer *t);
uint64_t collet_tokenizer_bytes(const collet_tokenizer *t); // its tables in memory, compiled expressions aside
int32_t collet_tokenizer_bos(const collet_tokenizer *t); // -1: none
int32_t collet_tokenizer_eos(const collet_tokenizer *t);
bool collet_tokenizer_adds_bos(const collet_tokenizer *t);

// Does this id end an answer (end of text, of a turn, of a message)? Is it markup rather than text?
bool collet_tokenizer_is_eog(const collet_tokenizer *t, uint32_t id);
bool collet_tokenizer_is_special(const collet_tokenizer *t, uint32_t id);

// What the token writes, special ones included; data is lent until destroy, n is 0 for an id out of range.
collet_bytes collet_tokenizer_text(const collet_tokenizer *t, uint32_t id);

// The special token with exactly this text: for templates and stop words.
bool collet_tokenizer_find_special(uint32_t *id, const collet_tokenizer *t, const char *text, size_t n_bytes);

enum {
    COLLET_ENCODE_ADD_SPECIAL = 1u << 0,  // BOS in front and EOS behind, where the vocabulary says so
    COLLET_ENCODE_PARSE_SPECIAL = 1u << 1 // "<|im_end|>" in the text means the token, not its letters
};

// Longer texts are refused, not cut.
#define COLLET_ENCODE_BYTES_MAX ((size_t)1 << 30)

// Any bytes, NUL included. Bytes that are no UTF-8 become U+FFFD each (BPE) or byte tokens (SentencePiece). Bytes that
// the vocabulary has no token for are left out (BPE: control characters, mostly) or unknown (SentencePiece).
//
// Shapes:    *ids (*n_ids) u32
// Ownership: gives *ids, free() it; NULL when there are none
// Errors:    INVALID      a longer text than COLLET_ENCODE_BYTES_MAX
//            UNSUPPORTED  the pre-tokenizer gave up on this text (its limits bound time and memory)
//            NOMEM
// Cost:      O(n log n) for the worst of texts
collet_status collet_tokenizer_encode(uint32_t **ids, size_t *n_ids, const collet_tokenizer *t, const char *text,
                                      size_t n_bytes, uint32_t flags, collet_error *err);

enum {
    COLLET_DECODE_KEEP_SPECIAL = 1u << 0, // write "<|im_end|>" and its like; without: leave them out
    COLLET_DECODE_CLEAN_SPACES = 1u << 1, // where the vocabulary asks for it: " ," to ",", " 's" to "'s", ...
    COLLET_DECODE_CONTINUES = 1u << 2     // the ids continue a text: the first token keeps its leading space
};

// Ownership: gives *text, free() it; terminated, *n_bytes without the terminator; any bytes may be in it
// Errors:    INVALID  an id out of range
//            NOMEM
collet_status collet_tokenizer_decode(char **text, size_t *n_bytes, const collet_tokenizer *t, const uint32_t *ids,
                                      size_t n_ids, uint32_t flags, collet_error *err);

// Decoding one token at a time. What feed() lends never ends inside a character, and all of it joined, flush()
// included, equals decode(): bytes that belong to no character come out as they are.
//
// Lifecycle: init -> { feed }* -> flush -> finish; finish accepts a zeroed one. After flush a new text begins.
// Ownership: borrows the tokenizer until finish; *text is lent until the next call
// Threads:   [one-caller]
// Hot:       feed allocates nothing
typedef struct collet_detokenizer {
    const collet_tokenizer *tokenizer;
    uint32_t flags;
    bool started;                // the first token's leading space is dealt with
    uint8_t held1, held2, held3; // states of the three clean-ups: what each holds back (detokenize.c)
    char held3_letter;
    char *buffer; // the bytes of an unfinished character, then what this call adds
    size_t n_buffer, n_lent;
} collet_detokenizer;

// Errors: NOMEM
collet_status collet_detokenizer_init(collet_detokenizer *d, const collet_tokenizer *t, uint32_t flags,
                                      collet_error *err);
// Errors: INVALID (an id out of range)
collet_status collet_detokenizer_feed(const char **text, size_t *n_bytes, collet_detokenizer *d, uint32_t id,
                                      collet_error *err);
void collet_detokenizer_flush(const char **text, size_t *n_bytes, collet_detokenizer *d);
void collet_detokenizer_finish(collet_detokenizer *d);

#endif
