// SPDX-License-Identifier: Apache-2.0
// core/engine/vocab_gguf.c - the tokenizer that a GGUF file describes.
#include "core/engine/vocab_gguf.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"

#define KEY(name) "tokenizer.ggml." name

// Copies that the source points into; tokens and merges point on into the mapped file.
typedef struct copies {
    char *model, *pre, *model_name;
    collet_bytes *tokens, *merges;
    float *scores;
    int32_t *types;
} copies;

static void copies_free(copies *c)
{
    free(c->model);
    free(c->pre);
    free(c->model_name);
    free(c->tokens);
    free(c->merges);
    free(c->scores);
    free(c->types);
}

static collet_status no_memory(const char *key, collet_error *err)
{
    return collet_fail(err, COLLET_E_NOMEM, "no memory for %s", key);
}

static bool has(const collet_gguf *g, const char *key)
{
    return collet_gguf_find(g, key) != NULL;
}

// A string that may be missing: *out stays NULL.
static collet_status get_string(char **out, const collet_gguf *g, const char *key, collet_error *err)
{
    const char *text = NULL;
    size_t n = 0;
    if (!has(g, key))
        return COLLET_OK;
    collet_status st = collet_gguf_get_str(&text, &n, g, key, err);
    if (st != COLLET_OK)
        return st;
    if (memchr(text, '\0', n))
        return collet_fail(err, COLLET_E_FORMAT, "%s contains a NUL byte", key);
    *out = malloc(n + 1);
    if (!*out)
        return no_memory(key, err);
    memcpy(*out, text, n);
    (*out)[n] = '\0';
    return COLLET_OK;
}

static collet_status get_strings(collet_bytes **out, uint32_t *n, const collet_gguf *g, const char *key,
                                 collet_error *err)
{
    collet_gguf_array a;
    collet_status st = collet_gguf_get_array(&a, g, key, COLLET_GGUF_STRING, err);
    if (st != COLLET_OK)
        return st;
    if (a.n > INT32_MAX)
        return collet_fail(err, COLLET_E_FORMAT, "%s has %llu elements: wanted at most %d", key,
                           (unsigned long long)a.n, INT32_MAX);
    *out = malloc((size_t)(a.n + 1) * sizeof **out);
    if (!*out)
        return no_memory(key, err);
    *n = 0;
    const char *text = NULL;
    uint64_t n_bytes = 0;
    for (collet_gguf_array rest = a; *n < a.n && collet_gguf_array_next(&rest, &text, &n_bytes); (*n)++)
        (*out)[*n] = (collet_bytes){ .data = text, .n = (size_t)n_bytes };
    return COLLET_OK;
}

// An array with one element per token; *is_there is false when the file has none.
static collet_status get_per_token(collet_gguf_array *a, bool *is_there, const collet_gguf *g, const char *key,
                                   uint32_t n_tokens, collet_error *err)
{
    *is_there = has(g, key);
    if (!*is_there)
        return COLLET_OK;
    collet_status st = collet_gguf_get_array(a, g, key, COLLET_GGUF_ARRAY, err);
    if (st == COLLET_OK && a->n != n_tokens)
        return collet_fail(err, COLLET_E_FORMAT, "%s has %llu elements, " KEY("tokens") " has %u: wanted as many", key,
                           (unsigned long long)a->n, n_tokens);
    return st;
}

static collet_status get_scores(copies *c, const collet_gguf *g, uint32_t n_tokens, collet_error *err)
{
    collet_gguf_array a;
    bool is_there = false;
    collet_status st = get_per_token(&a, &is_there, g, KEY("scores"), n_tokens, err);
    if (st != COLLET_OK || !is_there)
        return st;
    c->scores = malloc((size_t)n_tokens * sizeof *c->scores + 1);
    if (!c->scores)
        return no_memory(KEY("scores"), err);
    for (uint32_t i = 0; i < n_tokens; i++) {
        double score = 0.0;
        if (!collet_gguf_array_f64(&score, &a, i) || !(score >= -1e30 && score <= 1e30))
            return collet_fail(err, COLLET_E_FORMAT, KEY("scores") ": element %u is not a finite number", i);
        c->scores[i] = (float)score;
    }
    return COLLET_OK;
}

static collet_status get_types(copies *c, const collet_gguf *g, uint32_t n_tokens, collet_error *err)
{
    collet_gguf_array a;
    bool is_there = false;
    collet_status st = get_per_token(&a, &is_there, g, KEY("token_type"), n_tokens, err);
    if (st != COLLET_OK || !is_there)
        return st;
    c->types = malloc((size_t)n_tokens * sizeof *c->types + 1);
    if (!c->types)
        return no_memory(KEY("token_type"), err);
    for (uint32_t i = 0; i < n_tokens; i++) {
        int64_t type = 0;
        if (!collet_gguf_array_i64(&type, &a, i))
            return collet_fail(err, COLLET_E_FORMAT, KEY("token_type") ": element %u is not an integer", i);
        c->types[i] = type >= 0 && type <= INT32_MAX ? (int32_t)type : 0;
    }
    return COLLET_OK;
}

// A token's id; the default stands where the file says nothing and has a token of that number.
static collet_status get_id(int32_t *out, int32_t dflt, const collet_gguf *g, const char *key, uint32_t n_tokens,
                            collet_error *err)
{
    uint32_t id = 0;
    *out = dflt >= 0 && (uint32_t)dflt < n_tokens ? dflt : -1;
    if (!has(g, key))
        return COLLET_OK;
    collet_status st = collet_gguf_get_u32(&id, g, key, err);
    if (st == COLLET_OK && id >= n_tokens)
        return collet_fail(err, COLLET_E_FORMAT, "%s is %u, but " KEY("tokens") " has %u elements", key, id, n_tokens);
    if (st == COLLET_OK)
        *out = (int32_t)id;
    return st;
}

static collet_status get_switch(int32_t *out, const collet_gguf *g, const char *key, collet_error *err)
{
    bool on = false;
    *out = -1;
    if (!has(g, key))
        return COLLET_OK;
    collet_status st = collet_gguf_get_bool(&on, g, key, err);
    if (st == COLLET_OK)
        *out = on;
    return st;
}

static collet_status read_numbers(collet_vocab_source *s, const collet_gguf *g, collet_error *err)
{
    // Old converters left out what every SentencePiece vocabulary of the time had in these places.
    bool is_llama = strcmp(s->model, "llama") == 0;
    collet_status st = get_id(&s->bos, is_llama ? 1 : -1, g, KEY("bos_token_id"), s->n_tokens, err);
    if (st == COLLET_OK)
        st = get_id(&s->eos, is_llama ? 2 : -1, g, KEY("eos_token_id"), s->n_tokens, err);
    if (st == COLLET_OK)
        st = get_id(&s->unk, is_llama ? 0 : -1, g, KEY("unknown_token_id"), s->n_tokens, err);
    if (st == COLLET_OK)
        st = get_id(&s->eot, -1, g, KEY("eot_token_id"), s->n_tokens, err);
    if (st == COLLET_OK)
        st = get_id(&s->eom, -1, g, KEY("eom_token_id"), s->n_tokens, err);
    if (st == COLLET_OK)
        st = get_switch(&s->add_bos, g, KEY("add_bos_token"), err);
    if (st == COLLET_OK)
        st = get_switch(&s->add_eos, g, KEY("add_eos_token"), err);
    if (st == COLLET_OK)
        st = get_switch(&s->add_space_prefix, g, KEY("add_space_prefix"), err);
    return st;
}

static collet_status read_source(collet_vocab_source *s, copies *c, const collet_gguf *g, collet_error *err)
{
    if (!has(g, KEY("model")))
        return collet_fail(err, COLLET_E_FORMAT, "no tokenizer: the file lacks the key " KEY("model"));
    collet_status st = get_string(&c->model, g, KEY("model"), err);
    if (st == COLLET_OK)
        st = get_string(&c->pre, g, KEY("pre"), err);
    if (st == COLLET_OK)
        st = get_string(&c->model_name, g, "general.name", err);
    if (st == COLLET_OK)
        st = get_strings(&c->tokens, &s->n_tokens, g, KEY("tokens"), err);
    if (st == COLLET_OK)
        st = get_scores(c, g, s->n_tokens, err);
    if (st == COLLET_OK)
        st = get_types(c, g, s->n_tokens, err);
    if (st == COLLET_OK && strcmp(c->model, "gpt2") == 0)
        st = get_strings(&c->merges, &s->n_merges, g, KEY("merges"), err);
    if (st != COLLET_OK)
        return st;
    s->model = c->model;
    s->pre = c->pre;
    s->model_name = c->model_name;
    s->tokens = c->tokens;
    s->scores = c->scores;
    s->types = c->types;
    s->merges = c->merges;
    return read_numbers(s, g, err);
}

collet_status collet_tokenizer_from_gguf(collet_tokenizer **out, const collet_gguf *g, collet_error *err)
{
    collet_error local = COLLET_ERROR_INIT;
    collet_vocab_source source = { 0 };
    copies c = { 0 };
    collet_status st = read_source(&source, &c, g, &local);
    if (st == COLLET_OK)
        st = collet_tokenizer_create(out, &source, &local);
    copies_free(&c);
    if (st == COLLET_OK)
        return COLLET_OK;
    // What is missing from the file is the file's fault.
    st = st == COLLET_E_NOT_FOUND ? COLLET_E_FORMAT : st;
    const char *path = collet_gguf_path(g);
    bool has_path = strncmp(local.msg, path, strlen(path)) == 0; // the reader of single keys writes it itself
    return collet_fail(err, st, "%s%s%s", has_path ? "" : path, has_path ? "" : ": ", local.msg);
}
