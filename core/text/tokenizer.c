// SPDX-License-Identifier: Apache-2.0
// core/text/tokenizer.c - making a tokenizer from its vocabulary, and what both kinds share in encoding.
#include "core/text/tokenizer_impl.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/text.h"

int collet_byte_token_value(collet_bytes text)
{
    if (text.n != 6 || memcmp(text.data, "<0x", 3) != 0 || text.data[5] != '>')
        return -1;
    int value = 0;
    for (int i = 3; i < 5; i++) {
        char c = text.data[i];
        if (c >= '0' && c <= '9')
            value = value * 16 + (c - '0');
        else if (c >= 'A' && c <= 'F')
            value = value * 16 + (c - 'A' + 10);
        else
            return -1;
    }
    return value;
}

// ---- create ----

static collet_status check_id(const char *name, int32_t id, uint32_t n_tokens, collet_error *err)
{
    if (id >= -1 && (id < 0 || (uint32_t)id < n_tokens))
        return COLLET_OK;
    return collet_fail(err, COLLET_E_FORMAT, "the %s token has id %d, but the vocabulary has %u tokens", name, id,
                       n_tokens);
}

static collet_status check_source(const collet_vocab_source *s, collet_error *err)
{
    static const char *const models[] = { "gpt2", "llama" };

    if (s->n_tokens == 0 || s->n_tokens > INT32_MAX / 2)
        return collet_fail(err, COLLET_E_FORMAT, "the vocabulary has %u tokens: wanted 1 to %d", s->n_tokens,
                           INT32_MAX / 2);
    if (strcmp(s->model, "gpt2") != 0 && strcmp(s->model, "llama") != 0) {
        char name[64];
        const char *near = collet_nearest(s->model, models, COLLET_COUNT(models));
        collet_escape(name, sizeof name, s->model, strlen(s->model));
        return collet_fail(err, COLLET_E_UNSUPPORTED, "unknown tokenizer model '%s'%s%s%s; known are gpt2 and llama",
                           name, near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    collet_status st = check_id("BOS", s->bos, s->n_tokens, err);
    if (st == COLLET_OK)
        st = check_id("EOS", s->eos, s->n_tokens, err);
    if (st == COLLET_OK)
        st = check_id("EOT", s->eot, s->n_tokens, err);
    if (st == COLLET_OK)
        st = check_id("EOM", s->eom, s->n_tokens, err);
    if (st == COLLET_OK)
        st = check_id("unknown", s->unk, s->n_tokens, err);
    return st;
}

static size_t text_bytes(const collet_vocab_source *s)
{
    size_t n = 0;
    for (uint32_t i = 0; i < s->n_tokens; i++)
        n += s->tokens[i].n;
    return n;
}

static collet_status create_into(collet_tokenizer *t, const collet_vocab_source *s, collet_error *err)
{
    collet_status st = collet_vocab_init(&t->vocab, s->n_tokens, text_bytes(s), err);
    if (st != COLLET_OK)
        return st;
    t->attrs = calloc(s->n_tokens, sizeof *t->attrs);
    t->whole = calloc(s->n_tokens, sizeof *t->whole);
    if (!t->attrs || !t->whole)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for a vocabulary of %u tokens", s->n_tokens);
    t->bos = s->bos;
    t->eos = s->eos;
    t->unk = s->unk;
    t->is_bpe = strcmp(s->model, "gpt2") == 0;
    st = collet_specials_mark(t, s, err);
    if (st == COLLET_OK)
        st = t->is_bpe ? collet_bpe_load(t, s, err) : collet_spm_load(t, s, err);
    if (st == COLLET_OK)
        st = collet_specials_init(t, err);
    if (st != COLLET_OK)
        return st;

    for (uint32_t i = 0; i < s->n_tokens; i++)
        if (t->vocab.texts[i].n_bytes > t->longest_text)
            t->longest_text = t->vocab.texts[i].n_bytes;
    if (s->add_bos >= 0)
        t->add_bos = s->add_bos > 0;
    if (s->add_eos >= 0)
        t->add_eos = s->add_eos > 0;
    t->add_bos = t->add_bos && t->bos >= 0;
    t->add_eos = t->add_eos && t->eos >= 0;
    return COLLET_OK;
}

collet_status collet_tokenizer_create(collet_tokenizer **out, const collet_vocab_source *source, collet_error *err)
{
    collet_status st = check_source(source, err);
    if (st != COLLET_OK)
        return st;
    collet_tokenizer *t = calloc(1, sizeof *t);
    if (!t)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for a tokenizer");
    st = create_into(t, source, err);
    if (st == COLLET_OK)
        *out = t;
    else
        collet_tokenizer_destroy(t);
    return st;
}

void collet_tokenizer_destroy(collet_tokenizer *t)
{
    if (!t)
        return;
    collet_vocab_finish(&t->vocab);
    collet_specials_finish(&t->specials_always);
    collet_specials_finish(&t->specials_all);
    collet_pretokenizer_finish(&t->pre);
    free(t->attrs);
    free((void *)t->whole);
    free(t->pairs);
    free(t->costs);
    free(t->adjacent);
    free(t);
}

// ---- questions ----

const char *collet_tokenizer_warning(const collet_tokenizer *t)
{
    return t->warning[0] ? t->warning : NULL;
}

uint32_t collet_tokenizer_n_tokens(const collet_tokenizer *t)
{
    return t->vocab.n_tokens;
}

int32_t collet_tokenizer_bos(const collet_tokenizer *t)
{
    return t->bos;
}

int32_t collet_tokenizer_eos(const collet_tokenizer *t)
{
    return t->eos;
}

static uint64_t map_bytes(const collet_piece_map *map)
{
    return map->slots ? ((uint64_t)map->mask + 1) * sizeof *map->slots : 0;
}

uint64_t collet_tokenizer_bytes(const collet_tokenizer *t)
{
    const collet_vocab *v = &t->vocab;
    uint64_t n = sizeof *t + v->n_arena_max + (uint64_t)v->n_pieces_max * sizeof *v->keys;
    n += (uint64_t)v->n_tokens * (sizeof *v->texts + sizeof *t->attrs + sizeof *t->whole);
    n += map_bytes(&v->by_key) + map_bytes(&t->specials_always.by_text) + map_bytes(&t->specials_all.by_text);
    n += t->pairs ? ((uint64_t)t->pairs_mask + 1) * sizeof *t->pairs : 0;
    n += t->costs ? (uint64_t)v->n_tokens * sizeof *t->costs : 0;
    return n;
}

bool collet_tokenizer_adds_bos(const collet_tokenizer *t)
{
    return t->add_bos;
}

bool collet_tokenizer_is_eog(const collet_tokenizer *t, uint32_t id)
{
    return id < t->vocab.n_tokens && (t->attrs[id] & COLLET_ATTR_EOG);
}

bool collet_tokenizer_is_special(const collet_tokenizer *t, uint32_t id)
{
    return id < t->vocab.n_tokens && (t->attrs[id] & COLLET_ATTR_MARKUP);
}

collet_bytes collet_tokenizer_text(const collet_tokenizer *t, uint32_t id)
{
    if (id >= t->vocab.n_tokens)
        return (collet_bytes){ .data = "", .n = 0 };
    collet_span span = t->vocab.texts[id];
    return (collet_bytes){ .data = t->vocab.arena + span.begin, .n = span.n_bytes };
}

bool collet_tokenizer_find_special(uint32_t *id, const collet_tokenizer *t, const char *text, size_t n_bytes)
{
    if (n_bytes == 0 || t->specials_all.n_classes == 0)
        return false;
    uint32_t found = collet_piece_map_find(&t->specials_all.by_text, t->vocab.arena, t->vocab.texts, text, n_bytes);
    if (found != COLLET_NO_PIECE)
        *id = found;
    return found != COLLET_NO_PIECE;
}

// ---- encode ----

collet_status collet_encoder_push(collet_encoder *e, uint32_t id)
{
    if (e->n_ids == e->n_ids_max) {
        size_t wanted = e->n_ids_max ? e->n_ids_max * 2 : 64;
        uint32_t *ids = realloc(e->ids, wanted * sizeof *ids);
        if (!ids)
            return collet_fail(e->err, COLLET_E_NOMEM, "no memory for %zu token ids", wanted);
        e->ids = ids;
        e->n_ids_max = wanted;
    }
    e->ids[e->n_ids++] = id;
    return COLLET_OK;
}

static collet_status encode_fragments(collet_encoder *e, const char *text, const collet_fragment *fragments, size_t n)
{
    collet_status st = COLLET_OK;
    for (size_t i = 0; i < n && st == COLLET_OK; i++) {
        const collet_fragment *f = &fragments[i];
        if (f->id != COLLET_NO_PIECE)
            st = collet_encoder_push(e, f->id);
        else if (e->t->is_bpe)
            st = collet_bpe_encode(e, text + f->begin, f->end - f->begin);
        else // its space goes in front of every stretch: each is the first, or follows a special token
            st = collet_spm_encode(e, text + f->begin, f->end - f->begin);
    }
    return st;
}

static collet_status encode_into(collet_encoder *e, const char *text, size_t n_bytes, uint32_t flags)
{
    const collet_tokenizer *t = e->t;
    collet_fragment *fragments = NULL;
    size_t n_fragments = 0;
    bool add_special = flags & COLLET_ENCODE_ADD_SPECIAL;
    collet_status st =
        collet_specials_cut(&fragments, &n_fragments, t, text, n_bytes, flags & COLLET_ENCODE_PARSE_SPECIAL, e->err);
    if (st == COLLET_OK && t->is_bpe)
        st = collet_split_init(&e->split, n_bytes, e->err);
    if (st == COLLET_OK && add_special && t->add_bos)
        st = collet_encoder_push(e, (uint32_t)t->bos);
    if (st == COLLET_OK)
        st = encode_fragments(e, text, fragments, n_fragments);
    if (st == COLLET_OK && add_special && t->add_eos)
        st = collet_encoder_push(e, (uint32_t)t->eos);
    free(fragments);
    return st;
}

collet_status collet_tokenizer_encode(uint32_t **ids, size_t *n_ids, const collet_tokenizer *t, const char *text,
                                      size_t n_bytes, uint32_t flags, collet_error *err)
{
    if (n_bytes > COLLET_ENCODE_BYTES_MAX)
        return collet_fail(err, COLLET_E_INVALID, "a text of %zu bytes; at most %zu can be encoded at once", n_bytes,
                           COLLET_ENCODE_BYTES_MAX);
    collet_encoder e = { .t = t, .err = err };
    collet_status st = encode_into(&e, text, n_bytes, flags);
    collet_split_finish(&e.split);
    free(e.symbols);
    free(e.bids);
    if (st == COLLET_OK) {
        *ids = e.ids;
        *n_ids = e.n_ids;
    } else {
        free(e.ids);
    }
    return st;
}
