// SPDX-License-Identifier: Apache-2.0
// core/text/spm.c - SentencePiece-style vocabularies: scores, byte tokens, U+2581 for spaces.
//
// Keys hold spaces where the file has U+2581, and a U+2581 in the text becomes a space: the two were the same to the
// model. Merges know no words, but a pair of characters that is inside no token is never joined, so the text is cut
// there; nearly all of these cuts are in front of a space.
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/text/tokenizer_impl.h"
#include "core/text/utf8.h"

#define SPACE_MARK "\xE2\x96\x81" // U+2581

// Copies n bytes with spaces for U+2581; returns how many came out.
static size_t unmark(char *out, const char *text, size_t n_bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < n_bytes; i++) {
        if (text[i] == SPACE_MARK[0] && n_bytes - i >= 3 && memcmp(text + i, SPACE_MARK, 3) == 0) {
            out[n++] = ' ';
            i += 2;
        } else {
            out[n++] = text[i];
        }
    }
    return n;
}

// ---- load ----

// Floats order like their bits once the sign is dealt with; turned round, so that the highest score costs least. The
// top value stays free for "never".
static uint32_t cost_of_score(float score)
{
    float positive = score + 0.0f; // -0 and 0 are equal
    uint32_t bits;
    memcpy(&bits, &positive, sizeof bits);
    uint32_t ascending = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    uint32_t cost = ~ascending;
    return cost == UINT32_MAX ? UINT32_MAX - 1 : cost;
}

// Which byte may begin a character behind which byte that ended one, somewhere inside a token.
static void mark_adjacent(uint8_t *adjacent, const char *key, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t length = collet_utf8_length(key + at, n - at);
        at += length ? length : 1;
        if (at < n) {
            uint32_t pair = (uint32_t)(uint8_t)key[at - 1] << 8 | (uint8_t)key[at];
            adjacent[pair / 8] |= (uint8_t)(1u << pair % 8);
        }
    }
}

static inline bool are_adjacent(const uint8_t *adjacent, char a, char b)
{
    uint32_t pair = (uint32_t)(uint8_t)a << 8 | (uint8_t)b;
    return adjacent[pair / 8] >> pair % 8 & 1;
}

static collet_status load_token(collet_tokenizer *t, uint32_t id, collet_bytes token, char *scratch, collet_error *err)
{
    collet_vocab *v = &t->vocab;
    uint8_t attrs = t->attrs[id];
    if (token.n == 0)
        return COLLET_OK;
    size_t n_key = unmark(scratch, token.data, token.n);
    collet_status st = COLLET_OK;
    // A token with real spaces is only found as a special one: merges see marks, never spaces.
    bool has_key = memchr(token.data, ' ', token.n) == NULL;
    if (has_key) {
        st = collet_vocab_store(&v->keys[id], v, scratch, n_key, err);
        if (st == COLLET_OK)
            mark_adjacent(t->adjacent, scratch, n_key);
    }
    if (st != COLLET_OK)
        return st;
    if (attrs & COLLET_ATTR_SPECIAL) {
        if (has_key && n_key == token.n)
            v->texts[id] = v->keys[id];
        else
            st = collet_vocab_store(&v->texts[id], v, token.data, token.n, err);
    } else if (attrs & COLLET_ATTR_NORMAL) {
        if (has_key)
            v->texts[id] = v->keys[id];
        else
            st = collet_vocab_store(&v->texts[id], v, scratch, n_key, err);
    } else if (attrs & COLLET_ATTR_BYTE) {
        int value = collet_byte_token_value(token);
        if (value < 0)
            return collet_fail(err, COLLET_E_FORMAT, "token %u is a byte token, but not written as <0x41>", id);
        char c = (char)value;
        st = collet_vocab_store(&v->texts[id], v, &c, 1, err);
    }
    return st;
}

// A byte's token is "<0x41>", or in small vocabularies the byte itself.
static collet_status load_bytes(collet_tokenizer *t, collet_error *err)
{
    static const char digits[] = "0123456789ABCDEF";
    for (int i = 0; i < 256; i++) {
        char text[6] = { '<', '0', 'x', digits[i >> 4], digits[i & 15], '>' };
        char byte = (char)i;
        t->byte_ids[i] = collet_vocab_find(&t->vocab, text, sizeof text);
        if (t->byte_ids[i] == COLLET_NO_PIECE)
            t->byte_ids[i] = collet_vocab_find(&t->vocab, &byte, 1);
        if (t->byte_ids[i] == COLLET_NO_PIECE && t->unk < 0)
            return collet_fail(err, COLLET_E_FORMAT,
                               "the vocabulary has neither a token for byte 0x%02X nor an unknown token", i);
    }
    return COLLET_OK;
}

collet_status collet_spm_load(collet_tokenizer *t, const collet_vocab_source *s, collet_error *err)
{
    size_t longest = 1;
    for (uint32_t i = 0; i < s->n_tokens; i++)
        longest = s->tokens[i].n > longest ? s->tokens[i].n : longest;
    char *scratch = malloc(longest);
    t->costs = malloc(s->n_tokens * sizeof *t->costs);
    t->adjacent = calloc(1, 65536 / 8);
    collet_status st = COLLET_OK;
    if (!scratch || !t->costs || !t->adjacent)
        st = collet_fail(err, COLLET_E_NOMEM, "no memory for a vocabulary of %u tokens", s->n_tokens);
    for (uint32_t i = 0; i < s->n_tokens && st == COLLET_OK; i++) {
        t->costs[i] = cost_of_score(s->scores ? s->scores[i] : 0.0f);
        st = load_token(t, i, s->tokens[i], scratch, err);
    }
    free(scratch);
    t->add_bos = true;
    t->add_space_prefix = s->add_space_prefix != 0;
    if (st != COLLET_OK)
        return st;
    collet_vocab_index_tokens(&t->vocab);
    return load_bytes(t, err);
}

// ---- encode ----

static collet_status encode_spaced(collet_encoder *e, const char *text, size_t n)
{
    collet_status st = COLLET_OK;
    size_t begin = 0;
    for (size_t at = 0; at < n && st == COLLET_OK;) {
        size_t length = collet_utf8_length(text + at, n - at);
        at += length ? length : 1;
        if (at == n || !are_adjacent(e->t->adjacent, text[at - 1], text[at])) {
            st = collet_merge_word(e, text + begin, at - begin);
            begin = at;
        }
    }
    return st;
}

collet_status collet_spm_encode(collet_encoder *e, const char *text, size_t n_bytes)
{
    char *spaced = malloc(n_bytes + 1);
    if (!spaced)
        return collet_fail(e->err, COLLET_E_NOMEM, "no memory for a text of %zu bytes", n_bytes);
    size_t n = 0;
    if (e->t->add_space_prefix)
        spaced[n++] = ' ';
    n += unmark(spaced + n, text, n_bytes);
    collet_status st = encode_spaced(e, spaced, n);
    free(spaced);
    return st;
}
