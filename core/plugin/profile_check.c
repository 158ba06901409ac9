// SPDX-License-Identifier: Apache-2.0
// core/plugin/profile_check.c - the names in a profile against what was found on this machine.
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/plugin/profile_internal.h"

typedef struct checker {
    const collet_registry *registry;
    collet_problems *problems;
    bool told_where; // where plugins were found has been said once
} checker;

static const char *verdict_word(collet_verdict verdict)
{
    static const char *const words[] = { "ok", "not a plugin", "rejected", "unavailable", "broken", "shadowed" };
    return (size_t)verdict < COLLET_COUNT(words) ? words[verdict] : "unknown";
}

// After an unknown module: what was looked at, and why some of it does not count.
static void tell_where(checker *c, collet_text *t)
{
    size_t n = collet_registry_n_plugins(c->registry), n_ok = 0, n_bad = 0;
    for (size_t i = 0; i < n; i++) {
        const collet_plugin_info *p = collet_registry_plugin(c->registry, i);
        n_ok += p->verdict == COLLET_VERDICT_OK;
        if (p->verdict == COLLET_VERDICT_OK || p->verdict == COLLET_VERDICT_IGNORED ||
            p->verdict == COLLET_VERDICT_SHADOWED)
            continue;
        if (n_bad++ < 3)
            collet_text_printf(t, "; %s is %s: %s", p->path, verdict_word(p->verdict), p->why);
    }
    if (n_bad > 3)
        collet_text_printf(t, "; and %zu more", n_bad - 3);
    collet_text_printf(t, " (%zu plugin%s found; `collet plugins list --all` says where)", n_ok,
                       n_ok == 1 ? " was" : "s were");
    c->told_where = true;
}

static const collet_module_info *find_module(checker *c, const collet_mark *mark, const char *where, const char *id)
{
    const char *nearest = NULL;
    const collet_module_info *module = collet_registry_find(c->registry, id, &nearest);
    if (module)
        return module;
    collet_text t = { 0 };
    collet_text_printf(&t, "%s: there is no module '%s'", where, id);
    if (nearest)
        collet_text_printf(&t, "; did you mean '%s'?", nearest);
    else if (!c->told_where)
        tell_where(c, &t);
    collet_problem(c->problems, COLLET_E_INVALID, mark, "%s", t.data ? t.data : id);
    collet_text_free(&t);
    return NULL;
}

static void check_use(checker *c, const char *slot, const profile_rule *r)
{
    char where[64];
    snprintf(where, sizeof where, "slots.%s", slot);
    for (size_t i = 0; r->rule.use[i]; i++) {
        if (strcmp(r->rule.use[i], "any") == 0)
            continue;
        const collet_module_info *module = find_module(c, &r->use_marks[i], where, r->rule.use[i]);
        const collet_iface *iface = module ? collet_iface_find(module->iface) : NULL;
        if (iface && iface->slot && strcmp(iface->slot, slot) != 0)
            collet_problem(c->problems, COLLET_E_INVALID, &r->use_marks[i], "%s: %s is a module of slots.%s", where,
                           module->id, iface->slot);
    }
}

// Words that rules may match: op names, formats.
typedef struct word_list {
    const char **words;
    size_t n, n_max;
} word_list;

static void add_word(word_list *list, const char *word)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->words[i], word) == 0)
            return;
    if (list->n < list->n_max)
        list->words[list->n++] = word;
}

static void check_words(checker *c, const profile_rule *r, const char *const *patterns, const word_list *known,
                        const char *what)
{
    for (size_t i = 0; patterns && patterns[i] && known->n > 0; i++) {
        bool found = false;
        for (size_t k = 0; k < known->n && !found; k++)
            found = collet_glob(patterns[i], known->words[k]);
        if (!found)
            collet_problem_unknown(c->problems, &r->place.mark, patterns[i],
                                   &(collet_candidates){ known->words, known->n, true }, "no module knows the %s '%s'",
                                   what, patterns[i]);
    }
}

static void check_rules(checker *c, const collet_profile *p, const word_list *ops, const word_list *formats)
{
    for (size_t i = 0; i < collet_schema_n_slots; i++)
        for (const profile_rule *r = p->slots[i].first; r; r = r->next) {
            check_use(c, collet_schema_slots[i].name, r);
            check_words(c, r, r->match.ops, ops, "op");
            check_words(c, r, r->match.formats, formats, "format");
        }
}

static void check_option(checker *c, const profile_option *o, const collet_module_info *module)
{
    const char *names[128];
    size_t n = 0;
    for (uint32_t i = 0; i < module->n_options && n < COLLET_COUNT(names); i++)
        names[n++] = module->options[i].key;
    for (uint32_t i = 0; i < module->n_options; i++) {
        if (strcmp(module->options[i].key, o->key) != 0)
            continue;
        collet_value value = { 0 };
        collet_error err = COLLET_ERROR_INIT;
        if (collet_option_parse(&value, &module->options[i], o->text, &err) != COLLET_OK)
            collet_problem(c->problems, COLLET_E_INVALID, &o->place.mark, "%s: %s: %s", o->module, o->key, err.msg);
        return;
    }
    const char *nearest = collet_nearest(o->key, names, n);
    if (!nearest) {
        collet_problem_unknown(c->problems, &o->key_mark, o->key, &(collet_candidates){ names, n, true },
                               "%s has no option '%s'", o->module, o->key);
        return;
    }
    char range[192] = "";
    for (uint32_t i = 0; i < module->n_options; i++)
        if (strcmp(module->options[i].key, nearest) == 0)
            collet_option_range(range, sizeof range, &module->options[i]);
    collet_problem(c->problems, COLLET_E_INVALID, &o->key_mark, "%s has no option '%s'; did you mean '%s' (%s)?",
                   o->module, o->key, nearest, range);
}

static void gather_words(const collet_registry *registry, word_list *ops, word_list *formats)
{
    add_word(formats, "f32"); // what has no module of its own is still a format
    add_word(formats, "f16");
    add_word(formats, "bf16");
    for (size_t i = 0, n = collet_registry_n_modules(registry); i < n; i++) {
        const collet_module_info *m = collet_registry_module(registry, i);
        for (size_t k = 0; m->ops && m->ops[k]; k++)
            add_word(ops, m->ops[k]);
        if (strncmp(m->id, "quant.", 6) == 0)
            add_word(formats, m->id + 6);
    }
    if (formats->n == 3)
        formats->n = 0; // no format module here: nothing to compare with
}

collet_status collet_profile_check(const collet_profile *p, const collet_registry *registry, collet_text *text,
                                   collet_error *err)
{
    enum { WORDS_MAX = 512 };
    collet_problems problems = { .text = text, .err = err };
    checker c = { .registry = registry, .problems = &problems };
    const char **words = calloc((size_t)2 * WORDS_MAX, sizeof *words);
    if (!words)
        return collet_fail(err, COLLET_E_NOMEM, "no memory to check the profile");
    word_list ops = { .words = words, .n_max = WORDS_MAX };
    word_list formats = { .words = words + WORDS_MAX, .n_max = WORDS_MAX };
    gather_words(registry, &ops, &formats);
    check_rules(&c, p, &ops, &formats);
    for (const profile_option *o = p->options; o; o = o->next) {
        const collet_module_info *module = find_module(&c, &o->key_mark, "options", o->module);
        if (module)
            check_option(&c, o, module);
    }
    free(words);
    return problems.first;
}
