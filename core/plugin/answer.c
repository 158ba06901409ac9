// SPDX-License-Identifier: Apache-2.0
// core/plugin/answer.c - JSON on one side, the registry's structs on the other.
#include "core/plugin/answer.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/text.h"

static const char *const verdict_names[] = { "ok", "ignored", "rejected", "unavailable", "broken", "shadowed" };

const char *collet_verdict_name(collet_verdict verdict)
{
    return verdict_names[verdict];
}

bool collet_verdict_parse(const char *name, collet_verdict *out)
{
    for (size_t i = 0; i < COLLET_COUNT(verdict_names); i++)
        if (strcmp(name, verdict_names[i]) == 0) {
            *out = (collet_verdict)i;
            return true;
        }
    return false;
}

json_t *collet_answer_refusal(collet_verdict verdict, const char *phase, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    json_t *why = json_string(line);
    char clean[4 * sizeof line];
    if (!why) // not UTF-8: foreign text that nobody escaped, or a character cut in two
        why = json_string(collet_escape(clean, sizeof clean, line, strlen(line)));
    return json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:s, s:[ii], s:[]}", "verdict", collet_verdict_name(verdict),
                     "phase", phase, "why", why, "id", "", "version", "", "vendor", "", "license", "", "build", "",
                     "abi", 0, 0, "modules");
}

// ---- checks ----

static bool texts(const json_t *object, const char *const *keys)
{
    for (; *keys; keys++)
        if (!json_is_string(json_object_get(object, *keys)))
            return false;
    return true;
}

static bool integer_within(const json_t *value, json_int_t min, json_int_t max)
{
    return json_is_integer(value) && json_integer_value(value) >= min && json_integer_value(value) <= max;
}

static bool list_of_texts(const json_t *list)
{
    if (!json_is_array(list))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_string(json_array_get(list, i)))
            return false;
    return true;
}

static bool verdict_within(const json_t *object)
{
    collet_verdict verdict;
    return collet_verdict_parse(json_string_value(json_object_get(object, "verdict")), &verdict);
}

static bool option_valid(const json_t *o)
{
    static const char *const keys[] = { "key", "help", "default", NULL };
    const json_t *choices = json_object_get(o, "choices");
    return texts(o, keys) && integer_within(json_object_get(o, "type"), COLLET_OPT_BOOL, COLLET_OPT_BYTES) &&
           json_is_number(json_object_get(o, "min")) && json_is_number(json_object_get(o, "max")) &&
           (json_is_null(choices) || list_of_texts(choices));
}

static bool module_valid(const json_t *m)
{
    static const char *const keys[] = { "id", "iface", "domain", "summary", "verdict", "why", NULL };
    const json_t *options = json_object_get(m, "options");
    if (!texts(m, keys) || !verdict_within(m) || !integer_within(json_object_get(m, "tier"), 0, UINT16_MAX) ||
        !integer_within(json_object_get(m, "score"), INT16_MIN, INT16_MAX) ||
        !list_of_texts(json_object_get(m, "ops")) || !json_is_array(options))
        return false;
    for (size_t i = 0; i < json_array_size(options); i++)
        if (!option_valid(json_array_get(options, i)))
            return false;
    return true;
}

bool collet_answer_valid(json_t *answer)
{
    static const char *const keys[] = {
        "verdict", "phase", "why", "id", "version", "vendor", "license", "build", NULL
    };
    const json_t *abi = json_object_get(answer, "abi"), *modules = json_object_get(answer, "modules");
    if (!texts(answer, keys) || !verdict_within(answer) || json_array_size(abi) != 2 ||
        !integer_within(json_array_get(abi, 0), 0, UINT16_MAX) ||
        !integer_within(json_array_get(abi, 1), 0, UINT16_MAX) || !json_is_array(modules) ||
        json_array_size(modules) > COLLET_MODULES_MAX)
        return false;
    for (size_t i = 0; i < json_array_size(modules); i++)
        if (!module_valid(json_array_get(modules, i)))
            return false;
    return true;
}

// ---- to structs ----

static const char *text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static uint32_t number(const json_t *object, const char *key)
{
    return (uint32_t)json_integer_value(json_object_get(object, key));
}

static collet_verdict verdict(const json_t *object)
{
    collet_verdict v = COLLET_VERDICT_BROKEN;
    collet_verdict_parse(text(object, "verdict"), &v);
    return v;
}

void collet_answer_plugin(collet_plugin_info *plugin, const json_t *answer)
{
    const json_t *abi = json_object_get(answer, "abi");
    plugin->id = text(answer, "id");
    plugin->version = text(answer, "version");
    plugin->vendor = text(answer, "vendor");
    plugin->license = text(answer, "license");
    plugin->build = text(answer, "build");
    plugin->abi_major = (uint32_t)json_integer_value(json_array_get(abi, 0));
    plugin->abi_minor = (uint32_t)json_integer_value(json_array_get(abi, 1));
    plugin->verdict = verdict(answer);
    plugin->phase = text(answer, "phase");
    plugin->why = text(answer, "why");
    plugin->n_modules = (uint32_t)json_array_size(json_object_get(answer, "modules"));
}

// The list as NULL-terminated array; NULL when memory ran out.
static const char *const *text_list(const json_t *list)
{
    size_t n = json_array_size(list);
    const char **out = calloc(n + 1, sizeof *out);
    for (size_t i = 0; out && i < n; i++)
        out[i] = json_string_value(json_array_get(list, i));
    return out;
}

// Fills what the caller has zeroed; false when memory ran out.
static bool fill_options(collet_option_info *options, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i), *choices = json_object_get(o, "choices");
        options[i].key = text(o, "key");
        options[i].help = text(o, "help");
        options[i].dflt = text(o, "default");
        options[i].type = number(o, "type");
        options[i].min = json_number_value(json_object_get(o, "min"));
        options[i].max = json_number_value(json_object_get(o, "max"));
        if (json_is_array(choices) && !(options[i].choices = text_list(choices)))
            return false;
    }
    return true;
}

static bool fill_module(collet_module_info *m, const json_t *from)
{
    const json_t *list = json_object_get(from, "options");
    m->id = text(from, "id");
    m->iface = text(from, "iface");
    m->domain = text(from, "domain");
    m->summary = text(from, "summary");
    m->tier = number(from, "tier");
    m->score = (int32_t)json_integer_value(json_object_get(from, "score"));
    m->verdict = verdict(from);
    m->why = text(from, "why");
    m->ops = text_list(json_object_get(from, "ops"));
    collet_option_info *options = calloc(json_array_size(list) + 1, sizeof *options);
    m->options = options;
    if (!m->ops || !options)
        return false;
    m->n_options = (uint32_t)json_array_size(list);
    return fill_options(options, list);
}

collet_status collet_answer_modules(collet_module_info *modules, uint32_t n_modules, uint32_t plugin,
                                    const json_t *answer, collet_error *err)
{
    for (uint32_t i = 0; i < n_modules; i++) {
        modules[i].plugin = plugin;
        modules[i].index = i;
        if (!fill_module(&modules[i], json_array_get(json_object_get(answer, "modules"), i)))
            return collet_fail(err, COLLET_E_NOMEM, "no memory for the list of modules");
    }
    return COLLET_OK;
}

void collet_answer_modules_free(collet_module_info *modules, uint32_t n_modules)
{
    for (uint32_t i = 0; i < n_modules; i++) {
        for (uint32_t k = 0; k < modules[i].n_options; k++)
            free((void *)(uintptr_t)modules[i].options[k].choices);
        free((void *)(uintptr_t)modules[i].options);
        free((void *)(uintptr_t)modules[i].ops);
    }
}
