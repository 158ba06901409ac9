// SPDX-License-Identifier: Apache-2.0
// core/plugin/profile_internal.h - what the files of the profile share.
//
//     profile.c        load: sources from the strongest to the weakest; questions
//     profile_read.c   one source: YAML sections, expansion, paths
//     profile_rule.c   one rule: parsing and matching
//     profile_source.c --set, environment, the seed's environment
//     profile_check.c  module ids and options against a registry
//     profile_show.c   YAML and JSON of the result
//
// Sources are read strongest first, and the first who says something is kept: rules of one slot are appended, so that
// their order is the order of matching; scalars, options and pins are taken when nobody stronger has set them.
#ifndef COLLET_CORE_PLUGIN_PROFILE_INTERNAL_H
#define COLLET_CORE_PLUGIN_PROFILE_INTERNAL_H

#include "core/base/arena.h"
#include "core/plugin/problems.h"
#include "core/plugin/profile.h"
#include "core/plugin/schema.h"
#include "core/plugin/yaml_tree.h"

#define PROFILE_FILES_MAX 32
#define PROFILE_EXTENDS_MAX 8 // depth
#define PROFILE_NOTES_MAX 16
#define RULE_LAYERS_MAX 16 // ranges of one `layers:`

// The section `isq` is a list of rules like a slot's, whose `use` names weight formats: it stands behind the slots.
#define PROFILE_ISQ COLLET_SCHEMA_SLOTS_MAX

// Where a value was set, and by whom.
typedef struct profile_place {
    collet_mark mark;
    collet_origin origin;
    uint32_t source; // number of the source: values of one source must not contradict each other
} profile_place;

typedef struct profile_scalar {
    const char *text;
    collet_value value;
    profile_place place;
    bool is_set;
} profile_scalar;

typedef struct profile_range {
    int32_t first, last; // inclusive
} profile_range;

// NULL and 0 mean: not stated, matches all.
typedef struct profile_match {
    const char *const *ops;     // patterns
    const char *const *formats; // patterns
    const char *const *tensors; // patterns
    uint32_t phases;            // COLLET_PHASE_* bits
    uint32_t n_layers;
    profile_range layers[RULE_LAYERS_MAX];
    bool has_tokens;
    uint32_t tokens_min, tokens_max;
    const char *tokens_text, *layers_text; // as written, for `profile show`
} profile_match;

typedef struct profile_rule {
    collet_rule rule; // rule.use points at `use`
    profile_match match;
    profile_place place;
    const collet_mark *use_marks; // one per id of rule.use
    bool has_fallback;            // the rule says so itself
    struct profile_rule *next;
} profile_rule;

// One option of one module.
typedef struct profile_option {
    const char *module, *key, *text;
    collet_mark key_mark; // place.mark is the value's
    profile_place place;
    struct profile_option *next;
} profile_option;

typedef struct profile_path { // of `search`, of `plugins`
    const char *name;         // plugins only
    const char *path, *sha256;
    profile_place place;
    struct profile_path *next;
} profile_path;

struct collet_profile {
    collet_arena arena;
    profile_scalar scalars[COLLET_SCHEMA_KEYS_MAX];
    struct {
        profile_rule *first, **last;
    } slots[COLLET_SCHEMA_SLOTS_MAX + 1]; // PROFILE_ISQ is the last
    profile_option *options, **last_option;
    profile_path *search, **last_search;
    profile_path *pins, **last_pin;
    const char *notes[PROFILE_NOTES_MAX]; // what was seen and not honoured
    size_t n_notes;
    const char **search_list;
    size_t n_search;
    collet_plugin_pin *pin_list;
    size_t n_pins;
    collet_isq_rule *isq_list;
    size_t n_isq;
};

// One source while it is read.
typedef struct profile_source {
    collet_profile *profile;
    collet_problems *problems;
    collet_origin origin;
    uint32_t number;
    const char *folder; // of the file, for its relative paths; "." elsewhere
    bool expands;       // ${VAR} is expanded: YAML files only, a shell has done it elsewhere
} profile_source;

// ---- profile_read.c ----
// Every section of a profile's top level but `extends`, which the caller follows.
void profile_read_root(profile_source *s, const collet_yaml_node *root);

// The text of a scalar, expanded and in the profile's arena; NULL after a problem. `what` names it: "engine.threads".
const char *profile_read_text(profile_source *s, const collet_yaml_node *node, const char *what);

// One text or a list of them, NULL-terminated; *marks (may be NULL) says where each stands. Texts of the form "a, b"
// are split when `split`. NULL after a problem; an empty list is one.
const char **profile_read_texts(profile_source *s, const collet_yaml_node *node, const char *what, bool split,
                                const collet_mark **marks);

void profile_set_scalar(profile_source *s, size_t key, const char *text, const collet_mark *mark);
void profile_set_option(profile_source *s, const profile_option *option);
void profile_add_search(profile_source *s, const char *path, const collet_mark *mark);
void profile_add_pin(profile_source *s, const char *name, const char *path, const char *sha256,
                     const collet_mark *mark);
void profile_read_options(profile_source *s, const char *module, const collet_yaml_node *map);
void profile_unknown_key(profile_source *s, const collet_mark *mark, const char *key);
const char *profile_join_path(collet_arena *arena, const char *folder, const char *path);

// ---- profile_rule.c ----
void profile_read_slot(profile_source *s, size_t slot, const collet_yaml_node *node); // PROFILE_ISQ too
int profile_find_slot(const char *key);                                               // "slots.matmul", "isq"; -1
void profile_fill_isq(collet_profile *p);
bool profile_rule_matches(const profile_match *match, const collet_rule_query *query);
bool profile_match_is_open(const profile_match *match); // states nothing: matches all
bool profile_id_is_valid(const char *id);               // "cpu.matmul.ref", "acme:cpu.matmul.ref", "any"

// ---- profile_source.c ----
void profile_read_sets(profile_source *s, const char *const *sets, size_t n_sets);
void profile_read_env(profile_source *s);
void profile_read_seed_env(profile_source *s);

// ---- profile_show.c ----
// "--set", "env COLLET_X", "base.yaml:3:4", "default". Returns out.
const char *profile_place_text(char *out, size_t n_out, const profile_place *place);

#endif
