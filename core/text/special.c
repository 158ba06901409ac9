// SPDX-License-Identifier: Apache-2.0
// core/text/special.c - tokens that are found in a text before it is split: what they are, and cutting them out.
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/text/tokenizer_impl.h"

// ---- attributes ----

typedef struct known_token {
    const char *text;
    size_t n_bytes;
    uint32_t attrs;
} known_token;

static const known_token known_tokens[] = {
#define TOKEN(text, attrs) { text, sizeof(text) - 1, COLLET_ATTR_##attrs },
#include "core/text/known_tokens.inc"
#undef TOKEN
};

static bool bytes_are(collet_bytes bytes, const char *text)
{
    return bytes.n == strlen(text) && memcmp(bytes.data, text, bytes.n) == 0;
}

static uint8_t attrs_of_type(int32_t type)
{
    switch (type) {
    case COLLET_TOKEN_NORMAL:
        return COLLET_ATTR_NORMAL;
    case COLLET_TOKEN_UNKNOWN:
        return COLLET_ATTR_UNKNOWN;
    case COLLET_TOKEN_CONTROL:
        return COLLET_ATTR_CONTROL;
    case COLLET_TOKEN_USER_DEFINED:
        return COLLET_ATTR_USER;
    case COLLET_TOKEN_BYTE:
        return COLLET_ATTR_BYTE;
    default:
        return 0; // unused, or unheard of: writes nothing
    }
}

static uint8_t attrs_of_known(collet_bytes text, uint8_t attrs)
{
    // All of them begin with '<', '[' or '_', a few with a U+2581 in front: most tokens are done with after one byte.
    const char *start = text.n > 3 ? text.data + (text.data[0] == '\xE2' ? 3 : 0) : "";
    if (*start != '<' && *start != '[' && *start != '_')
        return attrs;
    for (size_t i = 0; i < COLLET_COUNT(known_tokens); i++) {
        const known_token *known = &known_tokens[i];
        if (known->n_bytes != text.n || memcmp(known->text, text.data, text.n) != 0)
            continue;
        if (known->attrs == COLLET_ATTR_USER)
            return COLLET_ATTR_USER;
        return (uint8_t)(attrs | known->attrs | COLLET_ATTR_CONTROL);
    }
    return attrs;
}

// Two families use the text of another family's end token for something else.
static void fix_families(collet_tokenizer *t, const collet_vocab_source *s)
{
    enum { RETURN = 1, CALL = 2, FLUSH = 4, TOOL_RESPONSE = 8 };
    unsigned seen = 0;
    int64_t end = -1, slash_s = -1;
    for (uint32_t i = 0; i < s->n_tokens; i++) {
        if (!(t->attrs[i] & COLLET_ATTR_EOG))
            continue;
        seen |= bytes_are(s->tokens[i], "<|return|>") ? RETURN : 0;
        seen |= bytes_are(s->tokens[i], "<|call|>") || bytes_are(s->tokens[i], "<|calls|>") ? CALL : 0;
        seen |= bytes_are(s->tokens[i], "<|flush|>") ? FLUSH : 0;
        seen |= bytes_are(s->tokens[i], "<|tool_response>") ? TOOL_RESPONSE : 0;
        end = bytes_are(s->tokens[i], "<|end|>") ? i : end;
        slash_s = bytes_are(s->tokens[i], "</s>") ? i : slash_s;
    }
    if (end >= 0 && (seen & CALL) && (seen & (RETURN | FLUSH)))
        t->attrs[end] = COLLET_ATTR_USER; // ends a part of the answer there
    if (slash_s >= 0 && (seen & TOOL_RESPONSE))
        t->attrs[slash_s] = COLLET_ATTR_NORMAL; // an HTML tag there
}

// Phi-3's files do not say that its markers swallow the blanks behind them; its name does.
static bool strips_after_special(const char *model_name)
{
    if (!model_name)
        return false;
    for (const char *p = model_name; *p; p++) {
        if ((p[0] | 0x20) != 'p' || (p[1] | 0x20) != 'h' || (p[2] | 0x20) != 'i')
            continue;
        if (p[3] == '3' || (p[3] == '-' && p[4] == '3'))
            return true;
    }
    return false;
}

static void mark_strip(collet_tokenizer *t, const collet_vocab_source *s)
{
    for (uint32_t i = 0; i < s->n_tokens; i++) {
        if (!(t->attrs[i] & COLLET_ATTR_SPECIAL))
            continue;
        if (!bytes_are(s->tokens[i], "<unk>") && !bytes_are(s->tokens[i], "<s>") &&
            !bytes_are(s->tokens[i], "<|endoftext|>"))
            t->attrs[i] |= COLLET_ATTR_STRIP;
    }
}

collet_status collet_specials_mark(collet_tokenizer *t, const collet_vocab_source *s, collet_error *err)
{
    for (uint32_t i = 0; i < s->n_tokens; i++) {
        if (s->tokens[i].n > INT32_MAX)
            return collet_fail(err, COLLET_E_FORMAT, "token %u has %zu bytes", i, s->tokens[i].n);
        uint8_t attrs = s->types ? attrs_of_type(s->types[i]) : (uint8_t)COLLET_ATTR_NORMAL;
        t->attrs[i] = attrs_of_known(s->tokens[i], attrs);
    }
    const int32_t ends[] = { s->eos, s->eot, s->eom };
    for (size_t i = 0; i < COLLET_COUNT(ends); i++)
        if (ends[i] >= 0)
            t->attrs[ends[i]] |= COLLET_ATTR_EOG;
    fix_families(t, s);
    if (strips_after_special(s->model_name))
        mark_strip(t, s);
    return COLLET_OK;
}

// ---- index ----

static int by_length(const void *a, const void *b)
{
    const uint32_t *left = a, *right = b; // pairs: length, id
    if (left[0] != right[0])
        return left[0] > right[0] ? -1 : 1;
    return left[1] < right[1] ? -1 : 1;
}

// Length-1 tokens begin like any text that begins with their byte, so all second bytes are marked for them.
static void mark_start(uint8_t *starts, const char *text, uint32_t n_bytes)
{
    uint32_t pair = (uint32_t)(uint8_t)text[0] << 8;
    if (n_bytes == 1) {
        memset(starts + pair / 8, 0xFF, 256 / 8);
        return;
    }
    pair |= (uint8_t)text[1];
    starts[pair / 8] |= (uint8_t)(1u << pair % 8);
}

static void fill_classes(collet_specials *s, const collet_vocab *v, uint32_t (*found)[2], uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || found[i][0] != found[i - 1][0])
            s->classes[s->n_classes++] = (collet_special_class){ .n_bytes = found[i][0] };
        const char *text = v->arena + v->texts[found[i][1]].begin;
        s->classes[s->n_classes - 1].starts[(uint8_t)text[0]] = true;
        mark_start(s->starts, text, found[i][0]);
        collet_piece_map_add(&s->by_text, v->arena, v->texts, found[i][1], false);
    }
}

static collet_status index_tokens(collet_specials *s, const collet_tokenizer *t, bool all, collet_error *err)
{
    const collet_vocab *v = &t->vocab;
    uint32_t n = 0;
    for (uint32_t i = 0; i < v->n_tokens; i++)
        n += (t->attrs[i] & COLLET_ATTR_SPECIAL) ? 1 : 0;
    if (n == 0)
        return COLLET_OK;
    uint32_t(*found)[2] = malloc(n * sizeof *found);
    if (!found)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for %u special tokens", n);
    n = 0;
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        bool wanted = all ? t->attrs[i] & COLLET_ATTR_SPECIAL : (t->attrs[i] & COLLET_ATTR_SPECIAL) == COLLET_ATTR_USER;
        if (!wanted || v->texts[i].n_bytes == 0)
            continue;
        found[n][0] = v->texts[i].n_bytes;
        found[n++][1] = i;
    }
    qsort(found, n, sizeof *found, by_length);
    uint32_t n_lengths = 0;
    for (uint32_t i = 0; i < n; i++)
        n_lengths += i == 0 || found[i][0] != found[i - 1][0] ? 1 : 0;
    s->classes = malloc((n_lengths + 1) * sizeof *s->classes);
    s->starts = calloc(1, 65536 / 8);
    collet_status st = !s->classes || !s->starts ? collet_fail(err, COLLET_E_NOMEM, "no memory for special tokens")
                                                 : collet_piece_map_init(&s->by_text, n, err);
    if (st == COLLET_OK)
        fill_classes(s, v, found, n);
    free(found);
    return st;
}

collet_status collet_specials_init(collet_tokenizer *t, collet_error *err)
{
    collet_status st = index_tokens(&t->specials_always, t, false, err);
    if (st == COLLET_OK)
        st = index_tokens(&t->specials_all, t, true, err);
    return st;
}

void collet_specials_finish(collet_specials *s)
{
    free(s->classes);
    free(s->starts);
    collet_piece_map_finish(&s->by_text);
    *s = (collet_specials){ 0 };
}

// ---- cutting ----

typedef struct fragment_list {
    collet_fragment *data;
    size_t n, n_max;
} fragment_list;

static bool add(fragment_list *list, size_t begin, size_t end, uint32_t id)
{
    if (list->n == list->n_max) {
        size_t wanted = list->n_max ? list->n_max * 2 : 16;
        collet_fragment *data = realloc(list->data, wanted * sizeof *data);
        if (!data)
            return false;
        list->data = data;
        list->n_max = wanted;
    }
    list->data[list->n++] = (collet_fragment){ .begin = begin, .end = end, .id = id };
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// Where a special token may begin, by its first two bytes: a few places in a text, found in one pass.
static bool find_starts(uint32_t **out, size_t *n_out, const collet_specials *s, const char *text, size_t n_bytes)
{
    uint32_t *places = NULL;
    size_t n = 0, n_max = 0;
    for (size_t i = 0; i < n_bytes && s->n_classes > 0; i++) {
        uint32_t pair = (uint32_t)(uint8_t)text[i] << 8 | (i + 1 < n_bytes ? (uint8_t)text[i + 1] : 0);
        if (!(s->starts[pair / 8] >> pair % 8 & 1))
            continue;
        if (n == n_max) {
            n_max = n_max ? n_max * 2 : 64;
            uint32_t *grown = realloc(places, n_max * sizeof *places);
            if (!grown) {
                free(places);
                return false;
            }
            places = grown;
        }
        places[n++] = (uint32_t)i; // COLLET_ENCODE_BYTES_MAX fits
    }
    *out = places;
    *n_out = n;
    return true;
}

typedef struct cutter {
    const collet_tokenizer *t;
    const collet_specials *s;
    const char *text;
    uint32_t *places; // (n_places), ascending
    size_t n_places;
} cutter;

// Cuts one stretch of text at every token of one length, from the left. *place moves over those before `end`.
static bool cut_stretch(fragment_list *out, const cutter *k, const collet_special_class *c, size_t *place, size_t begin,
                        size_t end)
{
    for (; *place < k->n_places && k->places[*place] < end; (*place)++) {
        size_t at = k->places[*place];
        if (at < begin || end - at < c->n_bytes || !c->starts[(uint8_t)k->text[at]])
            continue;
        uint32_t id =
            collet_piece_map_find(&k->s->by_text, k->t->vocab.arena, k->t->vocab.texts, k->text + at, c->n_bytes);
        if (id == COLLET_NO_PIECE)
            continue;
        if ((at > begin && !add(out, begin, at, COLLET_NO_PIECE)) || !add(out, at, at + c->n_bytes, id))
            return false;
        begin = at + c->n_bytes;
        while ((k->t->attrs[id] & COLLET_ATTR_STRIP) && begin < end && is_blank(k->text[begin]))
            begin++;
    }
    return begin == end || add(out, begin, end, COLLET_NO_PIECE);
}

// Longest first over the whole text, not from left to right: a long token wins over a short one that begins before it.
// One pass per length over the few places keeps the worst text at (lengths x bytes), however many tokens there are.
static bool cut(fragment_list *now, const cutter *k, size_t n_bytes)
{
    fragment_list next = { 0 };
    bool ok = n_bytes == 0 || add(now, 0, n_bytes, COLLET_NO_PIECE);
    for (uint32_t i = 0; i < k->s->n_classes && k->n_places > 0 && ok; i++) {
        size_t place = 0;
        next.n = 0;
        for (size_t f = 0; f < now->n && ok; f++) {
            const collet_fragment *old = &now->data[f];
            ok = old->id != COLLET_NO_PIECE ? add(&next, old->begin, old->end, old->id)
                                            : cut_stretch(&next, k, &k->s->classes[i], &place, old->begin, old->end);
        }
        fragment_list swap = *now;
        *now = next;
        next = swap;
    }
    free(next.data);
    return ok;
}

collet_status collet_specials_cut(collet_fragment **fragments, size_t *n, const collet_tokenizer *t, const char *text,
                                  size_t n_bytes, bool parse_special, collet_error *err)
{
    cutter k = { .t = t, .s = parse_special ? &t->specials_all : &t->specials_always, .text = text };
    fragment_list list = { 0 };
    bool ok = find_starts(&k.places, &k.n_places, k.s, text, n_bytes) && cut(&list, &k, n_bytes);
    free(k.places);
    if (!ok) {
        free(list.data);
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the stretches of a text of %zu bytes", n_bytes);
    }
    *fragments = list.data;
    *n = list.n;
    return COLLET_OK;
}
