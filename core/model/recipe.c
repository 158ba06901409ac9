// SPDX-License-Identifier: Apache-2.0
// core/model/recipe.c - recipe.inc, rules and a topology applied to the tensors of a file.
#include "core/model/recipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/model/ggml_types.h"
#include "core/model/recipe_internal.h"
#include "core/model/topology.h"

typedef enum when {
    ALWAYS,
    FIRST2, // of the tensors of this kind, in the order of layers
    FIRST4,
    SIXTEENTH, // the first sixteenth of the layers
    EIGHTH,
    IMATRIX_EIGHTH, // the first eighth, when there is an importance matrix
    NO_IMATRIX_EIGHTH,
    MORE_BITS, // the first and last eighth, and every third between
    GQA4,      // four or more query heads for a key head
    EXPERTS8,
    NO_STACK // no stack of matrices
} when;

typedef struct mix_rule {
    const char *recipe;
    tensors of;
    when when;
    const char *format;
} mix_rule;

static const mix_rule mix_rules[] = {
#define TYPE(n, f, w, ft)
#define RECIPE(n, f, ft)
#define RULE(n, c, w, f) { .recipe = #n, .of = c, .when = w, .format = f },
#define MISTRAL(n, f, w, ft)
#define OTHER(n, f)
#include "core/model/recipe.inc"
#undef TYPE
#undef RECIPE
#undef RULE
#undef MISTRAL
#undef OTHER
};

static bool applies(const collet_recipe *r, const about *a, when w, const collet_gguf_tensor *t, bool has_imatrix)
{
    const uint32_t i = a->index, n = a->kind == ATTN_V ? r->n_attn_v : r->n_layers;
    switch (w) {
    case ALWAYS:
        return true;
    case FIRST2:
        return i < 2;
    case FIRST4:
        return i < 4;
    case SIXTEENTH:
        return i < n / 16;
    case EIGHTH:
        return i < n / 8;
    case IMATRIX_EIGHTH:
        return i < n / 8 && has_imatrix;
    case NO_IMATRIX_EIGHTH:
        return i < n / 8 && !has_imatrix;
    case MORE_BITS:
        return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
    case GQA4:
        return r->gqa >= 4;
    case EXPERTS8:
        return r->n_experts == 8;
    case NO_STACK:
        return t->dims[2] <= 1;
    }
    return false;
}

static bool divides(const collet_gguf_tensor *t, const char *format)
{
    return t->dims[0] % collet_ggml_type_named(format)->block_elems == 0;
}

static bool is_quantized(const char *format)
{
    return collet_ggml_type_named(format)->block_elems > 1;
}

static const char *of_recipe(const collet_recipe *r, const entry *e, const collet_gguf_tensor *t, const about *a,
                             bool has_imatrix)
{
    if (!is_quantized(e->format))
        return e->format;
    if (a->kind == OUTPUT || (r->tied && a->kind == EMBED)) {
        if (strcmp(e->name, "mxfp4_moe") == 0 || !divides(t, e->format) || strcmp(e->format, "q8_0") == 0)
            return "q8_0";
        return "q6_k";
    }
    const char *format = e->format;
    bool found = false;
    for (size_t i = 0; i < COLLET_COUNT(mix_rules) && !found; i++) {
        const mix_rule *rule = &mix_rules[i];
        if (strcmp(rule->recipe, e->name) == 0 && (rule->of == ANY || rule->of == a->kind) &&
            applies(r, a, rule->when, t, has_imatrix)) {
            format = rule->format;
            found = true;
        }
    }
    // Of few key heads each serves many queries; of eight experts all share them: cheap to store with more bits.
    if (a->kind == ATTN_V && r->is_70b && (strcmp(format, "q3_k") == 0 || strcmp(format, "q4_k") == 0))
        format = "q5_k";
    if ((a->kind == ATTN_V || a->kind == ATTN_K) && r->n_experts == 8 && strcmp(e->name, "mxfp4_moe") != 0)
        format = "q8_0";
    return format;
}

// What `type` makes of a tensor.
static const char *of_type(const collet_recipe *r, const entry *e, uint64_t i, const collet_recipe_opts *opts)
{
    const collet_gguf_tensor *t = collet_gguf_tensor_at(r->g, i);
    const about *a = &r->about[i];
    if (opts->pure)
        return e->format;
    const bool output = a->kind == OUTPUT || (r->tied && a->kind == EMBED);
    if (e->kind == KIND_RECIPE)
        return of_recipe(r, e, t, a, opts->has_imatrix);
    if (output || (e->kind == KIND_MISTRAL && a->kind == EMBED))
        return divides(t, e->wide) ? e->wide : "q8_0";
    return e->format;
}

static const char *smaller_blocks(const char *format)
{
    static const char *const table[][2] = { { "q4_k", "q5_0" }, { "q5_k", "q5_1" }, { "q6_k", "q8_0" },
                                            { "q2_k", "q4_0" }, { "q3_k", "q4_0" }, { "iq4_xs", "iq4_nl" },
                                            { "q8_k", "q8_0" } };
    for (size_t i = 0; i < COLLET_COUNT(table); i++)
        if (strcmp(table[i][0], format) == 0)
            return table[i][1];
    return format;
}

static void choose(collet_recipe *r, uint64_t i, const char *format, const char *because)
{
    const collet_gguf_tensor *t = collet_gguf_tensor_at(r->g, i);
    collet_recipe_choice *c = &r->choices[i];
    *c = (collet_recipe_choice){ .format = format, .because = because };
    if (!divides(t, format)) {
        c->format = smaller_blocks(format);
        if (!divides(t, c->format))
            c->format = "f16";
        c->is_fallback = true;
        c->because = collet_arena_printf(&r->arena, "rows of %llu do not divide into blocks of %u: %s instead of %s",
                                         (unsigned long long)t->dims[0], collet_ggml_type_named(format)->block_elems,
                                         c->format, format);
        r->n_fallbacks++;
    }
    c->quantize = strcmp(c->format, t->format) != 0;
    if (c->quantize)
        r->n_quantized++;
}

static void keep(collet_recipe *r, uint64_t i, const char *because)
{
    r->choices[i] = (collet_recipe_choice){ .format = collet_gguf_tensor_at(r->g, i)->format, .because = because };
}

// What was asked for, its names looked up.
typedef struct request {
    const collet_recipe_opts *opts;
    const entry *type, *output, *embedding; // NULL: not given
    const char *type_because;
    const entry **uses;   // of opts->rules
    const char **because; // of opts->rules
    bool *used;
    collet_topology *topology;
    const entry **topology_uses; // of its entries; NULL where one says nothing
    const char **topology_because;
} request;

static bool rule_is_type(const collet_recipe_rule *rule)
{
    return rule->layer_begin < 0 && !rule->tensor;
}

static bool rule_matches(const collet_recipe_rule *rule, const about *a, const char *name)
{
    if (rule->layer_begin >= 0 && (a->layer < rule->layer_begin || a->layer >= rule->layer_end))
        return false;
    return !rule->tensor || collet_glob(rule->tensor, name);
}

static void apply(collet_recipe *r, uint64_t i, const request *q, const entry *e, const char *because, bool as_type)
{
    if (e->kind == KIND_NONE)
        keep(r, i, because);
    else if (as_type || strcmp(e->name, e->format) != 0)
        choose(r, i, e->kind == KIND_MISTRAL && !as_type ? e->format : of_type(r, e, i, q->opts), because);
    else
        choose(r, i, e->format, because);
}

// The first rule that decides; the others count as used too when they match.
static int find_rule(const request *q, const about *a, const char *name)
{
    int first = -1;
    for (uint32_t k = 0; k < q->opts->n_rules; k++)
        if (rule_matches(&q->opts->rules[k], a, name)) {
            q->used[k] = true;
            first = first < 0 ? (int)k : first;
        }
    return first;
}

static void decide(collet_recipe *r, uint64_t i, const request *q)
{
    const collet_gguf_tensor *t = collet_gguf_tensor_at(r->g, i);
    const about *a = &r->about[i];
    if (a->kept) {
        keep(r, i, a->why_kept);
        return;
    }
    const int rule = find_rule(q, a, t->name);
    const collet_topology_entry *line = q->topology ? collet_topology_find(q->topology, t->name, a->layer) : NULL;
    const entry *named = NULL;
    size_t at = 0;
    while (line && collet_topology_entry_at(q->topology, at) != line)
        at++;
    if (line)
        named = q->topology_uses[at];
    if (q->output && (a->kind == OUTPUT || (r->tied && a->kind == EMBED && !q->embedding)))
        choose(r, i, q->output->format, "output type");
    else if (q->embedding && a->kind == EMBED)
        choose(r, i, q->embedding->format, "embedding type");
    else if (named)
        apply(r, i, q, named, q->topology_because[at], false);
    else if (rule >= 0)
        apply(r, i, q, q->uses[rule], q->because[rule], rule_is_type(&q->opts->rules[rule]));
    else if (q->type)
        apply(r, i, q, q->type, q->type_because, true);
    else
        keep(r, i, "kept: nothing was asked for it");
}

static collet_status check_used(const request *q, collet_error *err)
{
    for (uint32_t k = 0; k < q->opts->n_rules; k++) {
        const collet_recipe_rule *rule = &q->opts->rules[k];
        char layers[40] = "";
        if (q->used[k])
            continue;
        if (rule->layer_begin >= 0)
            snprintf(layers, sizeof layers, "layers: %d-%d ", rule->layer_begin, rule->layer_end - 1);
        return collet_fail(
            err, COLLET_E_INVALID,
            "%s%sno tensor of this model that can be quantized matches { %s%s%s }; `collet inspect` lists "
            "their names",
            rule->where ? rule->where : "", rule->where ? ": " : "", layers, rule->tensor ? "tensor: " : "",
            rule->tensor ? rule->tensor : "");
    }
    for (size_t k = 0; q->topology && k < collet_topology_n_entries(q->topology); k++) {
        const collet_topology_entry *line = collet_topology_entry_at(q->topology, k);
        if (!line->matched)
            return collet_fail(err, COLLET_E_INVALID,
                               "%s: no tensor of this model that can be quantized matches '%s'; `collet inspect` lists "
                               "their names",
                               line->where, line->selector);
    }
    return COLLET_OK;
}

static collet_status read_topology(collet_recipe *r, request *q, collet_error *err)
{
    collet_status st = collet_topology_open(&q->topology, q->opts->topology_path, err);
    if (st != COLLET_OK)
        return st;
    size_t n = collet_topology_n_entries(q->topology);
    q->topology_uses = collet_arena_alloc(&r->arena, (n + 1) * sizeof *q->topology_uses);
    q->topology_because = collet_arena_alloc(&r->arena, (n + 1) * sizeof *q->topology_because);
    for (size_t k = 0; k < n && st == COLLET_OK && !r->arena.failed; k++) {
        const collet_topology_entry *line = collet_topology_entry_at(q->topology, k);
        if (line->isq)
            st = collet_recipe_find(&q->topology_uses[k], line->isq, line->where, err);
        q->topology_because[k] = collet_arena_printf(&r->arena, "topology %s", line->where);
    }
    return st;
}

static collet_status look_up(collet_recipe *r, request *q, collet_error *err)
{
    const collet_recipe_opts *o = q->opts;
    q->uses = collet_arena_alloc(&r->arena, (o->n_rules + 1) * sizeof *q->uses);
    q->because = collet_arena_alloc(&r->arena, (o->n_rules + 1) * sizeof *q->because);
    q->used = collet_arena_alloc(&r->arena, (o->n_rules + 1) * sizeof *q->used);
    collet_status st = COLLET_OK;
    if (o->type) {
        st = collet_recipe_find(&q->type, o->type, o->type_where, err);
        q->type_because =
            collet_arena_printf(&r->arena, "%s %s%s%s", q->type && q->type->kind == KIND_RECIPE ? "recipe" : "type",
                                o->type, o->type_where ? ", " : "", o->type_where ? o->type_where : "");
    }
    if (st == COLLET_OK && o->output_type)
        st = collet_recipe_find(&q->output, o->output_type, "output type", err);
    if (st == COLLET_OK && o->embedding_type)
        st = collet_recipe_find(&q->embedding, o->embedding_type, "embedding type", err);
    if (st == COLLET_OK &&
        ((q->output && q->output->kind == KIND_NONE) || (q->embedding && q->embedding->kind == KIND_NONE)))
        st = collet_fail(err, COLLET_E_INVALID, "output and embedding type name a format, not 'none'");
    for (uint32_t k = 0; k < o->n_rules && st == COLLET_OK && !r->arena.failed; k++) {
        st = collet_recipe_find(&q->uses[k], o->rules[k].use, o->rules[k].where, err);
        q->because[k] = collet_arena_printf(&r->arena, "rule %s%s%s", o->rules[k].use, o->rules[k].where ? ", " : "",
                                            o->rules[k].where ? o->rules[k].where : "");
    }
    if (st == COLLET_OK && o->topology_path)
        st = read_topology(r, q, err);
    return st;
}

static uint32_t file_type(const collet_gguf *g, const entry *type)
{
    uint32_t own = 0;
    if (type && type->kind != KIND_NONE)
        return type->ftype;
    return collet_gguf_get_u32(&own, g, "general.file_type", NULL) == COLLET_OK ? own : 0;
}

static collet_status create_into(collet_recipe *r, request *q, collet_error *err)
{
    uint64_t n = collet_gguf_n_tensors(r->g);
    r->choices = collet_arena_alloc(&r->arena, (n + 1) * sizeof *r->choices);
    r->about = collet_arena_alloc(&r->arena, (n + 1) * sizeof *r->about);
    collet_status st = r->arena.failed ? COLLET_OK : look_up(r, q, err);
    if (st == COLLET_OK && !r->arena.failed) {
        collet_recipe_look(r);
        for (uint64_t i = 0; i < n; i++)
            decide(r, i, q);
        r->ftype = file_type(r->g, q->type);
        st = check_used(q, err);
    }
    if (r->arena.failed)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the formats of %llu tensors", (unsigned long long)n);
    return st;
}

collet_status collet_recipe_create(collet_recipe **out, const collet_gguf *g, const collet_recipe_opts *opts,
                                   collet_error *err)
{
    collet_recipe *r = calloc(1, sizeof *r);
    if (!r)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the recipe");
    r->g = g;
    request q = { .opts = opts };
    collet_status st = create_into(r, &q, err);
    collet_topology_close(q.topology);
    if (st == COLLET_OK)
        *out = r;
    else
        collet_recipe_destroy(r);
    return st;
}

void collet_recipe_destroy(collet_recipe *r)
{
    if (!r)
        return;
    collet_arena_free(&r->arena);
    free(r);
}

const collet_recipe_choice *collet_recipe_at(const collet_recipe *r, uint64_t tensor_index)
{
    return &r->choices[tensor_index];
}

uint32_t collet_recipe_n_quantized(const collet_recipe *r)
{
    return r->n_quantized;
}

uint32_t collet_recipe_n_fallbacks(const collet_recipe *r)
{
    return r->n_fallbacks;
}

uint32_t collet_recipe_ftype(const collet_recipe *r)
{
    return r->ftype;
}
