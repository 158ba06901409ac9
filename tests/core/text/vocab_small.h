// SPDX-License-Identifier: Apache-2.0
// tests/core/text/vocab_small.h - vocabularies of a few hundred tokens, made by hand.
#ifndef COLLET_TESTS_CORE_TEXT_VOCAB_SMALL_H
#define COLLET_TESTS_CORE_TEXT_VOCAB_SMALL_H

#include "core/text/tokenizer.h"

#define SMALL_TOKENS_MAX 1024

// A token beyond the bytes.
typedef struct small_token {
    const char *text;
    int32_t type; // COLLET_TOKEN_*; 0 ends a list
    float score;
} small_token;

// The arrays a source points into: fill with small_bpe() or small_spm(), change what the test is about, create.
typedef struct small_vocab {
    collet_vocab_source source;
    collet_bytes tokens[SMALL_TOKENS_MAX];
    float scores[SMALL_TOKENS_MAX];
    int32_t types[SMALL_TOKENS_MAX];
    collet_bytes merges[SMALL_TOKENS_MAX];
    char texts[SMALL_TOKENS_MAX][24];
} small_vocab;

// Token i < 256 is byte i; then what each merge makes ("a b" -> "ab"), then the tokens. `merges` ends with NULL.
// One per program: the arrays are large.
void small_bpe(small_vocab *v, const char *pre, const char *const *merges, const small_token *tokens);

// 0 <unk>, 1 <s>, 2 </s>, 3 + i is byte i, then the tokens. "_" in a text stands for U+2581.
void small_spm(small_vocab *v, const small_token *tokens);

// Fails the program when the source is refused.
collet_tokenizer *small_create(const small_vocab *v);

#endif
