// SPDX-License-Identifier: Apache-2.0
// core/plugin/schema.h - the one table of what a profile may say; parser, --help, docs/OPTIONS.md come from it.
#ifndef COLLET_CORE_PLUGIN_SCHEMA_H
#define COLLET_CORE_PLUGIN_SCHEMA_H

#include <stdio.h>

#include "core/plugin/option.h"

#define COLLET_SCHEMA_KEYS_MAX 32
#define COLLET_SCHEMA_SLOTS_MAX 16
#define COLLET_SCHEMA_ENV_MAX 96 // bytes of a variable's name

// One scalar of the profile. `option.key` is its dotted path; its environment variable is COLLET_ and the path in
// capitals, dots as underscores; `env` is a second, shorter one.
typedef struct collet_schema_key {
    collet_option_info option;
    const char *env; // "COLLET_THREADS"; NULL: none
    bool is_list;    // several texts, kept with ',' between them
    bool is_path;    // relative to the file in which it stands
} collet_schema_key;

typedef struct collet_schema_slot {
    const char *name, *help;
    const char *env; // as above
} collet_schema_slot;

// What DESIGN knows and this version does not: refused by name, never skipped.
typedef struct collet_schema_later {
    const char *key; // "slots.draft", "isq"
    const char *what;
} collet_schema_later;

// Variables of the program that Collet replaces (spnl with mistral.rs): honoured where the COLLET_ one is unset.
typedef struct collet_schema_seed {
    const char *env;
    const char *slot;  // "slots.kvcache", "isq": sets its `use`; NULL: nothing yet
    const char *on;    // module id; NULL: the variable's own text; false, 0 and none are `off`
    const char *off;   // NULL: nothing needs to be switched off
    const char *lacks; // why `on` is not honoured by this version, which says so; NULL: it is
} collet_schema_seed;

extern const collet_schema_key collet_schema_keys[];
extern const collet_schema_slot collet_schema_slots[];
extern const collet_schema_later collet_schema_later_keys[];
extern const collet_schema_seed collet_schema_seeds[];
extern const size_t collet_schema_n_keys, collet_schema_n_slots, collet_schema_n_later, collet_schema_n_seeds;

// Index of a dotted key or of a slot; -1 when unknown.
int collet_schema_find_key(const char *key);
int collet_schema_find_slot(const char *name);
const collet_schema_later *collet_schema_find_later(const char *key);

// "engine.threads" -> "COLLET_ENGINE_THREADS". Returns out.
const char *collet_schema_env(char out[COLLET_SCHEMA_ENV_MAX], const char *key);

// docs/OPTIONS.md.
void collet_schema_print_markdown(FILE *out);

#endif
