// SPDX-License-Identifier: Apache-2.0
// core/model/recipe.h - which format each tensor of a GGUF gets: one type, a recipe, rules and a topology over them.
//
// Names, upper and lower case alike (recipe.inc lists them all):
//     q4_k      a type: every matrix, and q6_k for the output matrix (q8_0 where the type is that wide)
//     q4_k_m    a recipe: what llama-quantize makes under the same name, tensor by tensor
//     4, Q4K    of mistral.rs: one type, with embedding and output matrix wider; Q4K_M is Q4K there and here
//     none      keep what the file has
// Strongest first: kept tensors (one dimension, norms, routers), output_type and embedding_type, the topology, the
// first rule that matches, `type`. A rule or a topology line that names a type is obeyed to the letter; a recipe in a
// rule decides as that recipe would. A rule with neither layers nor tensor is a `type`.
//
// Rows that do not divide into a format's blocks fall back as llama-quantize does: q4_k to q5_0, q5_k to q5_1, q6_k to
// q8_0, q2_k q3_k to q4_0, iq4_xs to iq4_nl; to f16 where that does not divide either.
//
// Source:  src/llama-quant.cpp of llama.cpp (2026-09) for recipes and what is kept, but for its exceptions for Falcon
//          and GLM5; mistral.rs 0.9 for its names and its wider tensors.
#ifndef COLLET_CORE_MODEL_RECIPE_H
#define COLLET_CORE_MODEL_RECIPE_H

#include "core/model/gguf.h"

typedef struct collet_recipe collet_recipe;

// One refinement: `{ layers: 0-3, tensor: "*ffn_down*", use: q6_k }`.
typedef struct collet_recipe_rule {
    int32_t layer_begin, layer_end; // [begin, end); -1, -1: any tensor, inside the layers or not
    const char *tensor;             // pattern of collet_glob() on the name in the GGUF; NULL: any
    const char *use;                // a name as above
    const char *where;              // "laptop.yaml:4:8", for messages
} collet_recipe_rule;

typedef struct collet_recipe_opts {
    const char *type;       // a name as above; NULL: none
    const char *type_where; // "laptop.yaml:3:6" or "--isq", for messages; NULL: none
    const collet_recipe_rule *rules;
    uint32_t n_rules;
    const char *topology_path; // NULL: none
    bool has_imatrix;          // recipes ask
    bool pure;                 // the type alone for everything that is quantized, output matrix and embedding too
    const char *output_type, *embedding_type; // for output.weight and token_embd.weight; NULL: as the rest says
} collet_recipe_opts;

typedef struct collet_recipe_choice {
    const char *format;  // "q4_k"; the file's own when kept
    bool quantize;       // the format differs from the file's
    const char *because; // "recipe q4_k_m", "kept: one dimension", "rows of 576 do not divide into blocks of 256: ..."
    bool is_fallback;
} collet_recipe_choice;

// Decides for every tensor of g. Rules that match no tensor that could be quantized are errors: a typo, most likely.
//
// Ownership: gives *out, destroy() frees and accepts NULL; borrows g until then, opts for the call only
// Errors:    INVALID  an unknown name (with the nearest), a rule or topology selector that matches nothing
//            NOT_FOUND, IO  the topology cannot be read      NOMEM
collet_status collet_recipe_create(collet_recipe **out, const collet_gguf *g, const collet_recipe_opts *opts,
                                   collet_error *err);
void collet_recipe_destroy(collet_recipe *r);

const collet_recipe_choice *collet_recipe_at(const collet_recipe *r, uint64_t tensor_index); // < n_tensors of g
uint32_t collet_recipe_n_quantized(const collet_recipe *r);                                  // tensors with `quantize`
uint32_t collet_recipe_n_fallbacks(const collet_recipe *r);
uint32_t collet_recipe_ftype(const collet_recipe *r); // for general.file_type; the file's own without a type

// Is this a name that create() knows?  Errors: INVALID, with the nearest name.
collet_status collet_recipe_check_name(const char *name, collet_error *err);

// The i-th name, for help texts; NULL after the last.
const char *collet_recipe_name_at(size_t i);

#endif
