// SPDX-License-Identifier: Apache-2.0
// core/model/recipe_internal.h - what the files of recipe.h share: names, what a file holds, deciding. Nobody else
// includes it.
#ifndef COLLET_CORE_MODEL_RECIPE_INTERNAL_H
#define COLLET_CORE_MODEL_RECIPE_INTERNAL_H

#include "core/base/arena.h"
#include "core/model/recipe.h"

// ---- recipe_names.c ----
typedef enum entry_kind { KIND_NONE, KIND_TYPE, KIND_RECIPE, KIND_MISTRAL, KIND_OTHER } entry_kind;

typedef struct entry {
    const char *name;
    entry_kind kind;
    const char *format; // OTHER: what to take instead
    const char *wide;   // TYPE, MISTRAL
    uint32_t ftype;
} entry;

// The name's line, upper and lower case alike.  Errors: INVALID, with `where` (may be NULL) in front
collet_status collet_recipe_find(const entry **out, const char *name, const char *where, collet_error *err);

// ---- recipe_look.c ----
typedef enum tensors { ANY, EMBED, OUTPUT, ATTN_Q, ATTN_K, ATTN_V, ATTN_OUT, FFN_UP, FFN_GATE, FFN_DOWN, REST } tensors;

typedef struct about {
    tensors kind;
    int32_t layer;  // -1: outside the layers
    uint32_t index; // attn_v: its rank among its kind; others: the layer
    bool kept;
    const char *why_kept;
} about;

struct collet_recipe {
    const collet_gguf *g;
    collet_arena arena;
    collet_recipe_choice *choices;
    about *about;
    uint32_t n_quantized, n_fallbacks, ftype;
    uint32_t n_layers, n_attn_v, gqa, n_experts;
    bool tied, is_70b;
};

// Fills in `about` and the counts beside it.
void collet_recipe_look(collet_recipe *r);

#endif
