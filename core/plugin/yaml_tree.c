// SPDX-License-Identifier: Apache-2.0
// core/plugin/yaml_tree.c - libyaml events, one after the other, into nodes.
#include "core/plugin/yaml_tree.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define DEPTH_MAX 32
#define NODES_MAX 10000 // bounds the search for duplicate keys too
#define ANCHORS_MAX 64
#define ALIASES_MAX 256

// Inside ${...} each ASCII byte b becomes U+10FE00 + b, a private character that YAML takes for a letter, and back when
// its scalar is read: one character for one, so that columns stay true.
#define SHIELD_BYTES 4
static const unsigned char shield_lead[2] = { 0xf4, 0x8f };

static char *shield(const char *text, size_t n_bytes, size_t *n_out)
{
    char *out = malloc(SHIELD_BYTES * n_bytes + 1);
    size_t n = 0, end = 0; // bytes before `end` are inside ${...}
    for (size_t i = 0; out && i < n_bytes; i++) {
        unsigned char b = (unsigned char)text[i];
        if (i >= end && b == '$' && i + 1 < n_bytes && text[i + 1] == '{') {
            size_t k = i;
            while (k < n_bytes && text[k] != '}' && text[k] != '\n')
                k++;
            end = k < n_bytes && text[k] == '}' ? k + 1 : i;
        }
        if (i < end && b < 0x80 && b >= 0x20) {
            out[n++] = (char)shield_lead[0];
            out[n++] = (char)shield_lead[1];
            out[n++] = (char)(0xb8 | b >> 6);
            out[n++] = (char)(0x80 | (b & 0x3f));
        } else {
            out[n++] = (char)b;
        }
    }
    *n_out = n;
    return out;
}

// In place.
static void unshield(char *text)
{
    char *out = text;
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        if (c[0] == shield_lead[0] && c[1] == shield_lead[1] && (c[2] & 0xfe) == 0xb8) {
            *out++ = (char)((c[2] & 1) << 6 | (c[3] & 0x3f));
            c += SHIELD_BYTES;
        } else {
            *out++ = (char)*c++;
        }
    }
    *out = '\0';
}

typedef struct reader {
    yaml_parser_t parser;
    yaml_event_t event; // the current one
    bool has_event;
    const collet_yaml_input *input;
    collet_arena *arena;
    collet_problems *problems;
    size_t n_nodes, n_anchors, n_aliases;
    struct {
        const char *name;
        const collet_yaml_node *node;
    } anchors[ANCHORS_MAX];
} reader;

static collet_mark mark_of(const reader *r, yaml_mark_t at)
{
    if (!r->input->is_file)
        return (collet_mark){ .file = r->input->name };
    return (collet_mark){ .file = r->input->name, .line = (int)at.line + 1, .column = (int)at.column + 1 };
}

static collet_status refuse(reader *r, const char *why)
{
    collet_mark mark = mark_of(r, r->event.start_mark);
    collet_problem(r->problems, COLLET_E_INVALID, &mark, "%s", why);
    return COLLET_E_INVALID;
}

static collet_status out_of_memory(reader *r)
{
    collet_mark mark = { .file = r->input->name };
    collet_problem(r->problems, COLLET_E_NOMEM, &mark, "no memory for the YAML tree");
    return COLLET_E_NOMEM;
}

static void drop_event(reader *r)
{
    if (r->has_event)
        yaml_event_delete(&r->event);
    r->has_event = false;
}

static collet_status next(reader *r)
{
    drop_event(r);
    if (yaml_parser_parse(&r->parser, &r->event)) {
        r->has_event = true;
        return COLLET_OK;
    }
    if (r->parser.error == YAML_MEMORY_ERROR)
        return out_of_memory(r);
    collet_mark mark = mark_of(r, r->parser.problem_mark);
    const char *problem = r->parser.problem ? r->parser.problem : "cannot be read";
    collet_problem(r->problems, COLLET_E_INVALID, &mark, "not YAML: %s%s%s", problem, r->parser.context ? ", " : "",
                   r->parser.context ? r->parser.context : "");
    return COLLET_E_INVALID;
}

static collet_status parse_node(const collet_yaml_node **out, reader *r, uint32_t depth);

static collet_status remember_anchor(reader *r, const yaml_char_t *anchor, const collet_yaml_node *node)
{
    if (!anchor)
        return COLLET_OK;
    if (r->n_anchors == ANCHORS_MAX)
        return refuse(r, "more than 64 anchors");
    const char *name = collet_arena_text(r->arena, (const char *)anchor, strlen((const char *)anchor));
    if (!name)
        return out_of_memory(r);
    r->anchors[r->n_anchors].name = name;
    r->anchors[r->n_anchors++].node = node;
    return COLLET_OK;
}

static collet_status parse_alias(const collet_yaml_node **out, reader *r)
{
    if (++r->n_aliases > ALIASES_MAX)
        return refuse(r, "more than 256 aliases");
    for (size_t i = r->n_anchors; i-- > 0;) // the latest anchor of a name counts
        if (strcmp(r->anchors[i].name, (const char *)r->event.data.alias.anchor) == 0) {
            *out = r->anchors[i].node;
            return COLLET_OK;
        }
    return refuse(r, "this alias has no anchor before it");
}

static collet_status parse_scalar(collet_yaml_node *node, reader *r)
{
    const char *value = (const char *)r->event.data.scalar.value;
    size_t n = r->event.data.scalar.length;
    if (memchr(value, '\0', n))
        return refuse(r, "a NUL byte inside a text");
    if (r->event.data.scalar.tag)
        return refuse(r, "tags are not read: every key has one type already");
    char *text = collet_arena_text(r->arena, value, n);
    if (!text)
        return out_of_memory(r);
    unshield(text);
    node->text = text;
    node->plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return remember_anchor(r, r->event.data.scalar.anchor, node);
}

static bool has_key(const collet_yaml_node *map, const char *key)
{
    for (const collet_yaml_entry *e = map->first; e; e = e->next)
        if (strcmp(e->key->text, key) == 0)
            return true;
    return false;
}

static collet_status parse_entry(const collet_yaml_node **key, const collet_yaml_node **value,
                                 const collet_yaml_node *parent, reader *r, uint32_t depth)
{
    if (parent->kind == COLLET_YAML_LIST)
        return parse_node(value, r, depth + 1);
    collet_status st = parse_node(key, r, depth + 1);
    if (st != COLLET_OK)
        return st;
    if ((*key)->kind != COLLET_YAML_SCALAR)
        return refuse(r, "a key must be a plain name");
    st = next(r);
    return st == COLLET_OK ? parse_node(value, r, depth + 1) : st;
}

static collet_status parse_entries(collet_yaml_node *node, reader *r, yaml_event_type_t end, uint32_t depth)
{
    collet_yaml_entry **last = &node->first;
    collet_status st = next(r);
    while (st == COLLET_OK && r->event.type != end) {
        const collet_yaml_node *key = NULL, *value = NULL;
        st = parse_entry(&key, &value, node, r, depth);
        if (st == COLLET_OK && key && has_key(node, key->text)) {
            collet_problem(r->problems, COLLET_E_INVALID, &key->mark, "the key '%s' is here twice", key->text);
        } else if (st == COLLET_OK) {
            collet_yaml_entry *entry = collet_arena_alloc(r->arena, sizeof *entry);
            if (!entry)
                return out_of_memory(r);
            *entry = (collet_yaml_entry){ .key = key, .value = value };
            *last = entry;
            last = &entry->next;
            node->n_entries++;
        }
        if (st == COLLET_OK)
            st = next(r);
    }
    return st;
}

// Reads the node that the current event begins; its last event stays the current one.
static collet_status parse_node(const collet_yaml_node **out, reader *r, uint32_t depth)
{
    if (r->event.type == YAML_ALIAS_EVENT)
        return parse_alias(out, r);
    if (depth > DEPTH_MAX)
        return refuse(r, "nested deeper than 32");
    if (++r->n_nodes > NODES_MAX)
        return refuse(r, "more than 10000 values");
    collet_yaml_node *node = collet_arena_alloc(r->arena, sizeof *node);
    if (!node)
        return out_of_memory(r);
    node->mark = mark_of(r, r->event.start_mark);
    *out = node;
    if (r->event.type == YAML_SCALAR_EVENT) {
        node->kind = COLLET_YAML_SCALAR;
        return parse_scalar(node, r);
    }
    bool is_map = r->event.type == YAML_MAPPING_START_EVENT;
    node->kind = is_map ? COLLET_YAML_MAP : COLLET_YAML_LIST;
    if (is_map ? r->event.data.mapping_start.tag : r->event.data.sequence_start.tag)
        return refuse(r, "tags are not read: every key has one type already");
    char *anchor = NULL; // known only once the node is finished: an alias inside its own anchor would be a cycle
    const yaml_char_t *name = is_map ? r->event.data.mapping_start.anchor : r->event.data.sequence_start.anchor;
    if (name && !(anchor = collet_arena_text(r->arena, (const char *)name, strlen((const char *)name))))
        return out_of_memory(r);
    collet_status st = parse_entries(node, r, is_map ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT, depth);
    return st == COLLET_OK ? remember_anchor(r, (const yaml_char_t *)anchor, node) : st;
}

static collet_status parse_document(const collet_yaml_node **root, reader *r)
{
    collet_status st = next(r); // the stream's start
    if (st == COLLET_OK)
        st = next(r);
    if (st != COLLET_OK || r->event.type == YAML_STREAM_END_EVENT)
        return st;
    st = next(r); // past the document's start
    if (st == COLLET_OK)
        st = parse_node(root, r, 0);
    if (st == COLLET_OK)
        st = next(r); // the document's end
    if (st == COLLET_OK)
        st = next(r);
    if (st == COLLET_OK && r->event.type != YAML_STREAM_END_EVENT)
        st = refuse(r, "a second document: one file, one profile");
    return st;
}

collet_status collet_yaml_parse(const collet_yaml_node **root, collet_arena *arena, const collet_yaml_input *input,
                                collet_problems *problems)
{
    reader r = { .input = input, .arena = arena, .problems = problems };
    size_t n_shielded = 0;
    char *shielded = shield(input->text, input->n_bytes, &n_shielded);
    if (!shielded || !yaml_parser_initialize(&r.parser)) {
        free(shielded);
        return out_of_memory(&r);
    }
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)shielded, n_shielded);
    const collet_yaml_node *tree = NULL;
    collet_status st = parse_document(&tree, &r);
    drop_event(&r);
    yaml_parser_delete(&r.parser);
    free(shielded);
    if (st == COLLET_OK)
        *root = tree;
    return st;
}

const char *collet_yaml_kind_name(const collet_yaml_node *node)
{
    static const char *const names[] = { "a single value", "a list", "a mapping" };
    if (node->kind == COLLET_YAML_SCALAR && node->text[0] == '\0' && node->plain)
        return "nothing";
    return names[node->kind];
}
