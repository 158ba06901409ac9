// SPDX-License-Identifier: Apache-2.0
// core/model/codec.c
#include "core/model/codec.h"

#include <stdbool.h>
#include <string.h>

#include "core/base/error.h"

typedef struct search {
    collet_runtime *rt;
    const char *format;
    uint32_t direction;
    bool has_format; // some module has it, even if none that encodes
} search;

static bool better(const collet_module_info *a, const collet_module_info *b)
{
    if (a->tier != b->tier)
        return a->tier > b->tier;
    if (a->score != b->score)
        return a->score > b->score;
    return strcmp(a->id, b->id) < 0;
}

// Sets *out when module m can do what is asked for.
static collet_status ask(collet_codec *out, search *s, const collet_module_info *m, collet_error *err)
{
    collet_module_handle *handle = NULL;
    collet_status st = collet_runtime_module(s->rt, m, &handle, err);
    if (st != COLLET_OK)
        return st;
    const collet_quant_vt *vt = handle->vt;
    if (strcmp(vt->format, s->format) != 0)
        return COLLET_OK;
    s->has_format = true;
    if (s->direction == COLLET_CODEC_DECODE || vt->quantize)
        *out = (collet_codec){ .vt = vt, .mod = handle->mod, .id = m->id };
    return COLLET_OK;
}

static bool usable(const collet_module_info *m)
{
    return strcmp(m->iface, COLLET_QUANT_IFACE) == 0 && m->verdict == COLLET_VERDICT_OK;
}

// The best module that ranks after `last` (NULL: the best of all).
static const collet_module_info *next_best(const collet_registry *r, const collet_module_info *last)
{
    const collet_module_info *best = NULL;
    for (size_t i = 0; i < collet_registry_n_modules(r); i++) {
        const collet_module_info *m = collet_registry_module(r, i);
        if (usable(m) && m->score != 0 && (!last || better(last, m)) && (!best || better(m, best)))
            best = m;
    }
    return best;
}

static collet_status ask_any(collet_codec *out, search *s, collet_error *err)
{
    const collet_registry *r = collet_runtime_registry(s->rt);
    collet_status st = COLLET_OK;
    for (const collet_module_info *m = next_best(r, NULL); m && !out->vt && st == COLLET_OK; m = next_best(r, m))
        st = ask(out, s, m, err);
    return st;
}

static collet_status ask_named(collet_codec *out, search *s, const char *id, const collet_rule *rule, collet_error *err)
{
    const char *nearest = NULL;
    const collet_module_info *m = collet_registry_find(collet_runtime_registry(s->rt), id, &nearest);
    if (!m)
        return collet_fail(err, COLLET_E_NOT_FOUND, "%s:%d:%d: slots.quant: no module '%s' here%s%s", rule->file,
                           rule->line, rule->column, id, nearest ? "; did you mean " : "", nearest ? nearest : "");
    return usable(m) ? ask(out, s, m, err) : COLLET_OK;
}

collet_status collet_codec_find(collet_codec *out, collet_runtime *rt, const char *format, uint32_t direction,
                                collet_error *err)
{
    search s = { .rt = rt, .format = format, .direction = direction };
    const collet_rule_query query = { .format = format, .layer = -1 };
    const collet_rule *rule = collet_profile_rule(collet_runtime_profile(rt), "quant", &query);
    collet_codec found = { 0 };
    collet_status st = COLLET_OK;
    for (const char *const *id = rule->use; *id && !found.vt && st == COLLET_OK; id++)
        st = strcmp(*id, "any") == 0 ? ask_any(&found, &s, err) : ask_named(&found, &s, *id, rule, err);
    if (st == COLLET_OK && !found.vt && !rule->fallback_error)
        st = ask_any(&found, &s, err);
    if (st != COLLET_OK)
        return st;
    if (!found.vt && s.has_format)
        return collet_fail(err, COLLET_E_UNSUPPORTED, "%s can be read here, but no module encodes it", format);
    if (!found.vt)
        return collet_fail(err, COLLET_E_UNSUPPORTED, "no module has the format %s; `collet plugins list` shows them",
                           format);
    *out = found;
    return COLLET_OK;
}
