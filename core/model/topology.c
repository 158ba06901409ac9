// SPDX-License-Identifier: Apache-2.0
// core/model/topology.c - selectors compiled, then looked up in mistral.rs's order.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/model/topology.h"

#include <ctype.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/plugin/yaml_tree.h"

#define NAME_MAX_BYTES 256
#define MATCH_STEPS_MAX 1000000u // of one expression on one name
#define LAYER_MAX 1000000u

typedef struct selector {
    collet_topology_entry public;
    uint32_t begin, end; // of a range; 0, 0: an expression
    pcre2_code *expr;
} selector;

struct collet_topology {
    collet_arena arena;
    selector *selectors;
    size_t n;
    pcre2_match_data *match;
    pcre2_match_context *context;
};

// ---- names ----

const char *collet_hf_name(char *out, size_t n_out, const char *gguf_name)
{
    static const char *const whole[][2] = { { "token_embd", "model.embed_tokens" },
                                            { "output", "lm_head" },
                                            { "output_norm", "model.norm" } };
    static const char *const parts[][2] = { { "attn_norm", "input_layernorm" },
                                            { "ffn_norm", "post_attention_layernorm" },
                                            { "attn_q", "self_attn.q_proj" },
                                            { "attn_k", "self_attn.k_proj" },
                                            { "attn_v", "self_attn.v_proj" },
                                            { "attn_qkv", "self_attn.qkv_proj" },
                                            { "attn_output", "self_attn.o_proj" },
                                            { "attn_q_norm", "self_attn.q_norm" },
                                            { "attn_k_norm", "self_attn.k_norm" },
                                            { "ffn_gate", "mlp.gate_proj" },
                                            { "ffn_up", "mlp.up_proj" },
                                            { "ffn_down", "mlp.down_proj" },
                                            { "ffn_gate_inp", "mlp.gate" },
                                            { "ffn_gate_exps", "mlp.experts.gate_proj" },
                                            { "ffn_up_exps", "mlp.experts.up_proj" },
                                            { "ffn_down_exps", "mlp.experts.down_proj" } };
    int layer = -1, n_read = 0;
    if (sscanf(gguf_name, "blk.%d.%n", &layer, &n_read) != 1)
        n_read = 0;
    const char *part = gguf_name + n_read, *dot = strrchr(part, '.');
    const size_t n_part = dot ? (size_t)(dot - part) : strlen(part);
    const char *const(*table)[2] = n_read ? parts : whole;
    const size_t n_table = n_read ? COLLET_COUNT(parts) : COLLET_COUNT(whole);
    for (size_t i = 0; i < n_table; i++) {
        if (strlen(table[i][0]) != n_part || strncmp(table[i][0], part, n_part) != 0)
            continue;
        if (n_read)
            snprintf(out, n_out, "model.layers.%d.%s%s", layer, table[i][1], dot ? dot : "");
        else
            snprintf(out, n_out, "%s%s", table[i][1], dot ? dot : "");
        return out;
    }
    snprintf(out, n_out, "%s", gguf_name);
    return out;
}

// ---- reading ----

static bool number(const char **at, uint32_t *out)
{
    if (!isdigit((unsigned char)**at))
        return false;
    uint64_t value = 0;
    while (isdigit((unsigned char)**at) && value <= LAYER_MAX)
        value = 10 * value + (uint64_t)(*(*at)++ - '0');
    *out = (uint32_t)value;
    return value <= LAYER_MAX;
}

static collet_status compile(selector *s, const char *text, size_t n, collet_error *err)
{
    int code = 0;
    PCRE2_SIZE at = 0;
    s->expr = pcre2_compile((PCRE2_SPTR)text, n, PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &code, &at, NULL);
    if (s->expr)
        return COLLET_OK;
    PCRE2_UCHAR why[120] = "";
    pcre2_get_error_message(code, why, sizeof why);
    return collet_fail(err, COLLET_E_INVALID, "%s: the expression /%.*s/ is wrong at byte %zu: %s", s->public.where,
                       (int)n, text, (size_t)at, (const char *)why);
}

static collet_status read_selector(selector *s, const char *text, collet_error *err)
{
    const size_t n = strlen(text);
    if (n >= 2 && text[0] == '/' && text[n - 1] == '/')
        return compile(s, text + 1, n - 2, err);
    const char *at = text;
    bool right = number(&at, &s->begin);
    s->end = s->begin + 1;
    if (right && *at == '-') {
        at++;
        right = number(&at, &s->end);
    }
    if (!right || *at)
        return collet_fail(err, COLLET_E_INVALID,
                           "%s: '%s' is no selector: write a layer (24), a range with its end "
                           "excluded (0-8), or /an expression/ on the weight's name",
                           s->public.where, text);
    if (s->end <= s->begin)
        return collet_fail(err, COLLET_E_INVALID,
                           "%s: the range '%s' is empty: its end is excluded and must be larger than "
                           "its begin",
                           s->public.where, text);
    return COLLET_OK;
}

static collet_status read_device(const selector *s, const char *text, collet_error *err)
{
    char kind[8] = "", close = 0;
    unsigned index = 0;
    if (strcmp(text, "cpu") == 0)
        return COLLET_OK;
    if (sscanf(text, "%5[a-z][%u%c", kind, &index, &close) == 3 && close == ']' &&
        (strcmp(kind, "cuda") == 0 || strcmp(kind, "metal") == 0))
        return collet_fail(err, COLLET_E_INVALID,
                           "%s: this version places no layers on %s: write cpu, or leave `device` "
                           "out and choose one device for all with --device",
                           s->public.where, text);
    return collet_fail(err, COLLET_E_INVALID, "%s: '%s' is no device: write cpu, cuda[0] or metal[0]", s->public.where,
                       text);
}

static collet_status read_entry(collet_topology *t, selector *s, const collet_yaml_entry *e, const char *path,
                                collet_error *err)
{
    s->public.selector = e->key->text;
    s->public.where = collet_arena_printf(&t->arena, "%s:%d", path, e->key->mark.line);
    if (t->arena.failed)
        return collet_fail(err, COLLET_E_NOMEM, "%s: no memory for the topology", path);
    collet_status st = read_selector(s, e->key->text, err);
    if (st == COLLET_OK && e->value->kind != COLLET_YAML_MAP)
        st = collet_fail(err, COLLET_E_INVALID, "%s: '%s' wants `isq: TYPE` and `device: NAME` under it, not %s",
                         s->public.where, s->public.selector, collet_yaml_kind_name(e->value));
    if (st != COLLET_OK)
        return st;
    for (const collet_yaml_entry *f = e->value->first; f && st == COLLET_OK; f = f->next) {
        const bool is_isq = strcmp(f->key->text, "isq") == 0, is_device = strcmp(f->key->text, "device") == 0;
        if (!is_isq && !is_device)
            st = collet_fail(err, COLLET_E_INVALID, "%s:%d: unknown key '%s'; a selector has isq and device", path,
                             f->key->mark.line, f->key->text);
        else if (f->value->kind != COLLET_YAML_SCALAR)
            st = collet_fail(err, COLLET_E_INVALID, "%s:%d: %s is one word, not %s", path, f->key->mark.line,
                             f->key->text, collet_yaml_kind_name(f->value));
        else if (is_device)
            st = read_device(s, f->value->text, err);
        else
            s->public.isq = f->value->text;
    }
    return st;
}

static collet_status read_root(collet_topology *t, const collet_yaml_node *root, const char *path, collet_error *err)
{
    if (!root || root->kind != COLLET_YAML_MAP || root->n_entries == 0)
        return collet_fail(err, COLLET_E_INVALID, "%s: a topology maps selectors to { isq: TYPE }; this is %s", path,
                           root && root->kind != COLLET_YAML_MAP ? collet_yaml_kind_name(root) : "empty");
    t->selectors = collet_arena_alloc(&t->arena, root->n_entries * sizeof *t->selectors);
    if (!t->selectors)
        return collet_fail(err, COLLET_E_NOMEM, "%s: no memory for the topology", path);
    collet_status st = COLLET_OK;
    for (const collet_yaml_entry *e = root->first; e && st == COLLET_OK; e = e->next)
        st = read_entry(t, &t->selectors[t->n++], e, path, err);
    return st;
}

static collet_status open_into(collet_topology *t, const char *path, collet_error *err)
{
    char *text = NULL;
    size_t n_bytes = 0;
    collet_status st = collet_file_read(&text, &n_bytes, path, COLLET_YAML_BYTES_MAX, err);
    if (st != COLLET_OK)
        return st;
    const char *name = collet_arena_text(&t->arena, path, strlen(path));
    const collet_yaml_node *root = NULL;
    collet_problems problems = { .err = err };
    if (name) {
        const collet_yaml_input input = { .name = name, .text = text, .n_bytes = n_bytes, .is_file = true };
        st = collet_yaml_parse(&root, &t->arena, &input, &problems);
    }
    free(text);
    if (st == COLLET_OK && problems.first != COLLET_OK)
        st = problems.first; // a selector given twice
    if (st == COLLET_OK)
        st = read_root(t, root, path, err);
    t->match = pcre2_match_data_create(1, NULL);
    t->context = pcre2_match_context_create(NULL);
    if (st == COLLET_OK && (!t->match || !t->context || t->arena.failed))
        st = collet_fail(err, COLLET_E_NOMEM, "%s: no memory for the topology", path);
    if (st == COLLET_OK)
        pcre2_set_match_limit(t->context, MATCH_STEPS_MAX);
    return st;
}

collet_status collet_topology_open(collet_topology **out, const char *path, collet_error *err)
{
    collet_topology *t = calloc(1, sizeof *t);
    if (!t)
        return collet_fail(err, COLLET_E_NOMEM, "%s: no memory for the topology", path);
    collet_status st = open_into(t, path, err);
    if (st == COLLET_OK)
        *out = t;
    else
        collet_topology_close(t);
    return st;
}

void collet_topology_close(collet_topology *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++)
        pcre2_code_free(t->selectors[i].expr);
    pcre2_match_data_free(t->match);
    pcre2_match_context_free(t->context);
    collet_arena_free(&t->arena);
    free(t);
}

// ---- looking up ----

static bool matches(const collet_topology *t, const selector *s, const char *name)
{
    return pcre2_match(s->expr, (PCRE2_SPTR)name, strlen(name), 0, 0, t->match, t->context) >= 0;
}

const collet_topology_entry *collet_topology_find(collet_topology *t, const char *gguf_name, int32_t layer)
{
    char hf[NAME_MAX_BYTES];
    selector *range = NULL, *expr = NULL;
    collet_hf_name(hf, sizeof hf, gguf_name);
    for (size_t i = 0; i < t->n; i++) {
        selector *s = &t->selectors[i];
        const bool hit = s->expr ? matches(t, s, hf) || matches(t, s, gguf_name)
                                 : layer >= 0 && (uint32_t)layer >= s->begin && (uint32_t)layer < s->end;
        if (!hit)
            continue;
        s->public.matched = true;
        if (s->expr)
            expr = s;
        else if (!range || s->end >= range->end) // the largest end, and of equal ones the last
            range = s;
    }
    // An expression that says nothing about formats leaves the range's word.
    selector *best = expr && (expr->public.isq || !range) ? expr : range;
    return best ? &best->public : NULL;
}

size_t collet_topology_n_entries(const collet_topology *t)
{
    return t->n;
}

const collet_topology_entry *collet_topology_entry_at(const collet_topology *t, size_t i)
{
    return &t->selectors[i].public;
}
