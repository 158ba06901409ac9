// SPDX-License-Identifier: Apache-2.0
// core/text/detokenize.c - ids to text, one at a time, whole characters only.
//
// Some vocabularies ask for three clean-ups, one after the other over the whole text:
//     1. a space before ? ! . , goes          2. " ' " loses both its spaces
//     3. the space before 's 'm 're 've goes
// As each looks at most three bytes ahead, they run as three small machines that hand bytes on; what a machine has to
// hold back until it knows more is its state.
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/text/tokenizer_impl.h"
#include "core/text/utf8.h"

#define HELD_MAX 8 // bytes: one by the first machine, two by the second, three by the third

static void write_byte(collet_detokenizer *d, char c)
{
    d->buffer[d->n_buffer++] = c;
}

// ---- clean-ups ----

enum { NOTHING, SPACE, SPACE_QUOTE, SPACE_QUOTE_LETTER };

static void release3(collet_detokenizer *d)
{
    if (d->held3 >= SPACE)
        write_byte(d, ' ');
    if (d->held3 >= SPACE_QUOTE)
        write_byte(d, '\'');
    if (d->held3 >= SPACE_QUOTE_LETTER)
        write_byte(d, d->held3_letter);
    d->held3 = NOTHING;
}

static void clean3(collet_detokenizer *d, char c)
{
    bool ends_short = d->held3 == SPACE_QUOTE && (c == 's' || c == 'm');
    bool ends_long = d->held3 == SPACE_QUOTE_LETTER && c == 'e';
    if (d->held3 == SPACE && c == '\'') {
        d->held3 = SPACE_QUOTE;
    } else if (d->held3 == SPACE_QUOTE && (c == 'r' || c == 'v')) {
        d->held3 = SPACE_QUOTE_LETTER;
        d->held3_letter = c;
    } else if (ends_short || ends_long) {
        write_byte(d, '\'');
        if (ends_long)
            write_byte(d, d->held3_letter);
        write_byte(d, c);
        d->held3 = NOTHING;
    } else {
        release3(d);
        if (c == ' ')
            d->held3 = SPACE;
        else
            write_byte(d, c);
    }
}

static void release2(collet_detokenizer *d)
{
    uint8_t held = d->held2;
    d->held2 = NOTHING;
    if (held >= SPACE)
        clean3(d, ' ');
    if (held >= SPACE_QUOTE)
        clean3(d, '\'');
}

static void clean2(collet_detokenizer *d, char c)
{
    if (d->held2 == SPACE && c == '\'') {
        d->held2 = SPACE_QUOTE;
    } else if (d->held2 == SPACE_QUOTE && c == ' ') {
        d->held2 = NOTHING;
        clean3(d, '\'');
    } else {
        release2(d);
        if (c == ' ')
            d->held2 = SPACE;
        else
            clean3(d, c);
    }
}

static void clean1(collet_detokenizer *d, char c)
{
    bool drop = c == '?' || c == '!' || c == '.' || c == ',';
    if (d->held1 == SPACE && !drop)
        clean2(d, ' ');
    d->held1 = c == ' ' ? SPACE : NOTHING;
    if (c != ' ')
        clean2(d, c);
}

static void release_all(collet_detokenizer *d)
{
    if (d->held1 == SPACE)
        clean2(d, ' ');
    d->held1 = NOTHING;
    release2(d);
    release3(d);
}

// ---- one token at a time ----

collet_status collet_detokenizer_init(collet_detokenizer *d, const collet_tokenizer *t, uint32_t flags,
                                      collet_error *err)
{
    char *buffer = malloc((size_t)t->longest_text + HELD_MAX + 4);
    if (!buffer)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for a detokenizer");
    if (!t->clean_spaces)
        flags &= ~(uint32_t)COLLET_DECODE_CLEAN_SPACES;
    *d = (collet_detokenizer){
        .tokenizer = t, .flags = flags, .started = flags & COLLET_DECODE_CONTINUES, .buffer = buffer
    };
    return COLLET_OK;
}

void collet_detokenizer_finish(collet_detokenizer *d)
{
    free(d->buffer);
    *d = (collet_detokenizer){ 0 };
}

// What the last call lent goes; the rest moves to the front.
static void take_back(collet_detokenizer *d)
{
    d->n_buffer -= d->n_lent;
    memmove(d->buffer, d->buffer + d->n_lent, d->n_buffer);
    d->n_lent = 0;
}

static void lend(const char **text, size_t *n_bytes, collet_detokenizer *d, size_t n)
{
    d->n_lent = n;
    *text = d->buffer;
    *n_bytes = n;
}

collet_status collet_detokenizer_feed(const char **text, size_t *n_bytes, collet_detokenizer *d, uint32_t id,
                                      collet_error *err)
{
    const collet_tokenizer *t = d->tokenizer;
    if (id >= t->vocab.n_tokens)
        return collet_fail(err, COLLET_E_INVALID, "token id %u, but the vocabulary has %u tokens", id,
                           t->vocab.n_tokens);
    take_back(d);
    if (!(t->attrs[id] & COLLET_ATTR_MARKUP) || (d->flags & COLLET_DECODE_KEEP_SPECIAL)) {
        collet_bytes piece = collet_tokenizer_text(t, id);
        if (!d->started && t->add_space_prefix && piece.n > 0 && piece.data[0] == ' ') {
            piece.data++; // encoding has put it there
            piece.n--;
        }
        d->started = true;
        if (d->flags & COLLET_DECODE_CLEAN_SPACES) {
            for (size_t i = 0; i < piece.n; i++)
                clean1(d, piece.data[i]);
        } else if (piece.n > 0) {
            memcpy(d->buffer + d->n_buffer, piece.data, piece.n);
            d->n_buffer += piece.n;
        }
    }
    lend(text, n_bytes, d, d->n_buffer - collet_utf8_unfinished(d->buffer, d->n_buffer));
    return COLLET_OK;
}

void collet_detokenizer_flush(const char **text, size_t *n_bytes, collet_detokenizer *d)
{
    take_back(d);
    release_all(d);
    d->started = d->flags & COLLET_DECODE_CONTINUES;
    lend(text, n_bytes, d, d->n_buffer);
}

// ---- all at once ----

static collet_status decode_into(collet_text *out, collet_detokenizer *d, const uint32_t *ids, size_t n_ids,
                                 collet_error *err)
{
    const char *text = NULL;
    size_t n = 0;
    for (size_t i = 0; i < n_ids; i++) {
        collet_status st = collet_detokenizer_feed(&text, &n, d, ids[i], err);
        if (st != COLLET_OK)
            return st;
        collet_text_add(out, text, n);
    }
    collet_detokenizer_flush(&text, &n, d);
    collet_text_add(out, text, n);
    collet_text_add(out, "", 0); // terminated even when empty
    if (out->failed || !out->data)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the text of %zu tokens", n_ids);
    return COLLET_OK;
}

collet_status collet_tokenizer_decode(char **text, size_t *n_bytes, const collet_tokenizer *t, const uint32_t *ids,
                                      size_t n_ids, uint32_t flags, collet_error *err)
{
    collet_detokenizer d;
    collet_status st = collet_detokenizer_init(&d, t, flags, err);
    if (st != COLLET_OK)
        return st;
    collet_text out = { 0 };
    st = decode_into(&out, &d, ids, n_ids, err);
    collet_detokenizer_finish(&d);
    if (st == COLLET_OK) {
        *text = out.data;
        *n_bytes = out.n_bytes;
    } else {
        collet_text_free(&out);
    }
    return st;
}
