// SPDX-License-Identifier: Apache-2.0
// core/text/pretokenize.h - splitting a text into the words that BPE merges never cross, by regular expressions.
#ifndef COLLET_CORE_TEXT_PRETOKENIZE_H
#define COLLET_CORE_TEXT_PRETOKENIZE_H

#include <stdbool.h>

#include "collet/base.h"

#define COLLET_PRETOKENIZER_EXPRS_MAX 6

// Each expression splits the pieces that the ones before it left: at its matches, and what lies between them is a
// piece.
typedef struct collet_pretokenizer {
    uint32_t n_exprs;
    void *exprs[COLLET_PRETOKENIZER_EXPRS_MAX]; // pcre2_code, compiled to machine code where the system allows it
    bool clean_spaces;                          // decoding may tidy up (COLLET_DECODE_CLEAN_SPACES)
    bool ignore_merges;                         // a word that is a token is that token, whatever merges say
    bool add_bos;                               // unless the file says otherwise
} collet_pretokenizer;

// Errors: UNSUPPORTED (a name that is not in pretokenizers.inc; the message has the nearest), NOMEM, INTERNAL
collet_status collet_pretokenizer_init(collet_pretokenizer *p, const char *name, collet_error *err);
void collet_pretokenizer_finish(collet_pretokenizer *p); // accepts a zeroed one

// Memory for matching, one per call of encode().
typedef struct collet_split {
    void *match;      // pcre2_match_data
    void *context;    // pcre2_match_context: limits that grow with the text, so that only runaway expressions meet them
    uint32_t options; // 0; PCRE2_NO_JIT makes tests see what a system without executable memory sees
} collet_split;

// Errors: NOMEM
collet_status collet_split_init(collet_split *split, size_t n_bytes_max, collet_error *err);
void collet_split_finish(collet_split *split); // accepts a zeroed one

typedef collet_status collet_word_fn(void *ctx, const char *word, size_t n_bytes);

// Hands every word of a valid UTF-8 text to `word`, in order; joined they are the text.
// Errors: UNSUPPORTED (an expression met its limits), and what `word` returns
collet_status collet_pretokenize(const collet_pretokenizer *p, const collet_split *split, const char *text,
                                 size_t n_bytes, collet_word_fn *word, void *ctx, collet_error *err);

#endif
