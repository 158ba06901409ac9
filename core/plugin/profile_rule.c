// SPDX-License-Identifier: Apache-2.0
// core/plugin/profile_rule.c - rules of a slot: how they are written, when they match.
#include <stdlib.h>
#include <string.h>

#include "collet/plugin/op.h"
#include "core/plugin/profile_internal.h"

static const char *const phase_names[] = { "prefill", "decode", "verify" }; // bit i is 1 << i of op.h
static const char *const rule_keys[] = { "op",     "format", "phase",   "layers",  "tensor",
                                         "tokens", "use",    "options", "fallback" };
static const char *const isq_keys[] = { "layers", "tensor", "use" };

int profile_find_slot(const char *key)
{
    if (strcmp(key, "isq") == 0)
        return PROFILE_ISQ;
    return strncmp(key, "slots.", 6) == 0 ? collet_schema_find_slot(key + 6) : -1;
}

// "slots.matmul", "isq".
static const char *slot_key(char out[64], size_t slot)
{
    if (slot == PROFILE_ISQ)
        return "isq";
    snprintf(out, 64, "slots.%s", collet_schema_slots[slot].name);
    return out;
}

bool profile_id_is_valid(const char *id)
{
    size_t n = strlen(id), n_colons = 0;
    for (size_t i = 0; i < n; i++) {
        n_colons += id[i] == ':';
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789._-:", id[i]))
            return false;
    }
    return n > 0 && n <= 2 * COLLET_ID_MAX + 1 && n_colons <= 1 && id[0] != ':' && id[n - 1] != ':';
}

static bool parse_number(const char **text, uint32_t *out)
{
    char *end = NULL;
    if (**text < '0' || **text > '9')
        return false;
    unsigned long n = strtoul(*text, &end, 10);
    if (n > INT32_MAX)
        return false;
    *text = end;
    *out = (uint32_t)n;
    return true;
}

// "5" or "0-3".
static bool parse_range(uint32_t *first, uint32_t *last, const char *text)
{
    if (!parse_number(&text, first))
        return false;
    *last = *first;
    if (*text == '-') {
        text++;
        if (!parse_number(&text, last))
            return false;
    }
    return *text == '\0' && *first <= *last;
}

// ">=64", ">64", "<8", "<=8", "16", "1-16".
static bool parse_tokens(profile_match *m, const char *text)
{
    bool above = text[0] == '>', below = text[0] == '<';
    m->has_tokens = true;
    m->tokens_min = 0;
    m->tokens_max = UINT32_MAX;
    if (!above && !below)
        return parse_range(&m->tokens_min, &m->tokens_max, text);
    bool inclusive = text[1] == '=';
    uint32_t n = 0;
    text += inclusive ? 2 : 1;
    while (*text == ' ')
        text++;
    if (!parse_number(&text, &n) || *text || (below && !inclusive && n == 0))
        return false;
    if (above)
        m->tokens_min = inclusive ? n : n + 1;
    else
        m->tokens_max = inclusive ? n : n - 1;
    return true;
}

// Joins texts for `profile show`.
static const char *join(collet_arena *arena, const char *const *texts)
{
    const char *all = texts[0];
    for (size_t i = 1; all && texts[i]; i++)
        all = collet_arena_printf(arena, "%s,%s", all, texts[i]);
    return all;
}

static void read_layers(profile_source *s, profile_match *m, const collet_yaml_node *node)
{
    const collet_mark *marks = NULL;
    const char *const *texts = profile_read_texts(s, node, "layers", true, &marks);
    for (size_t i = 0; texts && texts[i]; i++) {
        uint32_t first = 0, last = 0;
        if (!parse_range(&first, &last, texts[i])) {
            collet_problem(s->problems, COLLET_E_INVALID, &marks[i], "layers: '%s' is not a layer or a range like 0-3",
                           texts[i]);
        } else if (m->n_layers == RULE_LAYERS_MAX) {
            collet_problem(s->problems, COLLET_E_INVALID, &marks[i], "layers: more than %d ranges", RULE_LAYERS_MAX);
            return;
        } else {
            m->layers[m->n_layers++] = (profile_range){ (int32_t)first, (int32_t)last };
        }
    }
    m->layers_text = texts ? join(&s->profile->arena, texts) : NULL;
}

static void read_phases(profile_source *s, profile_match *m, const collet_yaml_node *node)
{
    const collet_mark *marks = NULL;
    const char *const *texts = profile_read_texts(s, node, "phase", true, &marks);
    for (size_t i = 0; texts && texts[i]; i++) {
        size_t k = 0;
        while (k < COLLET_COUNT(phase_names) && strcmp(phase_names[k], texts[i]) != 0)
            k++;
        if (k < COLLET_COUNT(phase_names))
            m->phases |= 1u << k;
        else
            collet_problem_unknown(s->problems, &marks[i], texts[i],
                                   &(collet_candidates){ phase_names, COLLET_COUNT(phase_names), true },
                                   "there is no phase '%s'", texts[i]);
    }
}

static void read_tokens(profile_source *s, profile_match *m, const collet_yaml_node *node)
{
    const char *text = profile_read_text(s, node, "tokens");
    m->tokens_text = text;
    if (text && !parse_tokens(m, text))
        collet_problem(s->problems, COLLET_E_INVALID, &node->mark,
                       "tokens: '%s' is not a number, a range like 1-16, or a bound like \">=64\"", text);
}

static void read_fallback(profile_source *s, profile_rule *r, const collet_yaml_node *node)
{
    int key = collet_schema_find_key("fallback");
    const char *text = profile_read_text(s, node, "fallback");
    collet_value value = { 0 };
    collet_error err = COLLET_ERROR_INIT;
    if (!text)
        return;
    if (collet_option_parse(&value, &collet_schema_keys[key].option, text, &err) != COLLET_OK) {
        collet_problem(s->problems, COLLET_E_INVALID, &node->mark, "fallback: %s", err.msg);
        return;
    }
    r->has_fallback = true;
    r->rule.fallback_error = strcmp(text, "error") == 0;
}

// A domain stands for its device module: `device: sim` is `device: sim.device`.
static const char *id_of_device(collet_arena *arena, const char *id)
{
    bool is_domain = !strpbrk(id, ".:") && strcmp(id, "any") != 0;
    return is_domain ? collet_arena_printf(arena, "%s.device", id) : id;
}

static void read_use(profile_source *s, size_t slot, profile_rule *r, const collet_yaml_node *node)
{
    const char **use = profile_read_texts(s, node, slot == PROFILE_ISQ ? "isq" : "use", true, &r->use_marks);
    if (slot == PROFILE_ISQ) {
        if (use && use[1])
            collet_problem(s->problems, COLLET_E_INVALID, &r->use_marks[1], "isq: one format, not several");
        r->rule.use = use;
        return;
    }
    for (size_t i = 0; use && use[i]; i++) {
        if (!profile_id_is_valid(use[i]))
            collet_problem(s->problems, COLLET_E_INVALID, &r->use_marks[i],
                           "use: '%s' is not a module id ([a-z0-9._-], or any)", use[i]);
        else if (strcmp(collet_schema_slots[slot].name, "device") == 0)
            use[i] = id_of_device(&s->profile->arena, use[i]);
    }
    r->rule.use = use;
}

// { kv.paged: { block_tokens: 16 } }, or { block_tokens: 16 } when `use` names one module.
static void read_rule_options(profile_source *s, const profile_rule *r, const collet_yaml_node *node)
{
    if (node->kind != COLLET_YAML_MAP) {
        collet_problem(s->problems, COLLET_E_INVALID, &node->mark, "options: a mapping was wanted, not %s",
                       collet_yaml_kind_name(node));
        return;
    }
    const char *only = NULL;
    size_t n_named = 0;
    for (size_t i = 0; r->rule.use && r->rule.use[i]; i++)
        if (strcmp(r->rule.use[i], "any") != 0) {
            only = r->rule.use[i];
            n_named++;
        }
    bool keyed = node->n_entries > 0;
    for (const collet_yaml_entry *e = node->first; e; e = e->next)
        keyed = keyed && e->value->kind == COLLET_YAML_MAP;
    if (keyed) {
        for (const collet_yaml_entry *e = node->first; e; e = e->next)
            profile_read_options(s, e->key->text, e->value);
    } else if (n_named == 1) {
        profile_read_options(s, only, node);
    } else if (r->rule.use) {
        collet_problem(s->problems, COLLET_E_INVALID, &node->mark,
                       "options: `use` names %zu modules, so say whose they are: options: { MODULE: { key: value } }",
                       n_named);
    }
}

static void read_rule_key(profile_source *s, size_t slot, profile_rule *r, const collet_yaml_entry *e)
{
    const char *key = e->key->text;
    bool known = slot != PROFILE_ISQ || strncmp(key, "x-", 2) == 0;
    for (size_t i = 0; i < COLLET_COUNT(isq_keys); i++)
        known = known || strcmp(key, isq_keys[i]) == 0;
    if (!known)
        collet_problem_unknown(s->problems, &e->key->mark, key,
                               &(collet_candidates){ isq_keys, COLLET_COUNT(isq_keys), true },
                               "a rule of isq has no key '%s'", key);
    else if (strcmp(key, "use") == 0)
        read_use(s, slot, r, e->value);
    else if (strcmp(key, "op") == 0)
        r->match.ops = profile_read_texts(s, e->value, "op", true, NULL);
    else if (strcmp(key, "format") == 0)
        r->match.formats = profile_read_texts(s, e->value, "format", true, NULL);
    else if (strcmp(key, "tensor") == 0)
        r->match.tensors = profile_read_texts(s, e->value, "tensor", true, NULL);
    else if (strcmp(key, "phase") == 0)
        read_phases(s, &r->match, e->value);
    else if (strcmp(key, "layers") == 0)
        read_layers(s, &r->match, e->value);
    else if (strcmp(key, "tokens") == 0)
        read_tokens(s, &r->match, e->value);
    else if (strcmp(key, "fallback") == 0)
        read_fallback(s, r, e->value);
    else if (strcmp(key, "options") != 0 && strncmp(key, "x-", 2) != 0)
        collet_problem_unknown(s->problems, &e->key->mark, key,
                               &(collet_candidates){ rule_keys, COLLET_COUNT(rule_keys), true },
                               "a rule has no key '%s'", key);
}

static void append_rule(profile_source *s, size_t slot, profile_rule *r, const collet_mark *mark)
{
    r->place = (profile_place){ .mark = *mark, .origin = s->origin, .source = s->number };
    r->rule.file = mark->file;
    r->rule.line = mark->line;
    r->rule.column = mark->column;
    r->rule.origin = s->origin;
    *s->profile->slots[slot].last = r;
    s->profile->slots[slot].last = &r->next;
}

static void read_rule(profile_source *s, size_t slot, const collet_yaml_node *node)
{
    profile_rule *r = collet_arena_alloc(&s->profile->arena, sizeof *r);
    if (!r)
        return;
    if (node->kind != COLLET_YAML_MAP) {
        read_use(s, slot, r, node);
    } else {
        const collet_yaml_node *options = NULL;
        for (const collet_yaml_entry *e = node->first; e; e = e->next) {
            read_rule_key(s, slot, r, e);
            if (strcmp(e->key->text, "options") == 0)
                options = e->value;
            else if (strcmp(e->key->text, "use") == 0 && !r->rule.use)
                return; // the problem is noted
        }
        if (!r->rule.use) {
            char key[64];
            collet_problem(s->problems, COLLET_E_INVALID, &node->mark, "%s: this rule has no `use`",
                           slot_key(key, slot));
            return;
        }
        if (options && slot != PROFILE_ISQ)
            read_rule_options(s, r, options);
    }
    if (r->rule.use)
        append_rule(s, slot, r, &node->mark);
}

void profile_read_slot(profile_source *s, size_t slot, const collet_yaml_node *node)
{
    bool is_list_of_rules = false; // else it is a list of ids
    for (const collet_yaml_entry *e = node->first; e && node->kind == COLLET_YAML_LIST; e = e->next)
        is_list_of_rules = is_list_of_rules || e->value->kind == COLLET_YAML_MAP;
    if (!is_list_of_rules)
        read_rule(s, slot, node);
    for (const collet_yaml_entry *e = node->first; e && is_list_of_rules; e = e->next)
        read_rule(s, slot, e->value);
}

// One line per range and pattern of each rule, in order.
void profile_fill_isq(collet_profile *p)
{
    size_t n = 0;
    for (int pass = 0; pass < 2; pass++) {
        n = 0;
        for (const profile_rule *r = p->slots[PROFILE_ISQ].first; r; r = r->next) {
            char where[512];
            const collet_mark *mark = &r->place.mark;
            if (mark->line)
                snprintf(where, sizeof where, "%s:%d:%d", mark->file, mark->line, mark->column);
            else
                snprintf(where, sizeof where, "%s", mark->file);
            const char *kept = pass ? collet_arena_text(&p->arena, where, strlen(where)) : NULL;
            for (uint32_t k = 0; k < (r->match.n_layers ? r->match.n_layers : 1); k++)
                for (size_t t = 0; t == 0 || (r->match.tensors && r->match.tensors[t]); t++, n++) {
                    if (!p->isq_list)
                        continue;
                    const profile_range *range = r->match.n_layers ? &r->match.layers[k] : NULL;
                    p->isq_list[n] = (collet_isq_rule){ .layer_begin = range ? range->first : -1,
                                                        .layer_end = range ? range->last + 1 : -1,
                                                        .tensor = r->match.tensors ? r->match.tensors[t] : NULL,
                                                        .use = r->rule.use[0],
                                                        .where = kept };
                }
        }
        if (!pass && !(p->isq_list = collet_arena_alloc(&p->arena, (n + 1) * sizeof *p->isq_list)))
            return;
    }
    p->n_isq = n;
}

static bool matches_any(const char *const *patterns, const char *text)
{
    if (!patterns)
        return true;
    for (size_t i = 0; text && patterns[i]; i++)
        if (collet_glob(patterns[i], text))
            return true;
    return false;
}

static bool matches_layer(const profile_match *m, int32_t layer)
{
    for (uint32_t i = 0; i < m->n_layers; i++)
        if (layer >= m->layers[i].first && layer <= m->layers[i].last)
            return true;
    return m->n_layers == 0;
}

bool profile_match_is_open(const profile_match *m)
{
    return !m->ops && !m->formats && !m->tensors && m->phases == 0 && m->n_layers == 0 && !m->has_tokens;
}

bool profile_rule_matches(const profile_match *m, const collet_rule_query *q)
{
    return matches_any(m->ops, q->op) && matches_any(m->formats, q->format) && matches_any(m->tensors, q->tensor) &&
           (m->phases == 0 || q->phase == 0 || (m->phases & q->phase)) && matches_layer(m, q->layer) &&
           (!m->has_tokens || (q->tokens >= m->tokens_min && q->tokens <= m->tokens_max));
}
