// SPDX-License-Identifier: Apache-2.0
// core/plugin/yaml_tree.h - a YAML text as a tree that knows where everything stands. Nothing else includes <yaml.h>.
//
// A subset that cannot surprise: one document, scalar keys, no tags, no merge keys; size, depth, nodes and aliases are
// bounded. An alias is the anchored node itself, so walking a tree must stay bounded by the reader's schema.
#ifndef COLLET_CORE_PLUGIN_YAML_TREE_H
#define COLLET_CORE_PLUGIN_YAML_TREE_H

#include "core/base/arena.h"
#include "core/plugin/problems.h"

#define COLLET_YAML_BYTES_MAX (1u << 20)

typedef enum collet_yaml_kind { COLLET_YAML_SCALAR, COLLET_YAML_LIST, COLLET_YAML_MAP } collet_yaml_kind;

typedef struct collet_yaml_node collet_yaml_node;

typedef struct collet_yaml_entry {
    const collet_yaml_node *key; // MAP: a scalar; LIST: NULL
    const collet_yaml_node *value;
    struct collet_yaml_entry *next;
} collet_yaml_entry;

struct collet_yaml_node {
    collet_yaml_kind kind;
    collet_mark mark;
    const char *text;         // SCALAR
    bool plain;               // SCALAR: written without quotes
    collet_yaml_entry *first; // LIST, MAP: entries in order
    size_t n_entries;
};

// What to parse. `name` stands in front of messages and must outlive the nodes; without `is_file` (a flag, a variable)
// marks have no line.
typedef struct collet_yaml_input {
    const char *name, *text;
    size_t n_bytes;
    bool is_file;
} collet_yaml_input;

// Adds what is wrong to `problems`; *root is NULL for an empty text, and untouched on failure. Duplicate keys are
// problems, but no failure: the first stays. ${...} is one word wherever it stands, so that it needs no quotes inside
// { } and [ ], where YAML would take its braces and commas for its own.
// Ownership: nodes and their texts live in `arena`.  Errors: INVALID, NOMEM.
collet_status collet_yaml_parse(const collet_yaml_node **root, collet_arena *arena, const collet_yaml_input *input,
                                collet_problems *problems);

// "a list" for messages.
const char *collet_yaml_kind_name(const collet_yaml_node *node);

#endif
