// SPDX-License-Identifier: Apache-2.0
// core/model/model.h - a model file opened: hyperparameters checked, weights found, forward() known.
//
// Immutable once opened, but for the packed forms of its weights, which plans add (plan.h).
#ifndef COLLET_CORE_MODEL_MODEL_H
#define COLLET_CORE_MODEL_MODEL_H

#include "core/model/gguf.h"
#include "core/model/step.h"
#include "core/plugin/runtime.h"

// What every decoder has; taken from the file's keys, checked against its tensors.
typedef struct collet_hparams {
    uint32_t n_layers, dim, n_heads, n_kv_heads, head_dim, ffn_dim, n_vocab;
    uint32_t context_train; // tokens the model was trained for
    uint32_t n_rot;         // rotated elements of a head
    float rms_eps;
    uint32_t window; // sliding window in tokens; 0: none
} collet_hparams;

typedef struct collet_model collet_model;

// One architecture family: names, traits and forward() of its members (arch/arch_list.inc).
typedef struct collet_arch {
    const char *name; // general.architecture
    // Reads keys, finds and checks tensors; *state is the family's own.  Errors: FORMAT, NOMEM
    collet_status (*open)(collet_model *m, const struct collet_arch *arch, void **state, collet_error *err);
    void (*close)(void *state);
    void (*forward)(collet_step *s, const collet_model *m, const void *state);
    const void *traits; // the family's own
} collet_arch;

// Errors: NOT_FOUND, IO, FORMAT (with the file's name in front), NOMEM.
// Ownership: gives; close frees, accepts NULL; borrows rt until then.
collet_status collet_model_open(collet_model **out, collet_runtime *rt, const char *path, collet_error *err);
void collet_model_close(collet_model *m);

const char *collet_model_path(const collet_model *m);
const collet_gguf *collet_model_gguf(const collet_model *m);
const collet_hparams *collet_model_hparams(const collet_model *m);
const collet_arch *collet_model_arch(const collet_model *m);
collet_runtime *collet_model_runtime(const collet_model *m);
void collet_model_forward(const collet_model *m, collet_step *s);

// Bytes of all tensors in the file.
uint64_t collet_model_weight_bytes(const collet_model *m);

// Weights as plans of this model hold them, those alike together.
typedef struct collet_weight_memory {
    const char *format; // "q4_k"
    const char *layout; // "q4_k.r8"; NULL: the file's order
    const char *how;    // "packed"; "mapped": read from the file; "quantized" while loading; "copied"
    uint32_t n_tensors;
    uint64_t n_bytes;
} collet_weight_memory;
size_t collet_model_memory(const collet_model *m, collet_weight_memory *rows, size_t n_rows_max);

// Takes back the forms and buffers that an estimate made without memory: plan_memory.c.
void collet_model_forget_estimate(collet_model *m);

// The first tensor that holds NaN or infinity, or NULL: for the message when logits are not finite. Slow.
const char *collet_model_find_nonfinite(const collet_model *m);

// ---- for architectures ----
collet_hparams *collet_model_hparams_mut(collet_model *m);

// Finds a tensor with the given shape, outermost first; n_out 0: one dimension. Optional ones give NULL with OK.
// Errors: FORMAT: "<path>: tensor 'blk.0.attn_q.weight' has shape (32, 32), wanted (64, 32)".
typedef struct collet_weight_want {
    const char *name;
    uint64_t n_out, n_in; // 0, n: a vector
    bool optional;
} collet_weight_want;
collet_status collet_model_weight(collet_model *m, const collet_weight_want *want, collet_weight **out,
                                  collet_error *err);

// Required number of the architecture: key "<arch>.<name>", at least 1 and at most `max`.
collet_status collet_model_u32(collet_model *m, const char *name, uint32_t max, uint32_t *out, collet_error *err);
// Optional number: *out keeps its value when the key is missing.
collet_status collet_model_u32_or(collet_model *m, const char *name, uint32_t max, uint32_t *out, collet_error *err);
collet_status collet_model_f32_or(collet_model *m, const char *name, float *out, collet_error *err);

// A small f32 constant (RoPE frequencies) made by the architecture; lent until close.
// Ownership: takes a copy of data.
collet_status collet_model_constant(collet_model *m, const float *data, uint32_t n, const collet_tensor **out,
                                    collet_error *err);

#endif
