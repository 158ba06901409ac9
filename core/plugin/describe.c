// SPDX-License-Identifier: Apache-2.0
// core/plugin/describe.c - one function per level: option, module, plugin.
#include "core/plugin/describe.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/plugin/answer.h"
#include "core/plugin/iface.h"
#include "core/plugin/record.h"

static collet_status no_memory(collet_error *err)
{
    return collet_fail(err, COLLET_E_NOMEM, "no memory for the answer");
}

// Both take `value`, which may be NULL: no memory.
static collet_status append(json_t *list, json_t *value, collet_error *err)
{
    return json_array_append_new(list, value) == 0 ? COLLET_OK : no_memory(err);
}

static collet_status set(json_t *object, const char *key, json_t *value, collet_error *err)
{
    return json_object_set_new(object, key, value) == 0 ? COLLET_OK : no_memory(err);
}

typedef collet_status (*item_fn)(json_t *into, const void *item, collet_error *err);

// Calls `each` for every entry of a NULL-terminated list of pointers.
static collet_status walk(json_t *into, const void *list, const char *what, item_fn each, collet_error *err)
{
    for (size_t i = 0;; i++) {
        const void *item = NULL;
        collet_status st = collet_record_item(&item, list, i, what, err);
        if (st == COLLET_OK && item)
            st = each(into, item, err);
        if (st != COLLET_OK || !item)
            return st;
    }
}

static collet_status add_op(json_t *into, const void *item, collet_error *err)
{
    char name[COLLET_ID_MAX + 1];
    collet_status st = collet_record_id(name, item, "an op's name", err);
    return st == COLLET_OK ? append(into, json_string(name), err) : st;
}

static collet_status add_choice(json_t *into, const void *item, collet_error *err)
{
    char text[COLLET_RECORD_TEXT_MAX];
    collet_status st = collet_record_text(text, item, "a choice", err);
    return st == COLLET_OK ? append(into, json_string(text), err) : st;
}

static collet_status add_option(json_t *into, const void *item, collet_error *err)
{
    collet_option o;
    char key[COLLET_ID_MAX + 1], dflt[COLLET_RECORD_TEXT_MAX], help[COLLET_RECORD_TEXT_MAX];
    collet_status st = collet_record_option(&o, item, err);
    if (st != COLLET_OK)
        return st;
    collet_record_id(key, o.key, "key", NULL);
    collet_record_text(dflt, o.dflt, "default", NULL);
    collet_record_text(help, o.help, "help", NULL);
    for (size_t i = 0; i < json_array_size(into); i++)
        if (strcmp(json_string_value(json_object_get(json_array_get(into, i), "key")), key) == 0)
            return collet_fail(err, COLLET_E_ABI, "two options are called '%s'", key);
    json_t *choices = o.type == COLLET_OPT_ENUM ? json_array() : json_null();
    if (json_is_array(choices))
        st = walk(choices, o.choices, "choices", add_choice, err);
    bool has_range = o.type == COLLET_OPT_INT || o.type == COLLET_OPT_FLOAT || o.type == COLLET_OPT_BYTES;
    json_t *option =
        json_pack("{s:s, s:s, s:s, s:i, s:f, s:f, s:o}", "key", key, "help", help, "default", dflt, "type", (int)o.type,
                  "min", has_range ? o.min : 0.0, "max", has_range ? o.max : 0.0, "choices", choices);
    collet_status appended = append(into, option, err);
    return st == COLLET_OK ? appended : st;
}

// The module's names into *answer, whatever they are, so that a bad module is listed under its name.
static collet_status add_names(json_t *answer, const collet_module *m, collet_error *err)
{
    char id[COLLET_ID_MAX + 1], domain[COLLET_ID_MAX + 1];
    char summary[COLLET_RECORD_TEXT_MAX], iface[COLLET_RECORD_TEXT_MAX];
    collet_status st = collet_record_id(id, m->id, "module id", err);
    if (st == COLLET_OK)
        st = set(answer, "id", json_string(id), err);
    if (st == COLLET_OK)
        st = collet_record_text(iface, m->iface, "iface", err);
    if (st == COLLET_OK)
        st = set(answer, "iface", json_string(iface), err);
    if (st == COLLET_OK)
        st = collet_record_id(domain, m->domain, "domain", err);
    if (st == COLLET_OK)
        st = set(answer, "domain", json_string(domain), err);
    if (st == COLLET_OK)
        st = collet_record_text(summary, m->summary, "summary", err);
    if (st == COLLET_OK)
        st = set(answer, "summary", json_string(summary), err);
    return st;
}

static collet_status check_vt(const collet_module *m, const collet_iface_rules *rules, collet_error *err)
{
    void *vt = calloc(1, rules->iface.vt_bytes);
    if (!vt)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for a vtable");
    collet_status st = collet_iface_copy(vt, rules, m->vt, err);
    free(vt);
    return st;
}

// UNSUPPORTED: an interface this core does not know, which is no defect of the module.
static collet_status add_module_body(json_t *answer, const collet_module *m, collet_error *err)
{
    collet_status st = add_names(answer, m, err);
    if (st != COLLET_OK)
        return st;
    const char *iface = json_string_value(json_object_get(answer, "iface"));
    const collet_iface_rules *rules = collet_iface_rules_find(iface);
    if (!rules)
        return collet_fail(err, COLLET_E_UNSUPPORTED, "this core does not know interface '%s': update the core", iface);
    st = set(answer, "tier", json_integer(m->tier), err);
    if (st == COLLET_OK)
        st = set(answer, "score", json_integer(m->score), err);
    if (st == COLLET_OK)
        st = check_vt(m, rules, err);
    if (st == COLLET_OK && rules->has_ops) {
        st = walk(json_object_get(answer, "ops"), m->ops, "the list of ops", add_op, err);
        if (st == COLLET_OK && json_array_size(json_object_get(answer, "ops")) == 0)
            st = collet_fail(err, COLLET_E_ABI, "it lists no op: set .ops");
    }
    if (st == COLLET_OK)
        st = walk(json_object_get(answer, "options"), m->options, "the list of options", add_option, err);
    return st;
}

static collet_status set_verdict(json_t *answer, collet_verdict verdict, const char *why, collet_error *err)
{
    collet_status st = set(answer, "why", json_string(why), err);
    return st == COLLET_OK ? set(answer, "verdict", json_string(collet_verdict_name(verdict)), err) : st;
}

static collet_status probe(json_t *answer, const collet_module *m, const collet_describe_opts *opts, collet_error *err)
{
    collet_probe found = { .size = sizeof found, .verdict = COLLET_PROBE_OK };
    if (opts->phase)
        opts->phase(opts->ctx, "probe", json_string_value(json_object_get(answer, "id")));
    m->probe(opts->host, &found);
    if (found.verdict == COLLET_PROBE_OK)
        return COLLET_OK;
    char why[4 * sizeof found.why];
    collet_escape(why, sizeof why, found.why, strnlen(found.why, sizeof found.why));
    return set_verdict(answer,
                       found.verdict == COLLET_PROBE_UNAVAILABLE ? COLLET_VERDICT_UNAVAILABLE : COLLET_VERDICT_BROKEN,
                       why[0] ? why : "its probe gave no reason", err);
}

static bool listed(const json_t *modules, const char *id)
{
    for (size_t i = 0; i < json_array_size(modules); i++)
        if (strcmp(json_string_value(json_object_get(json_array_get(modules, i), "id")), id) == 0)
            return true;
    return false;
}

// Adds module i to `modules`, whatever is wrong with it. Errors: NOMEM.
static collet_status add_module(json_t *modules, const collet_plugin *record, uint32_t i,
                                const collet_describe_opts *opts, collet_error *err)
{
    json_t *answer = json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:s, s:s, s:[], s:[]}", "id", "", "iface", "", "domain",
                               "", "summary", "", "tier", 0, "score", 0, "verdict", "ok", "why", "", "ops", "options");
    collet_error why = COLLET_ERROR_INIT;
    collet_module m;
    collet_status st = collet_record_module(&m, record, i, &why);
    if (st == COLLET_OK && answer)
        st = add_module_body(answer, &m, &why);
    if (st == COLLET_OK && answer && listed(modules, json_string_value(json_object_get(answer, "id"))))
        st = collet_fail(&why, COLLET_E_ABI, "an earlier module of this plugin has the same id: rename one");
    if (!answer || st == COLLET_E_NOMEM)
        st = no_memory(err);
    else if (st == COLLET_OK)
        st = m.probe ? probe(answer, &m, opts, err) : COLLET_OK;
    else
        st = set_verdict(answer, st == COLLET_E_UNSUPPORTED ? COLLET_VERDICT_UNAVAILABLE : COLLET_VERDICT_BROKEN,
                         why.msg, err);
    if (st == COLLET_OK)
        return append(modules, answer, err);
    json_decref(answer);
    return st;
}

static collet_status add_plugin_names(json_t *answer, const collet_record_names *n, collet_error *err)
{
    json_t *names =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:[ii]}", "id", n->id, "version", n->version, "vendor", n->vendor,
                  "license", n->license, "build", n->build, "abi", (int)n->abi_major, (int)n->abi_minor);
    collet_status st = names && json_object_update(answer, names) == 0 ? COLLET_OK : no_memory(err);
    json_decref(names);
    return st;
}

json_t *collet_describe(const collet_plugin *record, const collet_describe_opts *opts)
{
    collet_plugin p;
    collet_record_names names;
    collet_error err = COLLET_ERROR_INIT;
    if (opts->phase)
        opts->phase(opts->ctx, "describe", "");
    bool sound = collet_record_read(&p, &names, record, &err) == COLLET_OK;
    json_t *answer = sound ? collet_answer_refusal(COLLET_VERDICT_OK, "", "%s", "")
                           : collet_answer_refusal(COLLET_VERDICT_REJECTED, "describe", "%s", err.msg);
    collet_status st = answer ? add_plugin_names(answer, &names, &err) : COLLET_E_NOMEM;
    for (uint32_t i = 0; st == COLLET_OK && sound && i < p.n_modules; i++)
        st = add_module(json_object_get(answer, "modules"), &p, i, opts, &err);
    if (st == COLLET_OK)
        return answer;
    json_decref(answer);
    return NULL;
}

// The module's name and interface must be what the scanner saw.
static collet_status check_same(const collet_module *m, const collet_module_info *expected, collet_error *err)
{
    char id[COLLET_ID_MAX + 1], iface[COLLET_RECORD_TEXT_MAX];
    collet_status st = collet_record_id(id, m->id, "module id", err);
    if (st == COLLET_OK)
        st = collet_record_text(iface, m->iface, "iface", err);
    if (st == COLLET_OK && (strcmp(id, expected->id) != 0 || strcmp(iface, expected->iface) != 0))
        st = collet_fail(err, COLLET_E_ABI,
                         "it says '%s' (%s) now and said '%s' (%s) when it was scanned: a record "
                         "must be constant",
                         id, iface, expected->id, expected->iface);
    return st;
}

collet_status collet_describe_again(collet_module *module, void *vt, const collet_plugin *record,
                                    const collet_module_info *expected, collet_error *err)
{
    collet_plugin p;
    collet_status st = collet_record_read(&p, NULL, record, err);
    if (st == COLLET_OK && expected->index >= p.n_modules)
        st = collet_fail(err, COLLET_E_ABI, "it has %u modules now and had more when it was scanned", p.n_modules);
    if (st == COLLET_OK)
        st = collet_record_module(module, &p, expected->index, err);
    if (st == COLLET_OK)
        st = check_same(module, expected, err);
    return st == COLLET_OK ? collet_iface_copy(vt, collet_iface_rules_find(expected->iface), module->vt, err) : st;
}
