// SPDX-License-Identifier: Apache-2.0
// core/plugin/profile_source.c - what does not come from files: --set, COLLET_ variables, the seed's variables.
#include <stdlib.h>
#include <string.h>

#include "core/plugin/profile_internal.h"

extern char **environ;

// `slots.matmul=TEXT`: TEXT is YAML, so that a rule can be given in full: '{ phase: decode, use: acme.matmul }'.
static void set_slot(profile_source *s, size_t slot, const char *text, const collet_mark *mark)
{
    const collet_yaml_node *node = NULL;
    const collet_yaml_input input = { .name = mark->file, .text = text, .n_bytes = strlen(text) };
    collet_status st = collet_yaml_parse(&node, &s->profile->arena, &input, s->problems);
    if (st == COLLET_OK && !node && slot == PROFILE_ISQ)
        collet_problem(s->problems, COLLET_E_INVALID, mark, "isq: which format?");
    else if (st == COLLET_OK && !node)
        collet_problem(s->problems, COLLET_E_INVALID, mark, "slots.%s: which module?", collet_schema_slots[slot].name);
    else if (st == COLLET_OK)
        profile_read_slot(s, slot, node);
}

// `options.kv.contiguous.dtype=f32`: the last word is the option, what stands before it the module.
static void set_option(profile_source *s, const char *path, const char *text, const collet_mark *mark)
{
    const char *dot = strrchr(path, '.');
    char *module = dot ? collet_arena_text(&s->profile->arena, path, (size_t)(dot - path)) : NULL;
    if (!dot || !profile_id_is_valid(module ? module : "any") || dot[1] == '\0') {
        collet_problem(s->problems, COLLET_E_INVALID, mark, "'options.%s' is not options.MODULE.KEY", path);
        return;
    }
    const profile_option option = { .module = module,
                                    .key = dot + 1,
                                    .text = text,
                                    .key_mark = *mark,
                                    .place = { .mark = *mark, .origin = s->origin, .source = s->number } };
    if (module)
        profile_set_option(s, &option);
}

static void set_key(profile_source *s, const char *key, const char *text, const collet_mark *mark)
{
    int scalar = collet_schema_find_key(key);
    int slot = profile_find_slot(key);
    if (scalar >= 0)
        profile_set_scalar(s, (size_t)scalar, text, mark);
    else if (slot >= 0)
        set_slot(s, (size_t)slot, text, mark);
    else if (strncmp(key, "options.", 8) == 0)
        set_option(s, key + 8, text, mark);
    else if (strcmp(key, "search") == 0 && text[0])
        profile_add_search(s, text, mark);
    else if (strncmp(key, "plugins.", 8) == 0 && text[0])
        profile_add_pin(s, key + 8, text, NULL, mark);
    else
        profile_unknown_key(s, mark, key);
}

void profile_read_sets(profile_source *s, const char *const *sets, size_t n_sets)
{
    for (size_t i = n_sets; i-- > 0;) { // the last --set of a key wins, so it is read first
        const collet_mark mark = { .file = "--set" };
        const char *equals = strchr(sets[i], '=');
        if (!equals || equals == sets[i]) {
            collet_problem(s->problems, COLLET_E_INVALID, &mark, "'%s' is not KEY=VALUE", sets[i]);
            continue;
        }
        const char *key = collet_arena_text(&s->profile->arena, sets[i], (size_t)(equals - sets[i]));
        const char *text = collet_arena_text(&s->profile->arena, equals + 1, strlen(equals + 1));
        if (key && text)
            set_key(s, key, text, &mark);
        s->number++; // two --set of one key are an order, not a contradiction
    }
}

// The value of a variable that is set to something, copied.
static const char *environment(profile_source *s, const char *name)
{
    const char *text = getenv(name);
    return text && text[0] ? collet_arena_text(&s->profile->arena, text, strlen(text)) : NULL;
}

static void read_variable(profile_source *s, const char *name, const char *key)
{
    const char *text = environment(s, name);
    const collet_mark mark = { .file = collet_arena_text(&s->profile->arena, name, strlen(name)) };
    if (text && mark.file)
        set_key(s, key, text, &mark);
}

// The long name is stronger than the short one.
static void read_key(profile_source *s, const char *key, const char *shorter)
{
    char name[COLLET_SCHEMA_ENV_MAX];
    read_variable(s, collet_schema_env(name, key), key);
    s->number++;
    if (shorter)
        read_variable(s, shorter, key);
}

static bool is_known(const char *name, char known[][COLLET_SCHEMA_ENV_MAX], size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(known[i], name) == 0)
            return true;
    return false;
}

// Only these prefixes belong to the profile alone: COLLET_PLUGIN_PATH, COLLET_ISA_MAX and others are not its business.
static bool is_ours(const char *variable)
{
    return strncmp(variable, "COLLET_ENGINE_", 14) == 0 || strncmp(variable, "COLLET_SLOTS_", 13) == 0 ||
           strncmp(variable, "COLLET_MODEL_", 13) == 0;
}

static void refuse_unknown_variables(profile_source *s)
{
    char known[COLLET_SCHEMA_KEYS_MAX + COLLET_SCHEMA_SLOTS_MAX][COLLET_SCHEMA_ENV_MAX];
    const char *names[COLLET_COUNT(known)];
    char key[64];
    size_t n = 0;
    for (size_t i = 0; i < collet_schema_n_keys; i++)
        collet_schema_env(known[n++], collet_schema_keys[i].option.key);
    for (size_t i = 0; i < collet_schema_n_slots; i++) {
        snprintf(key, sizeof key, "slots.%s", collet_schema_slots[i].name);
        collet_schema_env(known[n++], key);
    }
    for (size_t i = 0; i < n; i++)
        names[i] = known[i];
    for (char **e = environ; *e; e++) {
        size_t n_name = strcspn(*e, "=");
        if (!is_ours(*e) || n_name >= COLLET_SCHEMA_ENV_MAX)
            continue;
        const char *name = collet_arena_text(&s->profile->arena, *e, n_name);
        const collet_mark mark = { .file = "environment" };
        if (name && !is_known(name, known, n))
            collet_problem_unknown(s->problems, &mark, name, &(collet_candidates){ names, n, false },
                                   "nothing reads the variable %s", name);
    }
}

void profile_read_env(profile_source *s)
{
    for (size_t i = 0; i < collet_schema_n_keys; i++)
        read_key(s, collet_schema_keys[i].option.key, collet_schema_keys[i].env);
    for (size_t i = 0; i < collet_schema_n_slots; i++) {
        char key[64];
        snprintf(key, sizeof key, "slots.%s", collet_schema_slots[i].name);
        read_key(s, key, collet_schema_slots[i].env);
    }
    read_key(s, "isq", NULL);
    refuse_unknown_variables(s);
}

static bool is_off(const char *text)
{
    return strcmp(text, "false") == 0 || strcmp(text, "0") == 0 || strcmp(text, "none") == 0;
}

static void add_note(profile_source *s, const collet_schema_seed *seed, const char *text)
{
    collet_profile *p = s->profile;
    if (p->n_notes == PROFILE_NOTES_MAX)
        return;
    const char *note =
        collet_arena_printf(&p->arena, "%s=%s is not honoured: this version has %s", seed->env, text, seed->lacks);
    if (note)
        p->notes[p->n_notes++] = note;
}

void profile_read_seed_env(profile_source *s)
{
    for (size_t i = 0; i < collet_schema_n_seeds; i++) {
        const collet_schema_seed *seed = &collet_schema_seeds[i];
        const char *text = environment(s, seed->env);
        int slot = seed->slot ? profile_find_slot(seed->slot) : -1;
        if (text && !is_off(text) && seed->lacks)
            add_note(s, seed, text);
        else if (text && slot >= 0 && !s->profile->slots[slot].first) // no flag and no COLLET_ variable spoke before
            set_slot(s, (size_t)slot,
                     is_off(text) ? seed->off
                     : seed->on   ? seed->on
                                  : text,
                     &(collet_mark){ .file = seed->env });
    }
}
