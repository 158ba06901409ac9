// SPDX-License-Identifier: Apache-2.0
// core/plugin/record.c - size, then version, then layout, then names, then the rest: each step trusts the ones before.
#include "core/plugin/record.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/plugin/peek.h"
#include "core/plugin/value.h"

#define PAGE_BYTES 4096u
#define QUOTE_BYTES 128 // of foreign text in a message
#define PLUGIN_BYTES_MIN offsetof(collet_plugin, shutdown)
#define PREFIX_BYTES offsetof(collet_plugin, modules)
#define MODULE_BYTES_MIN offsetof(collet_module, probe)
#define OPTION_BYTES_MIN sizeof(collet_option)

static collet_status fault(const char *what, const void *at, collet_error *err)
{
    return collet_fail(err, COLLET_E_ABI, "%s points at %p, which is not readable memory: rebuild the plugin", what,
                       at);
}

// Is every page of [at, at + n_bytes) mapped?
static bool mapped(const void *at, size_t n_bytes)
{
    char byte;
    for (size_t i = 0; i < n_bytes; i += PAGE_BYTES)
        if (!collet_peek(&byte, (const char *)at + i, 1))
            return false;
    return n_bytes == 0 || collet_peek(&byte, (const char *)at + n_bytes - 1, 1);
}

collet_status collet_record_struct(void *out, size_t n_bytes, size_t n_bytes_min, const void *at, const char *what,
                                   collet_error *err)
{
    if (!at)
        return collet_fail(err, COLLET_E_ABI, "%s is NULL, a struct was wanted: rebuild the plugin", what);
    uint32_t size = 0;
    if (!collet_peek(&size, at, sizeof size))
        return fault(what, at, err);
    if (size < n_bytes_min || size % 8 != 0 || size > COLLET_STRUCT_BYTES_MAX)
        return collet_fail(err, COLLET_E_ABI,
                           "size of %s is %u, a multiple of 8 from %zu to %d was wanted: set .size = sizeof(...)", what,
                           size, n_bytes_min, COLLET_STRUCT_BYTES_MAX);
    if (!mapped(at, size))
        return collet_fail(err, COLLET_E_ABI,
                           "size of %s is %u, but not all of these bytes are mapped memory: "
                           "set .size = sizeof(...)",
                           what, size);
    if (!collet_peek(out, at, size < n_bytes ? size : n_bytes))
        return fault(what, at, err);
    return COLLET_OK;
}

collet_status collet_record_id(char out[COLLET_ID_MAX + 1], const char *at, const char *what, collet_error *err)
{
    char text[COLLET_ID_MAX + 2], quoted[QUOTE_BYTES];
    switch (collet_peek_text(text, sizeof text, at)) {
    case COLLET_PEEK_NULL:
        return collet_fail(err, COLLET_E_ABI, "%s is NULL, a name of [a-z0-9._-], 1..%d bytes, was wanted", what,
                           COLLET_ID_MAX);
    case COLLET_PEEK_FAULT:
        return fault(what, at, err);
    case COLLET_PEEK_LONG:
    case COLLET_PEEK_OK:
        break;
    }
    size_t n = strlen(text);
    if (n < 1 || n > COLLET_ID_MAX || strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789._-") != n)
        return collet_fail(err, COLLET_E_ABI, "%s is '%s', [a-z0-9._-], 1..%d bytes, was wanted: rename it", what,
                           collet_escape(quoted, sizeof quoted, text, n), COLLET_ID_MAX);
    memcpy(out, text, n + 1);
    return COLLET_OK;
}

collet_status collet_record_text(char out[COLLET_RECORD_TEXT_MAX], const char *at, const char *what, collet_error *err)
{
    char text[COLLET_RECORD_TEXT_MAX];
    if (collet_peek_text(text, sizeof text, at) == COLLET_PEEK_FAULT)
        return fault(what, at, err);
    collet_escape(out, COLLET_RECORD_TEXT_MAX, text, strlen(text));
    return COLLET_OK;
}

collet_status collet_record_item(const void **item, const void *list, size_t i, const char *what, collet_error *err)
{
    const void *found = NULL;
    if (list && i >= COLLET_RECORD_LIST_MAX)
        return collet_fail(err, COLLET_E_ABI, "%s has no NULL among its first %d entries: end the list with NULL", what,
                           COLLET_RECORD_LIST_MAX);
    if (list && !collet_peek(&found, (const char *)list + i * sizeof found, sizeof found))
        return fault(what, list, err);
    *item = found;
    return COLLET_OK;
}

static void read_names(collet_record_names *names, const collet_plugin *p)
{
    collet_record_text(names->id, p->id, "id", NULL);
    collet_record_text(names->version, p->version, "version", NULL);
    collet_record_text(names->vendor, p->vendor, "vendor", NULL);
    collet_record_text(names->license, p->license, "license", NULL);
    collet_record_text(names->url, p->url, "url", NULL);
    collet_record_text(names->build, p->build, "build", NULL);
    names->abi_major = p->abi_major;
    names->abi_minor = p->abi_minor;
}

static const char *sanitizer_name(uint32_t sanitizer)
{
    static const char *const names[] = { "no sanitizer", "the address sanitizer", "the thread sanitizer" };
    return sanitizer < COLLET_COUNT(names) ? names[sanitizer] : "an unknown sanitizer";
}

// May this core use a plugin with this prefix at all?
static collet_status check_abi(const collet_plugin *p, const collet_record_names *n, collet_error *err)
{
    if (p->abi_major != COLLET_ABI_MAJOR)
        return collet_fail(err, COLLET_E_ABI,
                           "plugin '%s' %s is built for ABI %u.%u, this core speaks ABI %u.%u: rebuild it with this "
                           "core's headers, or use a core of ABI %u",
                           n->id, n->version, p->abi_major, p->abi_minor, COLLET_ABI_MAJOR, COLLET_ABI_MINOR,
                           p->abi_major);
    if (p->min_host_minor > COLLET_ABI_MINOR)
        return collet_fail(err, COLLET_E_ABI,
                           "plugin '%s' %s needs a core of ABI %u.%u or newer, this core speaks ABI %u.%u: update the "
                           "core, or rebuild the plugin with this core's headers",
                           n->id, n->version, p->abi_major, p->min_host_minor, COLLET_ABI_MAJOR, COLLET_ABI_MINOR);
    if (COLLET_ABI_MAJOR == 0 && p->layout_hash != COLLET_LAYOUT_HASH)
        return collet_fail(err, COLLET_E_ABI,
                           "plugin '%s' %s has layout hash %016" PRIx64 ", this core has %016" PRIx64
                           ": before ABI 1 both must come from the same headers: rebuild it with this core's headers",
                           n->id, n->version, p->layout_hash, (uint64_t)COLLET_LAYOUT_HASH);
    if (p->sanitizer != COLLET_SANITIZER)
        return collet_fail(err, COLLET_E_ABI, "plugin '%s' %s is built with %s, this core with %s: rebuild one of them",
                           n->id, n->version, sanitizer_name(p->sanitizer), sanitizer_name(COLLET_SANITIZER));
    return COLLET_OK;
}

collet_status collet_record_read(collet_plugin *out, collet_record_names *names, const collet_plugin *at,
                                 collet_error *err)
{
    collet_record_names local;
    collet_record_names *n = names ? names : &local;
    *n = (collet_record_names){ 0 };
    *out = (collet_plugin){ 0 };
    // Of an unknown major, the frozen prefix alone is known.
    collet_status st = collet_record_struct(out, PREFIX_BYTES, PREFIX_BYTES, at, "the plugin record", err);
    if (st != COLLET_OK)
        return st;
    read_names(n, out);
    st = check_abi(out, n, err);
    if (st == COLLET_OK)
        st = collet_record_struct(out, sizeof *out, PLUGIN_BYTES_MIN, at, "the plugin record", err);
    char id[COLLET_ID_MAX + 1];
    if (st == COLLET_OK)
        st = collet_record_id(id, out->id, "plugin id", err);
    if (st == COLLET_OK && n->version[0] == '\0')
        st = collet_fail(err, COLLET_E_ABI, "plugin '%s' has no version: set .version", n->id);
    if (st == COLLET_OK && (out->n_modules < 1 || out->n_modules > COLLET_MODULES_MAX))
        st = collet_fail(err, COLLET_E_ABI, "plugin '%s' has %u modules, 1..%d were wanted", n->id, out->n_modules,
                         COLLET_MODULES_MAX);
    return st;
}

collet_status collet_record_module(collet_module *out, const collet_plugin *record, uint32_t i, collet_error *err)
{
    const void *at = NULL;
    *out = (collet_module){ 0 };
    if (!record->modules || !collet_peek(&at, record->modules + i, sizeof at))
        return fault("the list of modules", record->modules, err);
    return collet_record_struct(out, sizeof *out, MODULE_BYTES_MIN, at, "the module", err);
}

static collet_status check_choices(const collet_option *o, const char *key, const char *dflt, collet_error *err)
{
    bool found = false;
    for (size_t i = 0;; i++) {
        const void *at = NULL;
        char choice[COLLET_RECORD_TEXT_MAX], what[COLLET_ID_MAX + 32];
        snprintf(what, sizeof what, "choices of option '%s'", key);
        collet_status st = collet_record_item(&at, o->choices, i, what, err);
        if (st == COLLET_OK && at)
            st = collet_record_text(choice, at, what, err);
        if (st != COLLET_OK)
            return st;
        if (!at)
            break;
        found = found || strcmp(choice, dflt) == 0;
    }
    if (!found)
        return collet_fail(err, COLLET_E_ABI, "option '%s': default '%s' is not among its choices", key, dflt);
    return COLLET_OK;
}

collet_status collet_record_option(collet_option *out, const collet_option *at, collet_error *err)
{
    char key[COLLET_ID_MAX + 1], dflt[COLLET_RECORD_TEXT_MAX], help[COLLET_RECORD_TEXT_MAX];
    *out = (collet_option){ 0 };
    collet_status st = collet_record_struct(out, sizeof *out, OPTION_BYTES_MIN, at, "an option", err);
    if (st == COLLET_OK)
        st = collet_record_id(key, out->key, "an option's key", err);
    if (st == COLLET_OK && !out->dflt)
        st = collet_fail(err, COLLET_E_ABI, "option '%s' has no default: set .dflt", key);
    if (st == COLLET_OK)
        st = collet_record_text(dflt, out->dflt, "an option's default", err);
    if (st == COLLET_OK)
        st = collet_record_text(help, out->help, "an option's help", err);
    if (st != COLLET_OK)
        return st;
    if (out->type == COLLET_OPT_ENUM)
        return check_choices(out, key, dflt, err);
    bool has_range = out->type == COLLET_OPT_INT || out->type == COLLET_OPT_FLOAT || out->type == COLLET_OPT_BYTES;
    if (has_range && !(isfinite(out->min) && isfinite(out->max)))
        return collet_fail(err, COLLET_E_ABI, "option '%s': its range %g..%g is not finite", key, out->min, out->max);
    if (out->type == COLLET_OPT_INT && strcmp(dflt, "auto") == 0)
        return COLLET_OK; // option.h: the word stands for 0
    collet_value value;
    collet_error why = COLLET_ERROR_INIT;
    const collet_value_type type = { .type = out->type, .min = out->min, .max = out->max };
    if (collet_value_parse(&value, &type, dflt, &why) != COLLET_OK)
        return collet_fail(err, COLLET_E_ABI, "option '%s': default %s", key, why.msg);
    return COLLET_OK;
}
