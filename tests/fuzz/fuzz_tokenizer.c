// SPDX-License-Identifier: Apache-2.0
// tests/fuzz/fuzz_tokenizer.c - any vocabulary and any text: refused with a message, or ids in range whose text, token
// by token or at once, is the same, and is the text again where nothing stands in the way.
//
// Input: kind and flags, pre-tokenizer, n extra; n x { length and type, text }; the rest is the text.
#include <stdlib.h>
#include <string.h>

#include "core/text/utf8.h"
#include "tests/core/text/vocab_small.h"
#include "tests/fuzz/fuzz.h"

#define REQUIRE(condition) \
    do {                   \
        if (!(condition))  \
            abort();       \
    } while (0)

static const char *const pres[] = { "qwen2",  "smollm",       "llama-bpe", "gpt-2",
                                    "tekken", "deepseek-llm", "default",   "bloom" };

typedef struct reader {
    const uint8_t *data;
    size_t n;
} reader;

static uint8_t take(reader *r)
{
    if (r->n == 0)
        return 0;
    r->n--;
    return *r->data++;
}

// Tokens and merges straight from the input. Returns false when a token is of a kind that decodes to something else.
static bool add_extra(small_vocab *v, reader *r, uint32_t n, bool is_bpe)
{
    bool plain = true;
    for (uint32_t i = 0; i < n; i++) {
        uint8_t head = take(r);
        collet_bytes text = { .data = (const char *)r->data, .n = head & 15 };
        text.n = text.n < r->n ? text.n : r->n;
        r->data += text.n;
        r->n -= text.n;
        int32_t type = head >> 4 & 7;
        if (is_bpe && (head & 0x80)) {
            v->merges[v->source.n_merges++] = text;
            continue;
        }
        uint32_t id = v->source.n_tokens++;
        v->tokens[id] = text;
        v->types[id] = type;
        v->scores[id] = (float)(int8_t)head;
        plain = plain && type == COLLET_TOKEN_NORMAL;
    }
    return plain;
}

static bool is_valid(const uint8_t *text, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t length = collet_utf8_length((const char *)text + at, n - at);
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

static void check_stream(const collet_tokenizer *t, const uint32_t *ids, size_t n_ids, uint32_t flags, const char *want,
                         size_t n_want)
{
    collet_detokenizer d;
    const char *text = NULL;
    size_t n = 0, at = 0;
    REQUIRE(collet_detokenizer_init(&d, t, flags, NULL) == COLLET_OK);
    for (size_t i = 0; i <= n_ids; i++) {
        if (i < n_ids)
            REQUIRE(collet_detokenizer_feed(&text, &n, &d, ids[i], NULL) == COLLET_OK);
        else
            collet_detokenizer_flush(&text, &n, &d);
        REQUIRE(n <= n_want - at && memcmp(text, want + at, n) == 0);
        at += n;
        size_t open = collet_utf8_unfinished(want, at); // what follows does not finish it
        REQUIRE(open == 0 || collet_utf8_length(want + at - open, n_want - at + open) == 0);
    }
    REQUIRE(at == n_want);
    collet_detokenizer_finish(&d);
}

static void check_text(const collet_tokenizer *t, reader text, uint32_t flags, bool plain)
{
    collet_error err = COLLET_ERROR_INIT;
    uint32_t *ids = NULL;
    size_t n_ids = 0, n = 0;
    char *back = NULL;
    REQUIRE(collet_tokenizer_encode(&ids, &n_ids, t, (const char *)text.data, text.n, flags & 3, &err) == COLLET_OK);
    for (size_t i = 0; i < n_ids; i++)
        REQUIRE(ids[i] < collet_tokenizer_n_tokens(t));
    uint32_t decode_flags = flags >> 2 & 7;
    REQUIRE(collet_tokenizer_decode(&back, &n, t, ids, n_ids, decode_flags, &err) == COLLET_OK);
    check_stream(t, ids, n_ids, decode_flags, back, n);
    free(back);
    if (plain && is_valid(text.data, text.n)) {
        REQUIRE(collet_tokenizer_decode(&back, &n, t, ids, n_ids, 0, &err) == COLLET_OK);
        REQUIRE(n == text.n && (n == 0 || memcmp(back, text.data, n) == 0));
        free(back);
    }
    free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static small_vocab v;
    reader r = { .data = data, .n = n_bytes };
    collet_error err = COLLET_ERROR_INIT;
    collet_tokenizer *t = NULL;
    uint8_t flags = take(&r);
    const char *pre = pres[take(&r) % COLLET_COUNT(pres)];
    bool is_bpe = flags & 1;
    if (is_bpe)
        small_bpe(&v, pre, NULL, NULL);
    else
        small_spm(&v, NULL);
    bool plain = add_extra(&v, &r, take(&r) % 64, is_bpe);
    collet_status st = collet_tokenizer_create(&t, &v.source, &err);
    REQUIRE((st == COLLET_OK) == (t != NULL));
    REQUIRE(st == COLLET_OK || err.msg[0]);
    if (t)
        check_text(t, r, flags >> 1, plain && is_bpe);
    collet_tokenizer_destroy(t);
    return 0;
}
