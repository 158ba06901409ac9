// SPDX-License-Identifier: Apache-2.0
// core/plugin/profile_show.c - the resolved profile for people (YAML that can be read back) and programs (JSON).
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "collet/plugin/op.h"
#include "core/plugin/profile_internal.h"

const char *profile_place_text(char *out, size_t n_out, const profile_place *place)
{
    if (place->origin == COLLET_ORIGIN_BUILT_IN)
        snprintf(out, n_out, "default");
    else if (place->origin == COLLET_ORIGIN_FLAG)
        snprintf(out, n_out, "flag");
    else if (place->origin == COLLET_ORIGIN_ENV)
        snprintf(out, n_out, "env %s", place->mark.file);
    else
        snprintf(out, n_out, "%s:%d", place->mark.file, place->mark.line);
    return out;
}

// ---- YAML ----

typedef struct printer {
    FILE *out;
    bool with_origin;
} printer;

static bool is_plain(const char *text)
{
    size_t n = strlen(text);
    return n > 0 && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/+") == n &&
           !strchr("-._+", text[0]);
}

// Characters beyond ASCII that YAML takes for a line's end or refuses to read: U+0080..9F, U+2028, U+2029, U+FEFF and
// the non-characters. Returns the code point at c, or 0; all but the first have three bytes.
static uint32_t hidden_at(const unsigned char *c)
{
    if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f)
        return c[1];
    if (c[0] == 0xe2 && c[1] == 0x80 && (c[2] == 0xa8 || c[2] == 0xa9))
        return 0x2000u | (c[2] & 0x3f);
    if (c[0] == 0xef && ((c[1] == 0xbb && c[2] == 0xbf) || (c[1] == 0xbf && c[2] >= 0xbe)))
        return 0xf000u | (c[1] & 0x3fu) << 6 | (c[2] & 0x3fu);
    return 0;
}

// A double-quoted text where a plain one could be misread. $${ keeps a ${ from being expanded.
static void add_quoted(collet_text *t, const char *text)
{
    if (is_plain(text)) {
        collet_text_printf(t, "%s", text);
        return;
    }
    collet_text_add(t, "\"", 1);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        uint32_t hidden = hidden_at(c);
        if (hidden) {
            collet_text_printf(t, "\\u%04x", hidden);
            c += hidden < 0x100 ? 1 : 2;
        } else if (*c == '"' || *c == '\\') {
            collet_text_printf(t, "\\%c", *c);
        } else if (*c < 0x20 || *c == 0x7f) {
            collet_text_printf(t, "\\x%02x", *c);
        } else if (*c == '$' && c[1] == '{') {
            collet_text_add(t, "$$", 2);
        } else {
            collet_text_add(t, (const char *)c, 1);
        }
    }
    collet_text_add(t, "\"", 1);
}

// Ends a line; takes `line` apart.
static void print_line(const printer *p, collet_text *line, const profile_place *place)
{
    char origin[512];
    if (p->with_origin && place)
        fprintf(p->out, "%-48s # %s\n", line->data ? line->data : "", profile_place_text(origin, sizeof origin, place));
    else
        fprintf(p->out, "%s\n", line->data ? line->data : "");
    collet_text_free(line);
}

static void add_list(collet_text *t, const char *key, const char *const *texts)
{
    if (!texts)
        return;
    collet_text_printf(t, "%s: ", key);
    bool many = texts[0] && texts[1];
    collet_text_add(t, "[", many ? 1 : 0);
    for (size_t i = 0; texts[i]; i++) {
        collet_text_add(t, ", ", i > 0 ? 2 : 0);
        add_quoted(t, texts[i]);
    }
    collet_text_add(t, "]", many ? 1 : 0);
    collet_text_add(t, ", ", 2);
}

static size_t phases_of(const char *names[4], uint32_t phases)
{
    static const char *const words[] = { "prefill", "decode", "verify" };
    size_t n = 0;
    for (size_t i = 0; i < COLLET_COUNT(words); i++)
        if (phases & (1u << i))
            names[n++] = words[i];
    names[n] = NULL;
    return n;
}

static void print_rule(const printer *p, const collet_profile *profile, const profile_rule *r, const char *indent)
{
    const char *phases[4];
    bool error_by_default = strcmp(collet_profile_text(profile, "fallback"), "error") == 0;
    collet_text t = { 0 };
    collet_text_printf(&t, "%s- { ", indent);
    add_list(&t, "op", r->match.ops);
    add_list(&t, "format", r->match.formats);
    if (phases_of(phases, r->match.phases))
        add_list(&t, "phase", phases);
    if (r->match.layers_text)
        collet_text_printf(&t, "layers: \"%s\", ", r->match.layers_text);
    add_list(&t, "tensor", r->match.tensors);
    if (r->match.tokens_text)
        collet_text_printf(&t, "tokens: \"%s\", ", r->match.tokens_text);
    add_list(&t, "use", r->rule.use);
    if (r->has_fallback && r->rule.fallback_error != error_by_default)
        collet_text_printf(&t, "fallback: %s, ", r->rule.fallback_error ? "error" : "warn");
    if (t.n_bytes > 2) { // the last ", "
        t.n_bytes -= 2;
        t.data[t.n_bytes] = '\0';
    }
    collet_text_printf(&t, " }");
    print_line(p, &t, &r->place);
}

// "a,b" as a YAML list when the schema says so.
static void add_scalar(collet_text *t, size_t key, const profile_scalar *s)
{
    if (!collet_schema_keys[key].is_list) {
        add_quoted(t, s->text);
        return;
    }
    collet_text_add(t, "[", 1);
    for (const char *c = s->text; *c;) {
        size_t n = strcspn(c, ",");
        char part[256];
        snprintf(part, sizeof part, "%.*s", (int)n, c);
        add_quoted(t, part);
        c += n;
        if (*c++ != ',')
            break;
        collet_text_add(t, ", ", 2);
    }
    collet_text_add(t, "]", 1);
}

// Keys of one section are neighbours in the schema. An empty list or text without a meaning is left out.
static void print_scalars(const printer *p, const collet_profile *profile)
{
    const char *section = "";
    size_t n_section = 0;
    for (size_t i = 0; i < collet_schema_n_keys; i++) {
        const char *key = collet_schema_keys[i].option.key;
        const char *dot = strchr(key, '.');
        const profile_scalar *s = &profile->scalars[i];
        size_t n = dot ? (size_t)(dot - key) : 0;
        if (s->text[0] == '\0')
            continue;
        if (n && (n != n_section || strncmp(section, key, n) != 0))
            fprintf(p->out, "%.*s:\n", (int)n, key);
        section = key;
        n_section = n;
        collet_text t = { 0 };
        collet_text_printf(&t, "%s%s: ", dot ? "  " : "", dot ? dot + 1 : key);
        add_scalar(&t, i, s);
        print_line(p, &t, &s->place);
    }
}

static void print_paths(const printer *p, const collet_profile *profile)
{
    if (profile->search)
        fprintf(p->out, "search:\n");
    for (const profile_path *s = profile->search; s; s = s->next) {
        collet_text t = { 0 };
        collet_text_printf(&t, "  - ");
        add_quoted(&t, s->path);
        print_line(p, &t, &s->place);
    }
    if (profile->pins)
        fprintf(p->out, "plugins:\n");
    for (const profile_path *s = profile->pins; s; s = s->next) {
        collet_text t = { 0 };
        collet_text_printf(&t, "  %s: { path: ", s->name);
        add_quoted(&t, s->path);
        if (s->sha256)
            collet_text_printf(&t, ", sha256: %s", s->sha256);
        collet_text_printf(&t, " }");
        print_line(p, &t, &s->place);
    }
}

static bool is_first_of_module(const collet_profile *profile, const profile_option *option)
{
    for (const profile_option *o = profile->options; o != option; o = o->next)
        if (strcmp(o->module, option->module) == 0)
            return false;
    return true;
}

static void print_options(const printer *p, const collet_profile *profile)
{
    if (profile->options)
        fprintf(p->out, "options:\n");
    for (const profile_option *first = profile->options; first; first = first->next) {
        if (!is_first_of_module(profile, first))
            continue;
        fprintf(p->out, "  \"%s\":\n", first->module);
        for (const profile_option *o = first; o; o = o->next) {
            if (strcmp(o->module, first->module) != 0)
                continue;
            collet_text t = { 0 };
            collet_text_printf(&t, "    %s: ", o->key);
            add_quoted(&t, o->text);
            print_line(p, &t, &o->place);
        }
    }
}

void collet_profile_print(const collet_profile *profile, FILE *out, bool with_origin)
{
    const printer p = { .out = out, .with_origin = with_origin };
    fprintf(out, "collet: 1\n");
    print_scalars(&p, profile);
    print_paths(&p, profile);
    fprintf(out, "slots:\n");
    for (size_t i = 0; i < collet_schema_n_slots; i++) {
        fprintf(out, "  %s:\n", collet_schema_slots[i].name);
        for (const profile_rule *r = profile->slots[i].first; r; r = r->next)
            print_rule(&p, profile, r, "    ");
    }
    if (profile->slots[PROFILE_ISQ].first)
        fprintf(out, "isq:\n");
    for (const profile_rule *r = profile->slots[PROFILE_ISQ].first; r; r = r->next)
        print_rule(&p, profile, r, "  ");
    print_options(&p, profile);
    for (size_t i = 0; i < profile->n_notes; i++)
        fprintf(out, "# %s\n", profile->notes[i]);
}

// ---- JSON: every value with its origin ----

// What jansson had no memory for is noted, and tested once at the end.
typedef struct builder {
    bool failed;
} builder;

static void put(builder *b, json_t *object, const char *key, json_t *value)
{
    b->failed |= json_object_set_new(object, key, value) != 0; // fails for NULL too
}

static void append(builder *b, json_t *list, json_t *value)
{
    b->failed |= json_array_append_new(list, value) != 0;
}

// JSON holds UTF-8 only; a path from a flag may be anything.
static json_t *json_text(const char *text)
{
    char escaped[1024];
    json_t *value = json_string(text);
    return value ? value : json_string(collet_escape(escaped, sizeof escaped, text, strlen(text)));
}

static void set_origin(builder *b, json_t *object, const profile_place *place)
{
    char origin[512];
    put(b, object, "origin", json_text(profile_place_text(origin, sizeof origin, place)));
}

static json_t *strings(builder *b, const char *const *texts)
{
    json_t *list = json_array();
    for (size_t i = 0; texts[i]; i++)
        append(b, list, json_text(texts[i]));
    return list;
}

static json_t *json_of_scalar(builder *b, size_t key, const profile_scalar *s)
{
    json_t *object = json_object(), *value = NULL;
    switch (collet_schema_keys[key].option.type) {
    case COLLET_OPT_INT: // "auto" stays a word
        value = strcmp(s->text, "auto") == 0 ? json_text(s->text) : json_integer(s->value.u.i);
        break;
    case COLLET_OPT_BYTES:
        value = json_integer(s->value.u.i);
        break;
    case COLLET_OPT_BOOL:
        value = json_boolean(s->value.u.i);
        break;
    case COLLET_OPT_FLOAT:
        value = json_real(s->value.u.f);
        break;
    default:
        value = json_text(s->text);
    }
    put(b, object, "value", value);
    set_origin(b, object, &s->place);
    return object;
}

static json_t *json_of_rule(builder *b, const profile_rule *r, bool is_isq)
{
    const char *phases[4];
    json_t *object = json_object();
    if (r->match.ops)
        put(b, object, "op", strings(b, r->match.ops));
    if (r->match.formats)
        put(b, object, "format", strings(b, r->match.formats));
    if (phases_of(phases, r->match.phases))
        put(b, object, "phase", strings(b, phases));
    if (r->match.layers_text)
        put(b, object, "layers", json_text(r->match.layers_text));
    if (r->match.tensors)
        put(b, object, "tensor", strings(b, r->match.tensors));
    if (r->match.tokens_text)
        put(b, object, "tokens", json_text(r->match.tokens_text));
    put(b, object, "use", strings(b, r->rule.use));
    if (!is_isq)
        put(b, object, "fallback", json_text(r->rule.fallback_error ? "error" : "warn"));
    set_origin(b, object, &r->place);
    return object;
}

static json_t *json_of_slots(builder *b, const collet_profile *p)
{
    json_t *slots = json_object();
    for (size_t i = 0; i < collet_schema_n_slots; i++) {
        json_t *rules = json_array();
        for (const profile_rule *r = p->slots[i].first; r; r = r->next)
            append(b, rules, json_of_rule(b, r, false));
        put(b, slots, collet_schema_slots[i].name, rules);
    }
    return slots;
}

static json_t *json_of_options(builder *b, const collet_profile *p)
{
    json_t *modules = json_object();
    for (const profile_option *o = p->options; o; o = o->next) {
        json_t *module = json_object_get(modules, o->module), *value = json_object();
        if (!module) {
            module = json_object();
            put(b, modules, o->module, module);
        }
        put(b, value, "value", json_text(o->text));
        set_origin(b, value, &o->place);
        put(b, module, o->key, value);
    }
    return modules;
}

static json_t *json_of_paths(builder *b, const profile_path *first)
{
    json_t *list = json_array();
    for (const profile_path *s = first; s; s = s->next) {
        json_t *object = json_object();
        if (s->name)
            put(b, object, "name", json_text(s->name));
        put(b, object, "path", json_text(s->path));
        if (s->sha256)
            put(b, object, "sha256", json_text(s->sha256));
        set_origin(b, object, &s->place);
        append(b, list, object);
    }
    return list;
}

char *collet_profile_json(const collet_profile *p)
{
    builder built = { 0 }, *b = &built;
    json_t *root = json_object(), *values = json_object(), *notes = json_array(), *isq = json_array();
    put(b, root, "collet", json_integer(1));
    for (size_t i = 0; i < collet_schema_n_keys; i++)
        put(b, values, collet_schema_keys[i].option.key, json_of_scalar(b, i, &p->scalars[i]));
    put(b, root, "values", values);
    put(b, root, "slots", json_of_slots(b, p));
    for (const profile_rule *r = p->slots[PROFILE_ISQ].first; r; r = r->next)
        append(b, isq, json_of_rule(b, r, true));
    put(b, root, "isq", isq);
    put(b, root, "options", json_of_options(b, p));
    put(b, root, "search", json_of_paths(b, p->search));
    put(b, root, "plugins", json_of_paths(b, p->pins));
    for (size_t i = 0; i < p->n_notes; i++)
        append(b, notes, json_text(p->notes[i]));
    put(b, root, "notes", notes);
    char *text = b->failed ? NULL : json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    return text;
}
