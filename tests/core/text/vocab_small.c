// SPDX-License-Identifier: Apache-2.0
// tests/core/text/vocab_small.c - vocabularies of a few hundred tokens, made by hand.
#include "tests/core/text/vocab_small.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(small_vocab *v, const char *text, int32_t type, float score)
{
    uint32_t i = v->source.n_tokens++;
    if (i >= SMALL_TOKENS_MAX || strlen(text) >= sizeof v->texts[i])
        abort();
    memcpy(v->texts[i], text, strlen(text) + 1);
    v->tokens[i] = (collet_bytes){ .data = v->texts[i], .n = strlen(text) };
    v->types[i] = type;
    v->scores[i] = score;
}

static void start(small_vocab *v, const char *model)
{
    memset(v, 0, sizeof *v);
    v->source = (collet_vocab_source){
        .model = model,
        .tokens = v->tokens,
        .types = v->types,
        .scores = v->scores,
        .merges = v->merges,
        .bos = -1,
        .eos = -1,
        .eot = -1,
        .eom = -1,
        .unk = -1,
        .add_bos = -1,
        .add_eos = -1,
        .add_space_prefix = -1,
    };
}

void small_bpe(small_vocab *v, const char *pre, const char *const *merges, const small_token *tokens)
{
    start(v, "gpt2");
    v->source.pre = pre;
    int next = 0x100; // characters for bytes that do not print
    for (int i = 0; i < 256; i++) {
        bool prints = (i >= 0x21 && i <= 0x7E) || (i >= 0xA1 && i <= 0xAC) || i >= 0xAE;
        int c = prints ? i : next++;
        char text[3] = { (char)c, 0, 0 };
        if (c >= 0x80) {
            text[0] = (char)(0xC0 | c >> 6);
            text[1] = (char)(0x80 | (c & 0x3F));
        }
        add(v, text, COLLET_TOKEN_NORMAL, 0);
    }
    for (; merges && merges[v->source.n_merges]; v->source.n_merges++) {
        const char *merge = merges[v->source.n_merges], *gap = strchr(merge + 1, ' ');
        char joined[24];
        v->merges[v->source.n_merges] = (collet_bytes){ .data = merge, .n = strlen(merge) };
        if (!gap)
            continue;
        snprintf(joined, sizeof joined, "%.*s%s", (int)(gap - merge), merge, gap + 1);
        add(v, joined, COLLET_TOKEN_NORMAL, 0);
    }
    for (; tokens && tokens->type; tokens++)
        add(v, tokens->text, tokens->type, tokens->score);
}

void small_spm(small_vocab *v, const small_token *tokens)
{
    start(v, "llama");
    add(v, "<unk>", COLLET_TOKEN_UNKNOWN, 0);
    add(v, "<s>", COLLET_TOKEN_CONTROL, 0);
    add(v, "</s>", COLLET_TOKEN_CONTROL, 0);
    v->source.unk = 0;
    v->source.bos = 1;
    v->source.eos = 2;
    for (int i = 0; i < 256; i++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", i);
        add(v, text, COLLET_TOKEN_BYTE, 0);
    }
    for (; tokens && tokens->type; tokens++) {
        char text[24] = "";
        size_t n = 0;
        for (const char *p = tokens->text; *p && n + 4 < sizeof text; p++) {
            bool is_space = *p == '_';
            memcpy(text + n, is_space ? "\xE2\x96\x81" : p, is_space ? 3 : 1);
            n += is_space ? 3 : 1;
        }
        add(v, text, tokens->type, tokens->score);
    }
}

collet_tokenizer *small_create(const small_vocab *v)
{
    collet_error err = COLLET_ERROR_INIT;
    collet_tokenizer *t = NULL;
    if (collet_tokenizer_create(&t, &v->source, &err) != COLLET_OK) {
        fprintf(stderr, "small_create: %s\n", err.msg);
        abort();
    }
    return t;
}
