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
    if (st == COLLET_OK)
        json_array_append_new(into, json_string(name));
    return st;
}

static collet_status add_choice(json_t *into, const void *item, collet_error *err)
{
    char text[COLLET_RECORD_TEXT_MAX];
    collet_status st = collet_record_text(text, item, "a choice", err);
    if (st == COLLET_OK)
        json_array_append_new(into, json_string(text));
    return st;
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
    // NaN and infinity are no JSON: json_real() refuses them, and a default within the range has shown there are none.
    bool has_range = o.type == COLLET_OPT_INT || o.type == COLLET_OPT_FLOAT || o.type == COLLET_OPT_BYTES;
    json_array_append_new(into, json_pack("{s:s, s:s, s:s, s:i, s:o*, s:o*, s:o}", "key", key, "help", help, "default",
                                          dflt, "type", (int)o.type, "min", json_real(has_range ? o.min : 0.0), "max",
                                          json_real(has_range ? o.max : 0.0), "choices", choices));
    return st;
}

// The module's names into *answer, whatever they are, so that a bad module is listed under its name.
static collet_status add_names(json_t *answer, const collet_module *m, collet_error *err)
{
    char id[COLLET_ID_MAX + 1], domain[COLLET_ID_MAX + 1];
    char summary[COLLET_RECORD_TEXT_MAX], iface[COLLET_RECORD_TEXT_MAX];
    collet_status st = collet_record_id(id, m->id, "module id", err);
    if (st == COLLET_OK)
        json_object_set_new(answer, "id", json_string(id));
    if (st == COLLET_OK)
        st = collet_record_text(iface, m->iface, "iface", err);
    if (st == COLLET_OK)
        json_object_set_new(answer, "iface", json_string(iface));
    if (st == COLLET_OK)
        st = collet_record_id(domain, m->domain, "domain", err);
    if (st == COLLET_OK)
        json_object_set_new(answer, "domain", json_string(domain));
    if (st == COLLET_OK)
        st = collet_record_text(summary, m->summary, "summary", err);
    if (st == COLLET_OK)
        json_object_set_new(answer, "summary", json_string(summary));
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
    json_object_set_new(answer, "tier", json_integer(m->tier));
    json_object_set_new(answer, "score", json_integer(m->score));
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

static void set_verdict(json_t *answer, collet_verdict verdict, const char *why)
{
    json_object_set_new(answer, "verdict", json_string(collet_verdict_name(verdict)));
    json_object_set_new(answer, "why", json_string(why));
}

static void probe(json_t *answer, const collet_module *m, const collet_describe_opts *opts)
{
    collet_probe found = { .size = sizeof found, .verdict = COLLET_PROBE_OK };
    if (opts->phase)
        opts->phase(opts->ctx, "probe", json_string_value(json_object_get(answer, "id")));
    m->probe(opts->host, &found);
    if (found.verdict == COLLET_PROBE_OK)
        return;
    char why[4 * sizeof found.why];
    collet_escape(why, sizeof why, found.why, strnlen(found.why, sizeof found.why));
    set_verdict(answer, found.verdict == COLLET_PROBE_UNAVAILABLE ? COLLET_VERDICT_UNAVAILABLE : COLLET_VERDICT_BROKEN,
                why[0] ? why : "its probe gave no reason");
}

static json_t *describe_module(const collet_plugin *record, uint32_t i, const collet_describe_opts *opts)
{
    json_t *answer = json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:s, s:s, s:[], s:[]}", "id", "", "iface", "", "domain",
                               "", "summary", "", "tier", 0, "score", 0, "verdict", "ok", "why", "", "ops", "options");
    collet_error err = COLLET_ERROR_INIT;
    collet_module m;
    collet_status st = collet_record_module(&m, record, i, &err);
    if (answer && st == COLLET_OK)
        st = add_module_body(answer, &m, &err);
    if (answer && st != COLLET_OK)
        set_verdict(answer, st == COLLET_E_UNSUPPORTED ? COLLET_VERDICT_UNAVAILABLE : COLLET_VERDICT_BROKEN, err.msg);
    else if (answer && m.probe)
        probe(answer, &m, opts);
    return answer;
}

static bool listed(const json_t *modules, const char *id)
{
    for (size_t i = 0; i < json_array_size(modules); i++)
        if (strcmp(json_string_value(json_object_get(json_array_get(modules, i), "id")), id) == 0)
            return true;
    return false;
}

json_t *collet_describe(const collet_plugin *record, const collet_describe_opts *opts)
{
    collet_plugin p;
    collet_record_names names;
    collet_error err = COLLET_ERROR_INIT;
    if (opts->phase)
        opts->phase(opts->ctx, "describe", "");
    collet_status st = collet_record_read(&p, &names, record, &err);
    json_t *answer = collet_answer_refusal(st == COLLET_OK ? COLLET_VERDICT_OK : COLLET_VERDICT_REJECTED,
                                           st == COLLET_OK ? "" : "describe", "%s", st == COLLET_OK ? "" : err.msg);
    if (!answer)
        return NULL;
    json_object_set_new(answer, "id", json_string(names.id));
    json_object_set_new(answer, "version", json_string(names.version));
    json_object_set_new(answer, "vendor", json_string(names.vendor));
    json_object_set_new(answer, "license", json_string(names.license));
    json_object_set_new(answer, "build", json_string(names.build));
    json_object_set_new(answer, "abi", json_pack("[ii]", (int)names.abi_major, (int)names.abi_minor));
    json_t *modules = json_object_get(answer, "modules");
    for (uint32_t i = 0; st == COLLET_OK && i < p.n_modules; i++) {
        json_t *m = describe_module(&p, i, opts);
        const char *id = json_string_value(json_object_get(m, "id"));
        if (id && id[0] && listed(modules, id))
            set_verdict(m, COLLET_VERDICT_BROKEN, "an earlier module of this plugin has the same id: rename one");
        json_array_append_new(modules, m);
    }
    // A member is missing when memory ran out on the way.
    if (!collet_answer_valid(answer) || json_array_size(modules) != (st == COLLET_OK ? p.n_modules : 0)) {
        json_decref(answer);
        return NULL;
    }
    return answer;
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
