// SPDX-License-Identifier: Apache-2.0
// core/model/step.h - what forward() is written in: one call per op, shapes known, modules chosen behind it.
//
// forward() is ordinary C that runs once per phase when a plan is made. Each call below appends one op to the phase's
// tape after choosing the module that will run it (select.h); a composite appends the fused op when a module has it and
// its decomposition otherwise. A step then runs the tape (plan.h): no choice, no branch, no allocation is left in it.
// See docs/decisions/0005.
//
// Errors stick: after the first failure calls do nothing and collet_step_status() tells, so forward() reads like the
// paper and is checked once at its end.
#ifndef COLLET_CORE_MODEL_STEP_H
#define COLLET_CORE_MODEL_STEP_H

#include "collet/plugin/attention.h"
#include "collet/plugin/ops.h"
#include "core/model/weight.h"

typedef struct collet_step collet_step;

// An activation: f32, rows first. Rows are the step's tokens (T) or the tokens that want logits (R).
typedef enum collet_rows { COLLET_ROWS_TOKENS = 1, COLLET_ROWS_LOGITS = 2 } collet_rows;
typedef struct collet_act {
    uint32_t id;
    collet_rows rows;
    uint32_t n_heads, dim; // (rows, n_heads, dim); n_heads 1 means (rows, dim)
} collet_act;

// The step's integer inputs, written by the engine before each step (plan.h).
typedef enum collet_input {
    COLLET_INPUT_TOKENS,      // (T) token ids
    COLLET_INPUT_POSITIONS,   // (T) position of each token in its sequence
    COLLET_INPUT_SLOTS,       // (T) where its K and V go
    COLLET_INPUT_ROWS,        // (R) which tokens want logits
    COLLET_INPUT_Q_START,     // (S + 1)
    COLLET_INPUT_KV_LEN,      // (S)
    COLLET_INPUT_BLOCK_TABLE, // (S, n_blocks_max)
    COLLET_N_INPUTS
} collet_input;

typedef struct collet_glu_weights {
    collet_weight *gate, *up; // (n_out, n_in) each
    bool gelu;
} collet_glu_weights;

// A new activation; the same name in another phase is the same memory. Names are literals.
collet_act collet_step_act(collet_step *s, const char *name, collet_rows rows, uint32_t n_heads, uint32_t dim);

// Says which layer the calls that follow belong to; -1: none.
void collet_step_layer(collet_step *s, int32_t layer);

// y (T, dim) = rows of table * scale
void collet_embed(collet_step *s, collet_act y, collet_weight *table, float scale);
// y = norm(x) * w over the last dimension: per row, or per head of (T, n_heads, dim)
void collet_rmsnorm(collet_step *s, collet_act y, collet_act x, collet_weight *w, float eps);
// x += d; h = norm(x) * w
void collet_add_rmsnorm(collet_step *s, collet_act h, collet_act x, collet_act d, collet_weight *w, float eps);
// x += d
void collet_add(collet_step *s, collet_act x, collet_act d);
// y = x W^T
void collet_matmul(collet_step *s, collet_act y, collet_act x, collet_weight *w);
// y[k] = x W[k]^T for n weights, 2 <= n <= COLLET_MATMUL_GROUP_MAX
void collet_matmul_group(collet_step *s, uint32_t n, const collet_act *y, collet_act x, collet_weight *const *w);
// y = act(x Wgate^T) * (x Wup^T), act being silu or gelu; u is what y is multiplied by when nobody runs it in one
void collet_matmul_glu(collet_step *s, collet_act y, collet_act u, collet_act x, const collet_glu_weights *w);
// x (T, n_heads, head_dim) rotated in place; freq (n_rot / 2)
void collet_rope(collet_step *s, collet_act x, const collet_tensor *freq, uint32_t pairs, uint32_t n_rot, float mscale);
// k and v (T, n_kv_heads, head_dim) into the cache of the current layer
void collet_kv_append(collet_step *s, collet_act k, collet_act v, const collet_attention_params *params);
// o (T, n_heads, head_dim) = softmax(q K^T) V over the cache of the current layer
void collet_attention(collet_step *s, collet_act o, collet_act q, const collet_attention_params *params);
// a = act(a) * b, act being silu or gelu
void collet_glu(collet_step *s, collet_act a, collet_act b, bool gelu);
// r (R, dim) = rows of x (T, dim) that want logits
void collet_take_rows(collet_step *s, collet_act r, collet_act x);
// x = cap * tanh(x / cap)
void collet_softcap(collet_step *s, collet_act x, float cap);
// Marks the activation that holds the step's result, (R, n_vocab).
void collet_step_logits(collet_step *s, collet_act logits);

#endif
