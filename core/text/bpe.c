// SPDX-License-Identifier: Apache-2.0
// core/text/bpe.c - byte-level BPE: the list of merges as a table of pairs, and words for it.
//
// Files write each byte as a printable character (0x20 as U+0120 and so on), so that a vocabulary is a list of words.
// That is undone while loading: keys and merges are bytes here, and a text is encoded as it stands.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/text/tokenizer_impl.h"
#include "core/text/utf8.h"

// ---- bytes as printable characters ----

// The byte that a character stands for; -1: none. Bytes that print in Latin-1 stand for themselves, the other 68 follow
// in order from U+0100.
static int byte_of_character(uint32_t c)
{
    if ((c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c <= 0xAC) || (c >= 0xAE && c <= 0xFF))
        return (int)c;
    if (c < 0x100 || c > 0x143)
        return -1;
    uint32_t i = c - 0x100;
    if (i < 33)
        return (int)i;
    if (i == 33)
        return 0x7F;
    return i == 67 ? 0xAD : (int)(0x80 + i - 34);
}

// Undoes the writing. False: not written that way; `out` has room for text.n bytes.
static bool to_bytes(char *out, size_t *n_out, collet_bytes text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t lead = (uint8_t)text.data[i];
        uint32_t c = lead;
        if (lead >= 0x80) { // all of them have at most two bytes
            if (lead < 0xC2 || lead > 0xC5 || i + 1 == text.n || ((uint8_t)text.data[i + 1] & 0xC0) != 0x80)
                return false;
            c = (lead & 0x1Fu) << 6 | ((uint8_t)text.data[++i] & 0x3Fu);
        }
        int byte = byte_of_character(c);
        if (byte < 0)
            return false;
        out[n++] = (char)byte;
    }
    *n_out = n;
    return true;
}

// ---- pairs ----

static inline uint32_t pair_slot(uint32_t left, uint32_t right, uint32_t mask)
{
    // Any odd 64-bit constant spreads two small numbers over the high half; this one is 2^64 / golden ratio.
    return (uint32_t)((((uint64_t)left << 32 | right) * 0x9E3779B97F4A7C15u) >> 32) & mask;
}

const collet_pair *collet_bpe_pair(const collet_tokenizer *t, uint32_t left, uint32_t right)
{
    for (uint32_t at = pair_slot(left, right, t->pairs_mask);; at = (at + 1) & t->pairs_mask) {
        const collet_pair *pair = &t->pairs[at];
        if (pair->left == left && pair->right == right)
            return pair;
        if (pair->left == COLLET_NO_PIECE)
            return NULL;
    }
}

static void add_pair(collet_tokenizer *t, collet_pair pair)
{
    uint32_t at = pair_slot(pair.left, pair.right, t->pairs_mask);
    for (; t->pairs[at].left != COLLET_NO_PIECE; at = (at + 1) & t->pairs_mask)
        if (t->pairs[at].left == pair.left && t->pairs[at].right == pair.right)
            return; // listed twice: the first counts
    t->pairs[at] = pair;
}

static collet_status load_merge(collet_tokenizer *t, collet_bytes merge, uint32_t rank, char *scratch,
                                collet_error *err)
{
    const char *gap = merge.n > 1 ? memchr(merge.data + 1, ' ', merge.n - 1) : NULL;
    if (!gap || gap + 1 == merge.data + merge.n) {
        char shown[80];
        return collet_fail(err, COLLET_E_FORMAT, "merge %u is \"%s\": wanted two texts and a space between them", rank,
                           collet_escape(shown, sizeof shown, merge.data, merge.n));
    }
    size_t n_left = 0, n_right = 0;
    collet_bytes left = { .data = merge.data, .n = (size_t)(gap - merge.data) };
    collet_bytes right = { .data = gap + 1, .n = merge.n - left.n - 1 };
    if (!to_bytes(scratch, &n_left, left) || !to_bytes(scratch + n_left, &n_right, right))
        return COLLET_OK; // characters that no text's bytes become: never reached
    collet_pair pair = { .rank = rank };
    collet_status st = collet_vocab_intern(&pair.left, &t->vocab, scratch, n_left, err);
    if (st == COLLET_OK)
        st = collet_vocab_intern(&pair.right, &t->vocab, scratch + n_left, n_right, err);
    if (st == COLLET_OK)
        st = collet_vocab_intern(&pair.joined, &t->vocab, scratch, n_left + n_right, err);
    if (st == COLLET_OK)
        add_pair(t, pair);
    return st;
}

static collet_status load_merges(collet_tokenizer *t, const collet_vocab_source *s, char *scratch, collet_error *err)
{
    uint64_t n_slots = 16;
    while (n_slots < (uint64_t)s->n_merges * 2)
        n_slots *= 2;
    t->pairs = n_slots > UINT32_MAX ? NULL : malloc(n_slots * sizeof *t->pairs);
    if (!t->pairs)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for %u merges", s->n_merges);
    memset(t->pairs, 0xFF, n_slots * sizeof *t->pairs); // every left COLLET_NO_PIECE
    t->pairs_mask = (uint32_t)(n_slots - 1);
    collet_status st = COLLET_OK;
    for (uint32_t i = 0; i < s->n_merges && st == COLLET_OK; i++)
        st = load_merge(t, s->merges[i], i, scratch, err);
    return st;
}

// ---- tokens ----

static collet_status load_token(collet_tokenizer *t, uint32_t id, collet_bytes token, char *scratch, collet_error *err)
{
    collet_vocab *v = &t->vocab;
    uint8_t attrs = t->attrs[id];
    size_t n_key = 0;
    int byte = (attrs & COLLET_ATTR_BYTE) ? collet_byte_token_value(token) : -1;
    collet_status st = COLLET_OK;
    if (token.n == 0)
        return COLLET_OK;
    bool is_written = to_bytes(scratch, &n_key, token);
    if (is_written)
        st = collet_vocab_store(&v->keys[id], v, scratch, n_key, err);
    if (st != COLLET_OK)
        return st;
    if ((attrs & COLLET_ATTR_NORMAL) && !(attrs & COLLET_ATTR_SPECIAL) && is_written) {
        v->texts[id] = v->keys[id];
    } else if (attrs & (COLLET_ATTR_SPECIAL | COLLET_ATTR_NORMAL)) {
        bool same = n_key == token.n && memcmp(scratch, token.data, token.n) == 0;
        if (is_written && same)
            v->texts[id] = v->keys[id];
        else
            st = collet_vocab_store(&v->texts[id], v, token.data, token.n, err);
    } else if (byte >= 0) {
        char c = (char)byte;
        st = collet_vocab_store(&v->texts[id], v, &c, 1, err);
    }
    return st;
}

// Many vocabularies lack a few bytes (SmolLM2 eight control characters, Falcon what only rare planes need): their
// pieces lie beyond the tokens, and a text loses these bytes. The unknown token would be worse than nothing: here it is
// often one that ends a text.
static collet_status load_bytes(collet_tokenizer *t, collet_error *err)
{
    collet_status st = COLLET_OK;
    for (int i = 0; i < 256 && st == COLLET_OK; i++) {
        char byte = (char)i;
        st = collet_vocab_intern(&t->byte_ids[i], &t->vocab, &byte, 1, err);
    }
    return st;
}

static size_t longest_bytes(const collet_vocab_source *s)
{
    size_t longest = 1;
    for (uint32_t i = 0; i < s->n_tokens; i++)
        longest = s->tokens[i].n > longest ? s->tokens[i].n : longest;
    for (uint32_t i = 0; i < s->n_merges; i++)
        longest = s->merges[i].n > longest ? s->merges[i].n : longest;
    return longest;
}

static collet_status load_tables(collet_tokenizer *t, const collet_vocab_source *s, char *scratch, collet_error *err)
{
    collet_status st = COLLET_OK;
    for (uint32_t i = 0; i < s->n_tokens && st == COLLET_OK; i++)
        st = load_token(t, i, s->tokens[i], scratch, err);
    if (st != COLLET_OK)
        return st;
    collet_vocab_index_tokens(&t->vocab);
    st = load_bytes(t, err);
    if (st == COLLET_OK)
        st = load_merges(t, s, scratch, err);
    return st;
}

collet_status collet_bpe_load(collet_tokenizer *t, const collet_vocab_source *s, collet_error *err)
{
    const char *pre = s->pre && s->pre[0] ? s->pre : "default";
    if (pre != s->pre)
        snprintf(t->warning, sizeof t->warning,
                 "the vocabulary names no pre-tokenizer (tokenizer.ggml.pre): using 'default', which may split words "
                 "otherwise than the model learnt");
    collet_status st = collet_pretokenizer_init(&t->pre, pre, err);
    if (st != COLLET_OK)
        return st;
    t->ignore_merges = t->pre.ignore_merges;
    t->clean_spaces = t->pre.clean_spaces;
    t->add_bos = t->pre.add_bos;
    char *scratch = malloc(longest_bytes(s));
    if (!scratch)
        return collet_fail(err, COLLET_E_NOMEM, "no memory to load the vocabulary");
    st = load_tables(t, s, scratch, err);
    free(scratch);
    return st;
}

// ---- encode ----

static collet_status encode_word(void *ctx, const char *word, size_t n_bytes)
{
    return collet_merge_word(ctx, word, n_bytes);
}

// The text with U+FFFD for every byte that belongs to no character; `out` NULL: only counts.
static size_t replace_invalid(char *out, const char *text, size_t n_bytes)
{
    size_t n = 0;
    for (size_t at = 0; at < n_bytes;) {
        size_t length = collet_utf8_length(text + at, n_bytes - at);
        const char *from = length ? text + at : "\xEF\xBF\xBD";
        size_t n_from = length ? length : 3;
        if (out)
            memcpy(out + n, from, n_from);
        n += n_from;
        at += length ? length : 1;
    }
    return n;
}

static size_t valid_prefix(const char *text, size_t n_bytes)
{
    size_t at = 0;
    while (at < n_bytes) {
        size_t length = collet_utf8_length(text + at, n_bytes - at);
        if (length == 0)
            break;
        at += length;
    }
    return at;
}

collet_status collet_bpe_encode(collet_encoder *e, const char *text, size_t n_bytes)
{
    if (valid_prefix(text, n_bytes) == n_bytes)
        return collet_pretokenize(&e->t->pre, &e->split, text, n_bytes, encode_word, e, e->err);
    size_t n = replace_invalid(NULL, text, n_bytes);
    char *valid = malloc(n);
    if (!valid)
        return collet_fail(e->err, COLLET_E_NOMEM, "no memory for a text of %zu bytes", n);
    replace_invalid(valid, text, n_bytes);
    collet_status st = collet_pretokenize(&e->t->pre, &e->split, valid, n, encode_word, e, e->err);
    free(valid);
    return st;
}
