// SPDX-License-Identifier: Apache-2.0
// core/model/recipe.c - recipe.inc applied to the tensors of a file. It is longer than 600 lines for its lists of
// tensor names, which are read beside the decisions that need them.
#include "core/model/recipe.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/error.h"
#include "core/base/text.h"
#include "core/model/ggml_types.h"
#include "core/model/topology.h"

typedef enum entry_kind { KIND_NONE, KIND_TYPE, KIND_RECIPE, KIND_MISTRAL, KIND_OTHER } entry_kind;

typedef struct entry {
    const char *name;
    entry_kind kind;
    const char *format; // OTHER: what to take instead
    const char *wide;   // TYPE, MISTRAL
    uint32_t ftype;
} entry;

static const entry entries[] = {
    { .name = "none", .kind = KIND_NONE },
    { .name = "false", .kind = KIND_NONE },
    { .name = "off", .kind = KIND_NONE },
    { .name = "0", .kind = KIND_NONE },
#define TYPE(n, f, w, ft) { .name = #n, .kind = KIND_TYPE, .format = f, .wide = w, .ftype = ft },
#define RECIPE(n, f, ft) { .name = #n, .kind = KIND_RECIPE, .format = f, .ftype = ft },
#define RULE(n, c, w, f)
#define MISTRAL(n, f, w, ft) { .name = #n, .kind = KIND_MISTRAL, .format = f, .wide = w, .ftype = ft },
#define OTHER(n, f) { .name = #n, .kind = KIND_OTHER, .format = f },
#include "core/model/recipe.inc"
#undef TYPE
#undef RECIPE
#undef RULE
#undef MISTRAL
#undef OTHER
};

typedef enum tensors { ANY, EMBED, OUTPUT, ATTN_Q, ATTN_K, ATTN_V, ATTN_OUT, FFN_UP, FFN_GATE, FFN_DOWN, REST } tensors;

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

typedef struct about {
    tensors kind;
    int32_t layer;  // -1: outside the layers
    uint32_t index; // attn_v: its rank among its kind; others: the layer
    bool kept;
    const char *why_kept;
} about;

struct collet_recipe {
    const collet_gguf *g;
    collet_arena arena;
    collet_recipe_choice *choices;
    about *about;
    uint32_t n_quantized, n_fallbacks, ftype;
    uint32_t n_layers, n_attn_v, gqa, n_experts;
    bool tied, is_70b;
};

// ---- names ----

static const entry *find_exact(const char *name)
{
    for (size_t i = 0; i < COLLET_COUNT(entries); i++)
        if (strcmp(entries[i].name, name) == 0)
            return &entries[i];
    return NULL;
}

// Upper and lower case alike; mistral.rs's names with _S, _M or _L after them are the names without.
static const entry *find_entry(const char *name)
{
    char lower[32];
    size_t n = strlen(name);
    if (n >= sizeof lower)
        return NULL;
    for (size_t i = 0; i <= n; i++)
        lower[i] = (char)tolower((unsigned char)name[i]);
    const entry *e = find_exact(lower);
    if (e || n < 3 || lower[n - 2] != '_' || !strchr("sml", lower[n - 1]))
        return e;
    lower[n - 2] = '\0';
    e = find_exact(lower);
    return e && e->kind == KIND_MISTRAL ? e : NULL;
}

const char *collet_recipe_name_at(size_t i)
{
    for (size_t k = 0; k < COLLET_COUNT(entries); k++)
        if (entries[k].kind != KIND_OTHER && (entries[k].kind != KIND_NONE || k == 0) && i-- == 0)
            return entries[k].name;
    return NULL;
}

static collet_status want_entry(const entry **out, const char *name, const char *where, collet_error *err)
{
    const char *sep = where ? ": " : "";
    where = where ? where : "";
    const entry *e = find_entry(name);
    if (e && e->kind != KIND_OTHER) {
        *out = e;
        return COLLET_OK;
    }
    char shown[80];
    collet_escape(shown, sizeof shown, name, strlen(name));
    if (e)
        return collet_fail(err, COLLET_E_INVALID,
                           "%s%s%s is a format of mistral.rs that this version has not; %s is as wide", where, sep,
                           shown, e->format);
    const char *names[COLLET_COUNT(entries)];
    size_t n = 0;
    while ((names[n] = collet_recipe_name_at(n)) != NULL)
        n++;
    char lower[32] = { 0 };
    for (size_t i = 0; i < sizeof lower - 1 && name[i]; i++)
        lower[i] = (char)tolower((unsigned char)name[i]);
    const char *nearest = collet_nearest(lower, names, n);
    if (nearest)
        return collet_fail(err, COLLET_E_INVALID, "%s%sunknown weight format '%s'; did you mean '%s'?", where, sep,
                           shown, nearest);
    return collet_fail(err, COLLET_E_INVALID,
                       "%s%sunknown weight format '%s'; known are q4_k_m, q5_k_m, q8_0 and others: docs/FORMATS.md",
                       where, sep, shown);
}

collet_status collet_recipe_check_name(const char *name, collet_error *err)
{
    const entry *e = NULL;
    return want_entry(&e, name, NULL, err);
}

// ---- what the file holds ----

static bool has(const char *name, const char *part)
{
    return strstr(name, part) != NULL;
}

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), n_end = strlen(end);
    return n >= n_end && strcmp(name + n - n_end, end) == 0;
}

static tensors kind_of(const char *name)
{
    static const struct {
        const char *part;
        tensors kind;
    } parts[] = { { "attn_qkv.weight", ATTN_V }, { "attn_kv_b.weight", ATTN_V }, { "attn_v.weight", ATTN_V },
                  { "attn_k.weight", ATTN_K },   { "attn_q.weight", ATTN_Q },    { "attn_output.weight", ATTN_OUT },
                  { "ffn_up", FFN_UP },          { "ffn_gate", FFN_GATE },       { "ffn_down", FFN_DOWN } };
    if (strcmp(name, "output.weight") == 0)
        return OUTPUT;
    if (strcmp(name, "token_embd.weight") == 0 || strcmp(name, "per_layer_token_embd.weight") == 0)
        return EMBED;
    for (size_t i = 0; i < COLLET_COUNT(parts); i++)
        if (has(name, parts[i].part))
            return parts[i].kind;
    return REST;
}

// Small or sensitive tensors that llama-quantize leaves alone too.
static const char *why_kept(const collet_gguf_tensor *t)
{
    static const char *const parts[] = { "altup",
                                         "laurel",
                                         "per_layer_model_proj",
                                         "ssm_conv1d",
                                         "shortconv.conv.weight",
                                         "indexer.k_proj.weight",
                                         "indexer.q_proj.weight",
                                         "time_mix_first.weight",
                                         "time_mix_w0.weight",
                                         "time_mix_w1.weight",
                                         "time_mix_w2.weight",
                                         "time_mix_v0.weight",
                                         "time_mix_v1.weight",
                                         "time_mix_v2.weight",
                                         "time_mix_a0.weight",
                                         "time_mix_a1.weight",
                                         "time_mix_a2.weight",
                                         "time_mix_g1.weight",
                                         "time_mix_g2.weight",
                                         "time_mix_decay_w1.weight",
                                         "time_mix_decay_w2.weight",
                                         "time_mix_lerp_fused.weight",
                                         "attn_rel_b.weight",
                                         ".position_embd",
                                         "sam.pos_embd",
                                         "sam.neck.",
                                         "sam.net_",
                                         ".rel_pos",
                                         ".patch_embd",
                                         ".patch_merger",
                                         "a.rvq.codebook",
                                         "mm.a.code_embd" };
    if (t->dims[1] == 1 && t->dims[2] == 1 && t->dims[3] == 1)
        return "kept: one dimension";
    if (!ends_in(t->name, "weight"))
        return "kept: no weight matrix";
    if (has(t->name, "_norm.weight"))
        return "kept: a norm";
    if (has(t->name, "ffn_gate_inp.weight") || has(t->name, "ffn_gate_tid2eid.weight"))
        return "kept: chooses experts";
    if (strcmp(t->name, "position_embd.weight") == 0 || strcmp(t->name, "token_types.weight") == 0)
        return "kept: positions and token types";
    for (size_t i = 0; i < COLLET_COUNT(parts); i++)
        if (has(t->name, parts[i]))
            return "kept: small and sensitive";
    return NULL;
}

static int32_t layer_of(const char *name)
{
    int layer = -1;
    return sscanf(name, "blk.%d.", &layer) == 1 && layer >= 0 ? layer : -1;
}

static uint32_t arch_u32(const collet_gguf *g, const char *name, uint32_t dflt)
{
    const char *arch = NULL;
    size_t n = 0;
    char key[128];
    uint64_t value = dflt;
    if (collet_gguf_get_str(&arch, &n, g, "general.architecture", NULL) != COLLET_OK || n > 63)
        return dflt;
    snprintf(key, sizeof key, "%.*s.%s", (int)n, arch, name);
    if (collet_gguf_get_u64_at(&value, g, key, 0, NULL) != COLLET_OK || value > UINT32_MAX)
        return dflt;
    return (uint32_t)value;
}

// The order in which mixtures count: by layer, then by name.
static bool stands_before(const collet_recipe *r, uint64_t a, uint64_t b)
{
    if (r->about[a].layer != r->about[b].layer)
        return r->about[a].layer < r->about[b].layer;
    return strcmp(collet_gguf_tensor_at(r->g, a)->name, collet_gguf_tensor_at(r->g, b)->name) < 0;
}

static void look_at_file(collet_recipe *r)
{
    uint64_t n = collet_gguf_n_tensors(r->g);
    uint32_t heads = arch_u32(r->g, "attention.head_count", 1);
    uint32_t kv_heads = arch_u32(r->g, "attention.head_count_kv", heads);
    r->n_layers = arch_u32(r->g, "block_count", 0);
    r->n_experts = arch_u32(r->g, "expert_count", 0);
    r->gqa = kv_heads ? heads / kv_heads : 0;
    r->is_70b = r->n_layers == 80 && heads != kv_heads;
    r->tied = collet_gguf_find_tensor(r->g, "output.weight") == NULL;
    for (uint64_t i = 0; i < n; i++) {
        const collet_gguf_tensor *t = collet_gguf_tensor_at(r->g, i);
        about *a = &r->about[i];
        a->kind = kind_of(t->name);
        a->layer = layer_of(t->name);
        a->why_kept = why_kept(t);
        a->kept = a->why_kept != NULL;
        a->index = a->layer < 0 ? 0 : (uint32_t)a->layer;
    }
    for (uint64_t i = 0; i < n; i++) {
        if (r->about[i].kind != ATTN_V)
            continue;
        r->n_attn_v++;
        r->about[i].index = 0;
        for (uint64_t k = 0; k < n; k++)
            if (r->about[k].kind == ATTN_V && !r->about[k].kept && stands_before(r, k, i))
                r->about[i].index++;
    }
}

// ---- deciding ----

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
            st = want_entry(&q->topology_uses[k], line->isq, line->where, err);
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
        st = want_entry(&q->type, o->type, o->type_where, err);
        q->type_because =
            collet_arena_printf(&r->arena, "%s %s%s%s", q->type && q->type->kind == KIND_RECIPE ? "recipe" : "type",
                                o->type, o->type_where ? ", " : "", o->type_where ? o->type_where : "");
    }
    if (st == COLLET_OK && o->output_type)
        st = want_entry(&q->output, o->output_type, "output type", err);
    if (st == COLLET_OK && o->embedding_type)
        st = want_entry(&q->embedding, o->embedding_type, "embedding type", err);
    if (st == COLLET_OK &&
        ((q->output && q->output->kind == KIND_NONE) || (q->embedding && q->embedding->kind == KIND_NONE)))
        st = collet_fail(err, COLLET_E_INVALID, "output and embedding type name a format, not 'none'");
    for (uint32_t k = 0; k < o->n_rules && st == COLLET_OK && !r->arena.failed; k++) {
        st = want_entry(&q->uses[k], o->rules[k].use, o->rules[k].where, err);
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
        look_at_file(r);
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
