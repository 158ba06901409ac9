// SPDX-License-Identifier: Apache-2.0
// core/model/plan.h - the table (op, layer, phase) -> module, the memory it runs in, and running a step of it.
//
//     select (pure: explain stops here) -> bind (pack weights, create and prepare every op) -> { fill batch -> run }*
//
// A plan has one tape per phase, recorded by running forward() once (step.h). A step runs the tape of its phase: decode
// when every sequence has one token, prefill otherwise. On devices that can record, decode steps of a shape seen before
// are captured once and replayed.
#ifndef COLLET_CORE_MODEL_PLAN_H
#define COLLET_CORE_MODEL_PLAN_H

#include "collet/plugin/kvcache.h"
#include "collet/plugin/matmul.h"
#include "core/model/model.h"
#include "core/plugin/select.h"

typedef struct collet_plan collet_plan;

typedef struct collet_plan_opts {
    uint32_t context;     // tokens a sequence may grow to
    uint32_t n_seqs_max;  // sequences in one step
    uint32_t step_tokens; // tokens in one step, at least n_seqs_max
    uint32_t rows_max;    // rows of logits in one step
} collet_plan_opts;

// Chooses a module for every op of every phase. No weight is read, no device memory taken.
// Errors: UNSUPPORTED (an op that nobody runs), NOT_FOUND, INVALID (profile), NOMEM
// Ownership: gives; destroy frees, accepts NULL; borrows the model until then.  Threads: [load]
collet_status collet_plan_select(collet_plan **out, collet_model *m, const collet_plan_opts *opts, collet_error *err);
void collet_plan_destroy(collet_plan *p);

// Packs weights (in parallel), makes the KV stores, creates and prepares every op.
// Errors: NOMEM, DEVICE, UNSUPPORTED; CANCELLED (collet_runtime_opts), within a band of rows.  Threads: [load]
collet_status collet_plan_bind(collet_plan *p, collet_error *err);

// The step's inputs, in host memory of the plan; write them, set the counts, then run. Meanings: attention.h, ops.h.
typedef struct collet_batch {
    uint32_t n_tokens, n_seqs, n_rows;
    uint32_t n_blocks_max;       // width of block_table
    int32_t *tokens, *positions; // (n_tokens)
    int32_t *slots;              // (n_tokens)
    int32_t *rows;               // (n_rows); no logits are computed when n_rows is 0
    int32_t *q_start;            // (n_seqs + 1)
    int32_t *kv_len;             // (n_seqs)
    int32_t *block_table;        // (n_seqs, n_blocks_max); -1 past the end
} collet_batch;
collet_batch *collet_plan_batch(collet_plan *p);

// Runs one step and waits for it. Steady state: no allocation.  Errors: DEVICE, INTERNAL.  Threads: [one-caller]
collet_status collet_plan_run(collet_plan *p, collet_error *err);

// (n_rows, n_vocab) of the last step, in host memory; lent until the next run.
const float *collet_plan_logits(const collet_plan *p);

const collet_kv_geometry *collet_plan_kv(const collet_plan *p);
const collet_plan_opts *collet_plan_limits(const collet_plan *p);
collet_model *collet_plan_model(const collet_plan *p);

// ---- what was chosen ----
typedef struct collet_plan_row {
    uint32_t phase; // COLLET_PHASE_*
    int32_t layer;
    const char *slot, *op;
    const char *tensor,
        *format;        // of the first weight; "" when the op has none; format "mixed": those of several differ
    uint32_t n_weights; // of a fused matmul several
    struct {
        const char *tensor, *format;
    } weights[COLLET_MATMUL_GROUP_MAX];
    const collet_choice *choice;
} collet_plan_row;
size_t collet_plan_n_rows(const collet_plan *p);
void collet_plan_row_at(const collet_plan *p, size_t i, collet_plan_row *row);

// ---- memory ----
typedef struct collet_plan_memory_row {
    const char *tag; // "kv cache", "workspace", "activations", ...
    uint64_t n_bytes;
} collet_plan_memory_row;

// What bind would allocate, without allocating it and without reading a weight: every buffer of the plan but those of
// weights, which collet_model_memory() then tells. Ops are created and prepared on address space that reads as zeros;
// what their modules allocate meanwhile is in collet_runtime_memory(). *loading_bytes is what making the weights needs
// beside them for a while. The plan can then be asked and destroyed, not run.
//
// Ownership: *rows is lent until the plan is destroyed
// Errors:    those of bind.  Threads: [load]
collet_status collet_plan_estimate(collet_plan *p, const collet_plan_memory_row **rows, size_t *n_rows,
                                   uint64_t *loading_bytes, collet_error *err);

// ---- what each op costs ----
// Counted while collet_plan_time_ops() is on, which costs two readings of the clock for each op: a step then runs op by
// op, without recordings.
typedef struct collet_op_cost {
    uint64_t n_runs;
    double seconds;
    uint64_t n_bytes; // weights as the op reads them, activations in and out, caches as far as attention sees them
    uint64_t n_ops;   // of matrix products and attention, a multiply-add counting two; 0 for other ops
} collet_op_cost;
void collet_plan_time_ops(collet_plan *p, bool on);                        // on: from zero
const collet_op_cost *collet_plan_cost_at(const collet_plan *p, size_t i); // of collet_plan_row_at(i)

const collet_choice *collet_plan_device_choice(const collet_plan *p);
const collet_choice *collet_plan_kv_choice(const collet_plan *p);
uint64_t collet_plan_hash(const collet_plan *p); // equal plans, equal hash: what makes measurements comparable
uint32_t collet_plan_n_fallbacks(const collet_plan *p);

// Bytes of weights that one decode step reads: rows of logits included, the embedding's few rows not.
uint64_t collet_plan_decode_bytes(const collet_plan *p);

// Steps that replayed a recording, and recordings made: for reports and tests.
void collet_plan_replays(const collet_plan *p, uint64_t *n_replays, uint64_t *n_captures);

#endif
