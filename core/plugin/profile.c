// SPDX-License-Identifier: Apache-2.0
// core/plugin/profile.c - sources from the strongest to the weakest, then the questions that a loaded profile answers.
#include "core/plugin/profile.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/plugin/profile_internal.h"

// ---- loading ----

typedef struct loader {
    profile_source source;
    size_t n_files, n_open; // open: the chain of `extends` that is being read
    struct {
        dev_t device;
        ino_t inode;
        bool is_open;
    } files[PROFILE_FILES_MAX];
} loader;

typedef enum seen { SEEN_NEVER, SEEN_BEFORE, SEEN_OPEN, SEEN_TOO_MANY } seen;

static seen remember_file(loader *l, const char *path, size_t *index)
{
    struct stat st;
    if (stat(path, &st) != 0)
        memset(&st, 0, sizeof st); // reading it will say what is wrong
    for (size_t i = 0; i < l->n_files; i++)
        if (st.st_ino != 0 && l->files[i].device == st.st_dev && l->files[i].inode == st.st_ino)
            return l->files[i].is_open ? SEEN_OPEN : SEEN_BEFORE;
    if (l->n_files == PROFILE_FILES_MAX)
        return SEEN_TOO_MANY;
    *index = l->n_files++;
    l->files[*index].device = st.st_dev;
    l->files[*index].inode = st.st_ino;
    return SEEN_NEVER;
}

static const char *folder_of(collet_arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return ".";
    return slash == path ? "/" : collet_arena_text(arena, path, (size_t)(slash - path));
}

static void read_file(loader *l, const char *path, const collet_mark *from);

// Later entries are stronger, so they are read first.
static void read_extends(loader *l, const collet_yaml_node *root)
{
    for (const collet_yaml_entry *e = root->kind == COLLET_YAML_MAP ? root->first : NULL; e; e = e->next) {
        if (strcmp(e->key->text, "extends") != 0)
            continue;
        const collet_mark *marks = NULL;
        const char *folder = l->source.folder;
        const char *const *paths = profile_read_texts(&l->source, e->value, "extends", false, &marks);
        size_t n = 0;
        while (paths && paths[n])
            n++;
        while (n-- > 0) {
            const char *path = profile_join_path(&l->source.profile->arena, folder, paths[n]);
            if (path)
                read_file(l, path, &marks[n]);
            l->source.folder = folder;
        }
    }
}

static void read_opened(loader *l, const char *path, const char *text, size_t n_bytes)
{
    collet_profile *p = l->source.profile;
    const collet_yaml_node *root = NULL;
    const collet_yaml_input input = { .name = path, .text = text, .n_bytes = n_bytes, .is_file = true };
    if (collet_yaml_parse(&root, &p->arena, &input, l->source.problems) != COLLET_OK)
        return;
    const collet_mark top = { .file = path, .line = 1, .column = 1 };
    if (!root) {
        collet_problem(l->source.problems, COLLET_E_INVALID, &top, "the file is empty: begin with 'collet: 1'");
        return;
    }
    l->source.number++;
    l->source.folder = folder_of(&p->arena, path);
    if (!l->source.folder)
        return;
    profile_read_root(&l->source, root);
    read_extends(l, root);
}

// `from`: the `extends` or the variable that names the file; NULL: the command line.
static void read_file(loader *l, const char *path, const collet_mark *from)
{
    collet_problems *problems = l->source.problems;
    size_t index = 0, n_bytes = 0;
    seen what = remember_file(l, path, &index);
    if (what == SEEN_BEFORE)
        return; // two files extend a third one: it counts once, where it was met first
    if (what == SEEN_OPEN || what == SEEN_TOO_MANY || l->n_open == PROFILE_EXTENDS_MAX) {
        collet_problem(problems, COLLET_E_INVALID, from, "extends: %s: %s", path,
                       what == SEEN_OPEN       ? "extends itself, directly or through others"
                       : what == SEEN_TOO_MANY ? "more than 32 files"
                                               : "more than 8 files deep");
        return;
    }
    char *text = NULL;
    collet_error err = COLLET_ERROR_INIT;
    collet_status st = collet_file_read(&text, &n_bytes, path, COLLET_YAML_BYTES_MAX, &err);
    const char *name = collet_arena_text(&l->source.profile->arena, path, strlen(path));
    if (st != COLLET_OK) {
        collet_problem(problems, st, from, "%s", err.msg);
    } else if (name) {
        l->files[index].is_open = true;
        l->n_open++;
        read_opened(l, name, text, n_bytes);
        l->n_open--;
        l->files[index].is_open = false;
    }
    free(text);
}

static void read_user_file(loader *l)
{
    collet_arena *arena = &l->source.profile->arena;
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME"), *path = NULL;
    if (config && config[0] == '/')
        path = collet_arena_printf(arena, "%s/collet/profile.yaml", config);
    else if (home && home[0] == '/')
        path = collet_arena_printf(arena, "%s/.config/collet/profile.yaml", home);
    if (path && access(path, F_OK) == 0)
        read_file(l, path, NULL);
}

static void read_sources(loader *l, const collet_profile_opts *opts)
{
    profile_source *s = &l->source;
    s->origin = COLLET_ORIGIN_FLAG;
    profile_read_sets(s, opts->sets, opts->n_sets);
    s->origin = COLLET_ORIGIN_ENV;
    s->number++;
    profile_read_env(s);
    s->number++;
    profile_read_seed_env(s);
    s->origin = COLLET_ORIGIN_PROFILE;
    s->expands = true;
    const char *variable = getenv("COLLET_PROFILE");
    if (opts->path)
        read_file(l, opts->path, NULL);
    else if (variable && variable[0])
        read_file(l, variable, &(collet_mark){ .file = "COLLET_PROFILE" });
    s->origin = COLLET_ORIGIN_USER;
    if (!opts->no_user)
        read_user_file(l);
}

// ---- what nobody has set ----

static collet_status fill_scalars(collet_profile *p, collet_error *err)
{
    for (size_t i = 0; i < collet_schema_n_keys; i++) {
        if (p->scalars[i].is_set)
            continue;
        collet_status st = collet_option_default(&p->scalars[i].value, &collet_schema_keys[i].option, err);
        if (st != COLLET_OK)
            return st;
        p->scalars[i].text = collet_schema_keys[i].option.dflt;
        p->scalars[i].place.origin = COLLET_ORIGIN_BUILT_IN;
    }
    return COLLET_OK;
}

// `use: any` where no rule before matches everything, so that what `profile show` prints is read back as the same.
static void append_any(collet_profile *p, size_t slot)
{
    static const char *const any[] = { "any", NULL };
    static const collet_mark any_marks[] = { { .file = "(built in)" } };
    for (const profile_rule *r = p->slots[slot].first; r; r = r->next)
        if (profile_match_is_open(&r->match))
            return;
    profile_rule *last = collet_arena_alloc(&p->arena, sizeof *last);
    if (!last)
        return;
    last->rule = (collet_rule){ .use = any, .file = "(built in)", .origin = COLLET_ORIGIN_BUILT_IN };
    last->place.origin = COLLET_ORIGIN_BUILT_IN;
    last->use_marks = any_marks;
    *p->slots[slot].last = last;
}

static void fill_slots(collet_profile *p)
{
    bool fallback_error = strcmp(collet_profile_text(p, "fallback"), "error") == 0;
    for (size_t i = 0; i < collet_schema_n_slots; i++) {
        append_any(p, i);
        for (profile_rule *r = p->slots[i].first; r; r = r->next)
            if (!r->has_fallback)
                r->rule.fallback_error = fallback_error;
    }
}

static void fill_lists(collet_profile *p)
{
    for (const profile_path *s = p->search; s; s = s->next)
        p->n_search++;
    for (const profile_path *s = p->pins; s; s = s->next)
        p->n_pins++;
    p->search_list = collet_arena_alloc(&p->arena, (p->n_search + 1) * sizeof *p->search_list);
    p->pin_list = collet_arena_alloc(&p->arena, (p->n_pins + 1) * sizeof *p->pin_list);
    if (!p->search_list || !p->pin_list)
        return;
    size_t i = 0, j = 0;
    for (const profile_path *s = p->search; s; s = s->next)
        p->search_list[i++] = s->path;
    for (const profile_path *s = p->pins; s; s = s->next)
        p->pin_list[j++] = (collet_plugin_pin){ .name = s->name, .path = s->path, .sha256 = s->sha256 };
}

static collet_status load_into(collet_profile *p, const collet_profile_opts *opts, collet_text *text, collet_error *err)
{
    collet_problems problems = { .text = text, .err = err };
    loader l = { .source = { .profile = p, .problems = &problems, .folder = "." } };
    p->last_option = &p->options;
    p->last_search = &p->search;
    p->last_pin = &p->pins;
    for (size_t i = 0; i < COLLET_COUNT(p->slots); i++)
        p->slots[i].last = &p->slots[i].first;
    read_sources(&l, opts);
    if (problems.n > 0 && !p->arena.failed) // without memory, what is missing may be our own loss
        return problems.first;
    collet_status st = fill_scalars(p, err);
    fill_slots(p);
    fill_lists(p);
    profile_fill_isq(p);
    return p->arena.failed ? collet_fail(err, COLLET_E_NOMEM, "no memory for the profile") : st;
}

collet_status collet_profile_load(collet_profile **out, const collet_profile_opts *opts, collet_text *problems,
                                  collet_error *err)
{
    collet_profile *p = calloc(1, sizeof *p);
    if (!p)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the profile");
    collet_status st = load_into(p, opts, problems, err);
    if (st == COLLET_OK)
        *out = p;
    else
        collet_profile_destroy(p);
    return st;
}

void collet_profile_destroy(collet_profile *p)
{
    if (p)
        collet_arena_free(&p->arena);
    free(p);
}

// ---- questions ----

static const profile_scalar *scalar(const collet_profile *p, const char *key)
{
    static const collet_log log = { .level = 0 };
    static const profile_scalar none = { .text = "" };
    int i = collet_schema_find_key(key);
    if (i >= 0)
        return &p->scalars[i];
    collet_log_line(&log, 0, NULL, "defect: the profile's schema has no key '%s'", key);
    return &none;
}

const char *collet_profile_text(const collet_profile *p, const char *key)
{
    return scalar(p, key)->text;
}

int64_t collet_profile_int(const collet_profile *p, const char *key)
{
    const profile_scalar *s = scalar(p, key);
    return s->value.type == COLLET_OPT_INT || s->value.type == COLLET_OPT_BYTES ? s->value.u.i : 0;
}

double collet_profile_float(const collet_profile *p, const char *key)
{
    const profile_scalar *s = scalar(p, key);
    return s->value.type == COLLET_OPT_FLOAT ? s->value.u.f : 0.0;
}

bool collet_profile_bool(const collet_profile *p, const char *key)
{
    const profile_scalar *s = scalar(p, key);
    return s->value.type == COLLET_OPT_BOOL && s->value.u.i != 0;
}

const collet_rule *collet_profile_rule(const collet_profile *p, const char *slot, const collet_rule_query *query)
{
    static const char *const any[] = { "any", NULL };
    static const collet_rule open = { .use = any, .file = "(built in)", .origin = COLLET_ORIGIN_BUILT_IN };
    int i = collet_schema_find_slot(slot);
    for (const profile_rule *r = i < 0 ? NULL : p->slots[i].first; r; r = r->next)
        if (profile_rule_matches(&r->match, query))
            return &r->rule;
    return &open;
}

// An option is written for "kv.paged", or for "acme:kv.paged" where two plugins have the same module.
static bool is_for_module(const profile_option *o, const collet_module_info *module)
{
    const char *colon = strchr(o->module, ':');
    return strcmp(colon ? colon + 1 : o->module, module->id) == 0;
}

collet_status collet_profile_values(const collet_profile *p, const collet_module_info *module, collet_value *values,
                                    collet_error *err)
{
    for (uint32_t i = 0; i < module->n_options; i++) {
        const collet_option_info *info = &module->options[i];
        const profile_option *found = NULL;
        for (const profile_option *o = p->options; o && !found; o = o->next)
            if (is_for_module(o, module) && strcmp(o->key, info->key) == 0)
                found = o;
        collet_error why = COLLET_ERROR_INIT;
        collet_status st = found ? collet_option_parse(&values[i], info, found->text, &why)
                                 : collet_option_default(&values[i], info, &why);
        if (st != COLLET_OK)
            return collet_fail(err, st, "%s: %s: %s", module->id, info->key, why.msg);
    }
    return COLLET_OK;
}

const char *const *collet_profile_search(const collet_profile *p, size_t *n)
{
    *n = p->n_search;
    return p->search_list;
}

const collet_plugin_pin *collet_profile_pins(const collet_profile *p, size_t *n)
{
    *n = p->n_pins;
    return p->pin_list;
}

const collet_isq_rule *collet_profile_isq(const collet_profile *p, size_t *n)
{
    *n = p->n_isq;
    return p->isq_list;
}

const char *const *collet_profile_notes(const collet_profile *p, size_t *n)
{
    *n = p->n_notes;
    return p->notes;
}
