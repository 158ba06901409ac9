// SPDX-License-Identifier: Apache-2.0
// core/plugin/profile_read.c - the sections of one YAML file, into the profile.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/plugin/profile_internal.h"

// ---- texts ----

// Copies `name` (n bytes of "VAR", "VAR:-default", "VAR:?message"), resolved, to out.
static bool expand_one(profile_source *s, collet_text *out, const char *name, size_t n, const collet_mark *mark)
{
    char variable[128];
    size_t n_name = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    if (n_name > n)
        n_name = n;
    const char *rest = name + n_name;
    size_t n_rest = n - n_name;
    bool has_default = n_rest >= 2 && strncmp(rest, ":-", 2) == 0;
    bool has_message = n_rest >= 2 && strncmp(rest, ":?", 2) == 0;
    if (n_name == 0 || n_name >= sizeof variable || (n_rest > 0 && !has_default && !has_message)) {
        collet_problem(s->problems, COLLET_E_INVALID, mark,
                       "'${%.*s}' is not ${VAR}, ${VAR:-default} or ${VAR:?message}; write $${ for a plain ${", (int)n,
                       name);
        return false;
    }
    memcpy(variable, name, n_name);
    variable[n_name] = '\0';
    const char *value = getenv(variable);
    if (value && (value[0] || n_rest == 0)) {
        collet_text_add(out, value, strlen(value));
    } else if (has_default) {
        collet_text_add(out, rest + 2, n_rest - 2);
    } else if (has_message) {
        collet_problem(s->problems, COLLET_E_INVALID, mark, "%s is not set: %.*s", variable, (int)(n_rest - 2),
                       rest + 2);
        return false;
    } else {
        collet_problem(s->problems, COLLET_E_INVALID, mark, "%s is not set; ${%s:-TEXT} gives a default", variable,
                       variable);
        return false;
    }
    return true;
}

static bool expand(profile_source *s, collet_text *out, const char *text, const collet_mark *mark)
{
    for (const char *c = text; *c;) {
        const char *dollar = strstr(c, "${");
        size_t n_before = dollar ? (size_t)(dollar - c) : strlen(c);
        if (dollar && dollar > c && dollar[-1] == '$') { // $${ is a plain ${
            collet_text_add(out, c, n_before - 1);
            collet_text_add(out, "${", 2);
            c = dollar + 2;
            continue;
        }
        collet_text_add(out, c, n_before);
        if (!dollar)
            break;
        const char *end = strchr(dollar, '}');
        if (!end) {
            collet_problem(s->problems, COLLET_E_INVALID, mark, "'%s' has no closing }", dollar);
            return false;
        }
        if (!expand_one(s, out, dollar + 2, (size_t)(end - dollar) - 2, mark))
            return false;
        c = end + 1;
    }
    return true;
}

const char *profile_read_text(profile_source *s, const collet_yaml_node *node, const char *what)
{
    if (node->kind != COLLET_YAML_SCALAR) {
        collet_problem(s->problems, COLLET_E_INVALID, &node->mark, "%s: one value was wanted, not %s", what,
                       collet_yaml_kind_name(node));
        return NULL;
    }
    if (!s->expands || !strstr(node->text, "${"))
        return node->text;
    collet_text out = { 0 };
    const char *text = NULL;
    if (expand(s, &out, node->text, &node->mark)) {
        text = collet_arena_text(&s->profile->arena, out.data ? out.data : "", out.n_bytes);
        s->profile->arena.failed |= out.failed;
    }
    collet_text_free(&out);
    return text;
}

typedef struct text_list {
    const char **texts; // NULL-terminated once something was added
    collet_mark *marks;
    size_t n, n_max;
} text_list;

static bool push_text(collet_arena *arena, text_list *list, const char *text, size_t n_bytes, const collet_mark *mark)
{
    if (list->n == list->n_max) {
        list->n_max = list->n_max ? 2 * list->n_max : 4;
        const char **texts = collet_arena_alloc(arena, (list->n_max + 1) * sizeof *texts);
        collet_mark *marks = collet_arena_alloc(arena, list->n_max * sizeof *marks);
        if (!texts || !marks)
            return false;
        for (size_t i = 0; i < list->n; i++) {
            texts[i] = list->texts[i];
            marks[i] = list->marks[i];
        }
        list->texts = texts;
        list->marks = marks;
    }
    list->texts[list->n] = collet_arena_text(arena, text, n_bytes);
    list->marks[list->n] = *mark;
    return list->texts[list->n++] != NULL;
}

// Adds the parts between the commas of `text`, without the blanks around them.
static bool push_parts(collet_arena *arena, text_list *list, const char *text, const collet_mark *mark)
{
    for (;;) {
        text += strspn(text, " ");
        size_t n = strcspn(text, ","), n_kept = n;
        while (n_kept > 0 && text[n_kept - 1] == ' ')
            n_kept--;
        if (!push_text(arena, list, text, n_kept, mark))
            return false;
        if (text[n] == '\0')
            return true;
        text += n + 1;
    }
}

const char **profile_read_texts(profile_source *s, const collet_yaml_node *node, const char *what, bool split,
                                const collet_mark **marks)
{
    const collet_yaml_entry single = { .value = node };
    const collet_yaml_entry *first = node->kind == COLLET_YAML_LIST ? node->first : &single;
    if (!first || (node->kind == COLLET_YAML_SCALAR && node->text[0] == '\0')) {
        collet_problem(s->problems, COLLET_E_INVALID, &node->mark, "%s: is empty", what);
        return NULL;
    }
    collet_arena *arena = &s->profile->arena;
    text_list list = { 0 };
    for (const collet_yaml_entry *e = first; e; e = e->next) {
        const char *text = profile_read_text(s, e->value, what);
        if (!text || !(split ? push_parts(arena, &list, text, &e->value->mark)
                             : push_text(arena, &list, text, strlen(text), &e->value->mark)))
            return NULL;
    }
    if (marks)
        *marks = list.marks;
    return list.texts;
}

// ---- what a source says, kept unless a stronger one has said it ----

static profile_place place_of(const profile_source *s, const collet_mark *mark)
{
    return (profile_place){ .mark = *mark, .origin = s->origin, .source = s->number };
}

const char *profile_join_path(collet_arena *arena, const char *folder, const char *path)
{
    const char *home = getenv("HOME");
    if (strncmp(path, "~/", 2) == 0 && home)
        return collet_arena_printf(arena, "%s%s", home, path + 1);
    if (strncmp(path, "./", 2) == 0)
        path += 2;
    if (path[0] == '/' || strcmp(folder, ".") == 0)
        return path;
    return collet_arena_printf(arena, "%s/%s", folder, path);
}

// Absolute, for folders and files that plugins are loaded from. Need not exist.
static const char *absolute_path(profile_source *s, const char *path)
{
    const char *joined = profile_join_path(&s->profile->arena, s->folder, path);
    if (!joined || joined[0] == '/')
        return joined;
    char *here = getcwd(NULL, 0);
    const char *absolute = collet_arena_printf(&s->profile->arena, "%s/%s", here ? here : "", joined);
    free(here);
    return absolute;
}

void profile_set_scalar(profile_source *s, size_t key, const char *text, const collet_mark *mark)
{
    const collet_schema_key *k = &collet_schema_keys[key];
    profile_scalar *scalar = &s->profile->scalars[key];
    if (k->is_path && text[0])
        text = profile_join_path(&s->profile->arena, s->folder, text);
    collet_value value = { 0 };
    collet_error err = COLLET_ERROR_INIT;
    if (!text)
        return;
    if (collet_option_parse(&value, &k->option, text, &err) != COLLET_OK)
        collet_problem(s->problems, COLLET_E_INVALID, mark, "%s: %s", k->option.key, err.msg);
    else if (!scalar->is_set) // a weaker source is still checked
        *scalar = (profile_scalar){ .text = text, .value = value, .place = place_of(s, mark), .is_set = true };
}

void profile_set_option(profile_source *s, const profile_option *option)
{
    for (const profile_option *o = s->profile->options; o; o = o->next) {
        if (strcmp(o->module, option->module) != 0 || strcmp(o->key, option->key) != 0)
            continue;
        if (o->place.source == s->number && strcmp(o->text, option->text) != 0)
            collet_problem(s->problems, COLLET_E_INVALID, &option->place.mark,
                           "%s: %s is '%s' here and '%s' in line %d: a module is opened once, with one value",
                           option->module, option->key, option->text, o->text, o->place.mark.line);
        return;
    }
    profile_option *o = collet_arena_alloc(&s->profile->arena, sizeof *o);
    if (!o)
        return;
    *o = *option;
    *s->profile->last_option = o;
    s->profile->last_option = &o->next;
}

void profile_add_search(profile_source *s, const char *path, const collet_mark *mark)
{
    profile_path *p = collet_arena_alloc(&s->profile->arena, sizeof *p);
    if (!p)
        return;
    *p = (profile_path){ .path = absolute_path(s, path), .place = place_of(s, mark) };
    *s->profile->last_search = p;
    s->profile->last_search = &p->next;
}

static bool is_sha256(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

void profile_add_pin(profile_source *s, const char *name, const char *path, const char *sha256, const collet_mark *mark)
{
    if (!profile_id_is_valid(name) || strchr(name, ':'))
        collet_problem(s->problems, COLLET_E_INVALID, mark, "plugins: '%s' is not a plugin id ([a-z0-9._-])", name);
    if (sha256 && !is_sha256(sha256))
        collet_problem(s->problems, COLLET_E_INVALID, mark,
                       "plugins.%s: sha256 must be 64 hexadecimal digits in lower case", name);
    for (const profile_path *p = s->profile->pins; p; p = p->next)
        if (strcmp(p->name, name) == 0)
            return;
    profile_path *p = collet_arena_alloc(&s->profile->arena, sizeof *p);
    if (!p)
        return;
    *p = (profile_path){ .name = name, .path = absolute_path(s, path), .sha256 = sha256, .place = place_of(s, mark) };
    *s->profile->last_pin = p;
    s->profile->last_pin = &p->next;
}

// ---- sections ----

static bool is_free(const char *key)
{
    return strncmp(key, "x-", 2) == 0;
}

static bool want_map(profile_source *s, const collet_yaml_node *node, const char *what)
{
    if (node->kind == COLLET_YAML_MAP)
        return true;
    collet_problem(s->problems, COLLET_E_INVALID, &node->mark, "%s: a mapping was wanted, not %s", what,
                   collet_yaml_kind_name(node));
    return false;
}

void profile_read_options(profile_source *s, const char *module, const collet_yaml_node *map)
{
    if (!profile_id_is_valid(module)) {
        collet_problem(s->problems, COLLET_E_INVALID, &map->mark, "options: '%s' is not a module id", module);
        return;
    }
    if (!want_map(s, map, module))
        return;
    for (const collet_yaml_entry *e = map->first; e; e = e->next) {
        const char *text = profile_read_text(s, e->value, e->key->text);
        const profile_option option = { .module = module,
                                        .key = e->key->text,
                                        .text = text,
                                        .key_mark = e->key->mark,
                                        .place = place_of(s, &e->value->mark) };
        if (text)
            profile_set_option(s, &option);
    }
}

// Known names that a wrong key may have meant: sections of the top level, or keys below `prefix`.
void profile_unknown_key(profile_source *s, const collet_mark *mark, const char *key)
{
    static const char *const sections[] = { "collet",  "extends", "search", "plugins", "slots",
                                            "options", "model",   "engine", "isq" };
    const char *names[COLLET_COUNT(sections) + COLLET_SCHEMA_KEYS_MAX + COLLET_SCHEMA_SLOTS_MAX];
    char slots[COLLET_SCHEMA_SLOTS_MAX][64];
    const collet_schema_later *later = collet_schema_find_later(key);
    if (later) {
        collet_problem(s->problems, COLLET_E_INVALID, mark, "%s: this version has no such %s yet", key, later->what);
        return;
    }
    size_t n = 0;
    for (size_t i = 0; i < COLLET_COUNT(sections); i++)
        names[n++] = sections[i];
    for (size_t i = 0; i < collet_schema_n_keys; i++)
        names[n++] = collet_schema_keys[i].option.key;
    for (size_t i = 0; i < collet_schema_n_slots; i++) {
        snprintf(slots[i], sizeof slots[i], "slots.%s", collet_schema_slots[i].name);
        names[n++] = slots[i];
    }
    collet_problem_unknown(s->problems, mark, key, &(collet_candidates){ names, n, false }, "there is no key '%s'",
                           key);
}

// One key of the schema; `prefix` is its section or "".
static void read_scalar(profile_source *s, const char *prefix, const collet_yaml_entry *e)
{
    const char *name =
        prefix[0] ? collet_arena_printf(&s->profile->arena, "%s.%s", prefix, e->key->text) : e->key->text;
    if (!name)
        return;
    int key = collet_schema_find_key(name);
    if (key < 0) {
        profile_unknown_key(s, &e->key->mark, name);
        return;
    }
    const char *text = NULL;
    if (collet_schema_keys[key].is_list) {
        const char *const *texts = profile_read_texts(s, e->value, name, false, NULL);
        text = texts ? texts[0] : NULL;
        for (size_t i = 1; text && texts[i]; i++)
            text = collet_arena_printf(&s->profile->arena, "%s,%s", text, texts[i]);
    } else {
        text = profile_read_text(s, e->value, name);
    }
    if (text)
        profile_set_scalar(s, (size_t)key, text, &e->value->mark);
}

static void read_section(profile_source *s, const char *prefix, const collet_yaml_node *node)
{
    if (!want_map(s, node, prefix))
        return;
    for (const collet_yaml_entry *e = node->first; e; e = e->next)
        if (!is_free(e->key->text))
            read_scalar(s, prefix, e);
}

static void read_slots(profile_source *s, const collet_yaml_node *node)
{
    if (!want_map(s, node, "slots"))
        return;
    for (const collet_yaml_entry *e = node->first; e; e = e->next) {
        int slot = collet_schema_find_slot(e->key->text);
        const char *name = collet_arena_printf(&s->profile->arena, "slots.%s", e->key->text);
        if (slot >= 0)
            profile_read_slot(s, (size_t)slot, e->value);
        else if (name && !is_free(e->key->text))
            profile_unknown_key(s, &e->key->mark, name);
    }
}

static void read_search(profile_source *s, const collet_yaml_node *node)
{
    const collet_mark *marks = NULL;
    const char *const *paths = profile_read_texts(s, node, "search", false, &marks);
    for (size_t i = 0; paths && paths[i]; i++)
        profile_add_search(s, paths[i], &marks[i]);
}

static void read_plugin(profile_source *s, const char *name, const collet_yaml_node *node)
{
    static const char *const keys[] = { "path", "sha256" };
    const char *path = NULL, *sha256 = NULL;
    bool failed = false;
    if (node->kind == COLLET_YAML_SCALAR) { // acme: ./libcollet_acme.so
        path = profile_read_text(s, node, name);
        failed = path == NULL;
    } else if (!want_map(s, node, name)) {
        return;
    }
    for (const collet_yaml_entry *e = node->first; e; e = e->next) {
        const char **text = strcmp(e->key->text, "path") == 0     ? &path
                            : strcmp(e->key->text, "sha256") == 0 ? &sha256
                                                                  : NULL;
        if (text) {
            *text = profile_read_text(s, e->value, e->key->text);
            failed = failed || !*text;
        } else if (!is_free(e->key->text)) {
            collet_problem_unknown(s->problems, &e->key->mark, e->key->text,
                                   &(collet_candidates){ keys, COLLET_COUNT(keys), true }, "a plugin has no key '%s'",
                                   e->key->text);
        }
    }
    if (!failed && (!path || !path[0]))
        collet_problem(s->problems, COLLET_E_INVALID, &node->mark, "plugins.%s: which file? Give it a path", name);
    else if (!failed)
        profile_add_pin(s, name, path, sha256, &node->mark);
}

static void read_plugins(profile_source *s, const collet_yaml_node *node)
{
    if (!want_map(s, node, "plugins"))
        return;
    for (const collet_yaml_entry *e = node->first; e; e = e->next)
        if (!is_free(e->key->text))
            read_plugin(s, e->key->text, e->value);
}

static void read_version(profile_source *s, const collet_yaml_node *node)
{
    const char *text = profile_read_text(s, node, "collet");
    if (text && strcmp(text, "1") != 0)
        collet_problem(s->problems, COLLET_E_INVALID, &node->mark,
                       "collet: this program reads schema version 1, not '%s'", text);
}

static void read_top_key(profile_source *s, const collet_yaml_entry *e)
{
    const char *key = e->key->text;
    if (strcmp(key, "collet") == 0)
        read_version(s, e->value);
    else if (strcmp(key, "slots") == 0)
        read_slots(s, e->value);
    else if (strcmp(key, "isq") == 0)
        profile_read_slot(s, PROFILE_ISQ, e->value);
    else if (strcmp(key, "search") == 0)
        read_search(s, e->value);
    else if (strcmp(key, "plugins") == 0)
        read_plugins(s, e->value);
    else if (strcmp(key, "model") == 0 || strcmp(key, "engine") == 0)
        read_section(s, key, e->value);
    else if (strcmp(key, "options") == 0 && want_map(s, e->value, key))
        for (const collet_yaml_entry *o = e->value->first; o; o = o->next)
            profile_read_options(s, o->key->text, o->value);
    else if (strcmp(key, "options") != 0 && strcmp(key, "extends") != 0 && !is_free(key))
        read_scalar(s, "", e);
}

void profile_read_root(profile_source *s, const collet_yaml_node *root)
{
    if (!want_map(s, root, "a profile"))
        return;
    bool has_version = false;
    for (const collet_yaml_entry *e = root->first; e; e = e->next) {
        has_version = has_version || strcmp(e->key->text, "collet") == 0;
        read_top_key(s, e);
    }
    if (!has_version)
        collet_problem(s->problems, COLLET_E_INVALID, &root->mark,
                       "the schema version is missing: begin with 'collet: 1'");
}
