// SPDX-License-Identifier: Apache-2.0
// core/plugin/select.c
#include "core/plugin/select.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/text.h"

typedef struct selection {
    collet_runtime *rt;
    const collet_select_query *query;
    collet_choice *choice;
    size_t capacity;
} selection;

static bool has_op(const collet_module_info *m, const char *op)
{
    if (!op)
        return true;
    for (const char *const *name = m->ops; name && *name; name++)
        if (strcmp(*name, op) == 0)
            return true;
    return false;
}

static bool considered(const selection *s, const collet_module_info *m)
{
    for (size_t i = 0; i < s->choice->n_candidates; i++)
        if (s->choice->candidates[i].module == m)
            return true;
    return false;
}

static collet_candidate *add_candidate(selection *s, const collet_module_info *m)
{
    collet_choice *c = s->choice;
    if (c->n_candidates == s->capacity) {
        size_t capacity = s->capacity ? 2 * s->capacity : 8;
        collet_candidate *grown = realloc(c->candidates, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        c->candidates = grown;
        s->capacity = capacity;
    }
    collet_candidate *candidate = &c->candidates[c->n_candidates++];
    *candidate = (collet_candidate){ .module = m };
    return candidate;
}

// Asks one module. OK with choice->module set when it agrees; OK without when it refuses.
static collet_status ask(selection *s, const collet_module_info *m, collet_error *err)
{
    const collet_select_query *q = s->query;
    collet_candidate *candidate = add_candidate(s, m);
    if (!candidate)
        return collet_fail(err, COLLET_E_NOMEM, "no memory to choose a module for %s", q->slot);
    if (m->verdict != COLLET_VERDICT_OK) {
        snprintf(candidate->why, sizeof candidate->why, "%s", m->why);
    } else if (strcmp(m->iface, q->iface) != 0) {
        snprintf(candidate->why, sizeof candidate->why, "is a %s, the slot wants %s", m->iface, q->iface);
    } else if (q->domain && strcmp(m->domain, q->domain) != 0) {
        snprintf(candidate->why, sizeof candidate->why, "is of domain %s, the model runs on %s", m->domain, q->domain);
    } else if (!has_op(m, q->op)) {
        snprintf(candidate->why, sizeof candidate->why, "does not have the op %s", q->op);
    } else {
        collet_error open_err = COLLET_ERROR_INIT;
        collet_module_handle *handle = NULL;
        collet_status st = collet_runtime_module(s->rt, m, &handle, &open_err);
        if (st == COLLET_E_NOMEM)
            return collet_fail(err, st, "%s", open_err.msg); // another module would not have more
        if (st != COLLET_OK) {
            snprintf(candidate->why, sizeof candidate->why, "cannot be opened: %.170s", open_err.msg);
            return COLLET_OK;
        }
        collet_op_caps caps = { .size = sizeof caps };
        if (q->desc && ((const collet_op_vt *)handle->vt)->supports(handle->mod, q->desc, &caps) != COLLET_OK) {
            caps.why[sizeof caps.why - 1] = '\0';
            collet_escape(candidate->why, sizeof candidate->why, caps.why, strlen(caps.why));
            if (!candidate->why[0])
                snprintf(candidate->why, sizeof candidate->why, "refused without a reason (a defect of the plugin)");
            return collet_runtime_check_names(s->rt, err); // a name that could not be made is refused as unknown
        }
        candidate->chosen = true;
        s->choice->module = handle;
        s->choice->caps = caps;
    }
    return COLLET_OK;
}

static const char *tier_name(uint32_t tier)
{
    static const char *const names[] = { "reference", "generic", "tuned", "vendor" };
    return tier < COLLET_COUNT(names) ? names[tier] : "?";
}

static bool better(const collet_module_info *a, const collet_module_info *b)
{
    if (a->tier != b->tier)
        return a->tier > b->tier;
    if (a->score != b->score)
        return a->score > b->score;
    return strcmp(a->id, b->id) < 0;
}

static bool eligible(const selection *s, const collet_module_info *m)
{
    const collet_select_query *q = s->query;
    return strcmp(m->iface, q->iface) == 0 && (!q->domain || strcmp(m->domain, q->domain) == 0) && has_op(m, q->op) &&
           m->score != 0 && !considered(s, m);
}

// Every other module, best first, until one agrees; the rest is listed with its rank.
static collet_status ask_any(selection *s, collet_error *err)
{
    for (;;) {
        const collet_module_info *best = NULL;
        for (size_t i = 0; i < collet_registry_n_modules(collet_runtime_registry(s->rt)); i++) {
            const collet_module_info *m = collet_registry_module(collet_runtime_registry(s->rt), i);
            if (eligible(s, m) && (!best || better(m, best)))
                best = m;
        }
        if (!best)
            return COLLET_OK;
        if (s->choice->module) {
            collet_candidate *candidate = add_candidate(s, best);
            if (!candidate)
                return collet_fail(err, COLLET_E_NOMEM, "no memory to choose a module for %s", s->query->slot);
            const collet_module_info *won = s->choice->module->info;
            if (best->verdict != COLLET_VERDICT_OK)
                snprintf(candidate->why, sizeof candidate->why, "%s", best->why);
            else
                snprintf(candidate->why, sizeof candidate->why, "ranks after %s: %s %d, %s %d", won->id,
                         tier_name(best->tier), best->score, tier_name(won->tier), won->score);
            continue;
        }
        collet_status st = ask(s, best, err);
        if (st != COLLET_OK)
            return st;
    }
}

static collet_status nobody(const selection *s, collet_error *err)
{
    collet_text text = { 0 };
    const collet_select_query *q = s->query;
    collet_text_printf(&text, "no module for %s%s%s", q->op ? q->op : q->slot, q->rule.tensor ? " of " : "",
                       q->rule.tensor ? q->rule.tensor : "");
    if (q->rule.format)
        collet_text_printf(&text, " (%s)", q->rule.format);
    for (size_t i = 0; i < s->choice->n_candidates; i++)
        collet_text_printf(&text, "; %s: %s", s->choice->candidates[i].module->id, s->choice->candidates[i].why);
    if (s->choice->n_candidates == 0)
        collet_text_printf(&text, ": no plugin has one for the domain %s", q->domain ? q->domain : "any");
    // A profile that insists is the user's to mend; otherwise nothing here can run the model.
    collet_status code = s->choice->rule->fallback_error ? COLLET_E_INVALID : COLLET_E_UNSUPPORTED;
    collet_status st = collet_fail(err, code, "%s", text.data ? text.data : "no module");
    collet_text_free(&text);
    return st;
}

collet_status collet_select(collet_runtime *rt, const collet_select_query *query, collet_choice *choice,
                            collet_error *err)
{
    *choice = (collet_choice){ 0 };
    selection s = { .rt = rt, .query = query, .choice = choice };
    const collet_rule *rule = collet_profile_rule(collet_runtime_profile(rt), query->slot, &query->rule);
    choice->rule = rule;
    collet_status st = COLLET_OK;
    bool named_refused = false;
    for (const char *const *id = rule->use; *id && st == COLLET_OK; id++) {
        if (strcmp(*id, "any") == 0) {
            st = ask_any(&s, err);
            continue;
        }
        const char *nearest = NULL;
        const collet_module_info *m = collet_registry_find(collet_runtime_registry(rt), *id, &nearest);
        if (!m)
            st = collet_fail(err, COLLET_E_NOT_FOUND, "%s:%d:%d: slots.%s: no module '%s' here%s%s", rule->file,
                             rule->line, rule->column, query->slot, *id, nearest ? "; did you mean " : "",
                             nearest ? nearest : "");
        else if (!choice->module && !considered(&s, m))
            st = ask(&s, m, err);
        if (m && !choice->module)
            named_refused = true;
    }
    if (st == COLLET_OK && !choice->module && (rule->fallback_error || query->optional))
        st = nobody(&s, err);
    if (st == COLLET_OK) // lists the others for explain; chooses one of them only when the named ones refused
        st = ask_any(&s, err);
    if (st == COLLET_OK && !choice->module)
        st = nobody(&s, err);
    choice->fallback = named_refused && choice->module;
    if (st != COLLET_OK)
        collet_choice_clear(choice);
    return st;
}

void collet_choice_clear(collet_choice *choice)
{
    free(choice->candidates);
    choice->candidates = NULL;
    choice->n_candidates = 0;
}
