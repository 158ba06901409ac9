// SPDX-License-Identifier: Apache-2.0
// core/plugin/profile.h - the one YAML file that steers all of it, read, merged, checked, resolved.
//
// Scalars are text in YAML and typed by our schema. Reading collects every error with file:line:column and the nearest
// known name before it fails. Checking module and option names against a registry is a second step, because a registry
// needs the profile's search folders first.
#ifndef COLLET_CORE_PLUGIN_PROFILE_H
#define COLLET_CORE_PLUGIN_PROFILE_H

#include <stdbool.h>
#include <stdio.h>

#include "core/plugin/registry.h"

typedef struct collet_profile collet_profile;

// Where a value came from, strongest first.
typedef enum collet_origin {
    COLLET_ORIGIN_FLAG = 0,
    COLLET_ORIGIN_ENV,
    COLLET_ORIGIN_PROFILE,
    COLLET_ORIGIN_USER, // $XDG_CONFIG_HOME/collet/profile.yaml
    COLLET_ORIGIN_BUILT_IN
} collet_origin;

typedef struct collet_profile_opts {
    const char *path;        // --profile FILE; NULL: none
    const char *const *sets; // --set KEY=VALUE: "slots.matmul=cpu.matmul.ref", "engine.threads=2"
    size_t n_sets;
    bool no_user; // ignore the user's profile (tests)
} collet_profile_opts;

// Reads and merges; *err holds the first problem, and all of them, one a line, are appended to *problems (may be NULL;
// a collet_text, text.h). Errors: INVALID, NOT_FOUND, IO, NOMEM.
// Ownership: gives; destroy frees, accepts NULL.
struct collet_text;
collet_status collet_profile_load(collet_profile **out, const collet_profile_opts *opts, struct collet_text *problems,
                                  collet_error *err);
void collet_profile_destroy(collet_profile *p);

// Second step: every module id, plugin name and module option exists and is of the right type and range.
collet_status collet_profile_check(const collet_profile *p, const collet_registry *registry,
                                   struct collet_text *problems, collet_error *err);

// Scalars by dotted key, e.g. "engine.threads". Every key of the schema has a value (its default at least).
// Asking for a key that the schema lacks is a defect (INTERNAL log, zero value).
const char *collet_profile_text(const collet_profile *p, const char *key); // "" when empty
int64_t collet_profile_int(const collet_profile *p, const char *key);      // "auto" is 0
double collet_profile_float(const collet_profile *p, const char *key);
bool collet_profile_bool(const collet_profile *p, const char *key);

// What a rule asks before it applies; what is not stated matches all.
typedef struct collet_rule_query {
    const char *op;     // "matmul"; ops and attention rules may name it with `op:`
    const char *format; // weight format: "q4_k"; NULL when there is none
    const char *tensor; // weight name; NULL
    uint32_t phase;     // one COLLET_PHASE_* bit (op.h); 0: any
    int32_t layer;      // -1: outside the layers: matches rules without `layers` only
    uint32_t tokens;    // rows of the largest step of this bucket
} collet_rule_query;

// One rule of one slot: `{ format: q4_k, phase: decode, layers: 0-3, use: [acme.matmul, any] }`.
typedef struct collet_rule {
    const char *const *use; // module ids in order, "any" among them; NULL-terminated
    bool fallback_error;    // fallback: error
    const char *file;       // where it stands, for messages; "(built in)", "--set", "COLLET_..."
    int line, column;
    collet_origin origin;
} collet_rule;

// The first rule of `slot` ("matmul", "attention", "ops", "kvcache", "quant", "device", ...) that matches; never NULL:
// where no other does, the built-in `use: any` matches.
const collet_rule *collet_profile_rule(const collet_profile *p, const char *slot, const collet_rule_query *query);

// One line of `isq`: the format that matching weights get while they are loaded. A rule with several ranges or patterns
// is several lines here, one for each pair. What `use` may name is the business of core/model/recipe.h.
typedef struct collet_isq_rule {
    int32_t layer_begin, layer_end; // [begin, end); -1, -1: any
    const char *tensor;             // pattern on the weight's name; NULL: any
    const char *use;                // "q4_k_m"
    const char *where;              // "laptop.yaml:4:8", "--set", "COLLET_ISQ"
} collet_isq_rule;

// The lines of `isq`, strongest first. Lent until the profile is destroyed.
const collet_isq_rule *collet_profile_isq(const collet_profile *p, size_t *n);

// Option values for opening a module: defaults of its table, overridden by what the profile says for it.
// values has room for module->n_options. Strings are lent until the profile is destroyed.
collet_status collet_profile_values(const collet_profile *p, const collet_module_info *module, collet_value *values,
                                    collet_error *err);

// Lists for collet_registry_opts. Lent until the profile is destroyed.
const char *const *collet_profile_search(const collet_profile *p, size_t *n);
const collet_plugin_pin *collet_profile_pins(const collet_profile *p, size_t *n);

// What was seen and is not honoured, one sentence each, for a warning: variables of the seed that this version cannot
// serve. Lent until the profile is destroyed.
const char *const *collet_profile_notes(const collet_profile *p, size_t *n);

// `profile show`: the resolved profile as YAML; with_origin adds "# flag|env COLLET_X|file:line|default" to each line.
void collet_profile_print(const collet_profile *p, FILE *out, bool with_origin);
// The same as a JSON text. Ownership: gives, free() it; NULL when memory ran out.
char *collet_profile_json(const collet_profile *p);

#endif
