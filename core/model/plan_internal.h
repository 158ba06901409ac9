// SPDX-License-Identifier: Apache-2.0
// core/model/plan_internal.h - what step.c (recording) and the files of the plan share; nobody else includes it.
#ifndef COLLET_CORE_MODEL_PLAN_INTERNAL_H
#define COLLET_CORE_MODEL_PLAN_INTERNAL_H

#include "collet/plugin/matmul.h"
#include "core/model/plan.h"

#define CALL_IN_MAX 6
#define CALL_OUT_MAX 4
#define ACTS_MAX 32
#define CONSTANTS_MAX 8
#define GRAPHS_MAX 16

enum { TAPE_PREFILL, TAPE_DECODE, N_TAPES };

// What drives an operand's first dimension from step to step.
typedef enum count_kind { COUNT_FIXED, COUNT_TOKENS, COUNT_ROWS, COUNT_SEQS, COUNT_SEQS_1, N_COUNTS } count_kind;

typedef enum operand_kind {
    OPERAND_ACT,      // id: index in plan->acts
    OPERAND_INPUT,    // id: collet_input
    OPERAND_WEIGHT,   // weight
    OPERAND_CONSTANT, // id: index in plan->constants
    OPERAND_KEYS,     // the current layer's stores
    OPERAND_VALUES
} operand_kind;

typedef struct operand {
    operand_kind kind;
    count_kind count;
    uint32_t id;
    collet_weight *weight;
} operand;

typedef union call_params {
    collet_matmul_params matmul;
    collet_matmul_fused_params matmul_fused;
    collet_attention_params attention;
    collet_embed_params embed;
    collet_norm_params norm;
    collet_rope_params rope;
    collet_softcap_params softcap;
} call_params;

// One op of a tape: operands, who runs it, and the frame that is handed over each step.
typedef struct call {
    const char *slot, *op;
    const char *tensor, *format; // of the weight, the first of several; "" without, "mixed" when formats differ
    const char *tensors[COLLET_MATMUL_GROUP_MAX]; // of a fused matmul
    uint32_t op_id;
    int32_t layer;
    bool of_rows; // works on rows that want logits: skipped when a step has none
    operand in_from[CALL_IN_MAX], out_from[CALL_OUT_MAX];
    collet_tensor in_tensor[CALL_IN_MAX], out_tensor[CALL_OUT_MAX];
    const collet_tensor *in[CALL_IN_MAX], *out[CALL_OUT_MAX];
    uint32_t n_in, n_out;
    call_params params;
    bool has_params;
    collet_choice choice;
    uint32_t packed_by_others; // bit i: in[i] is a weight in the layout that another call packs
    const collet_op_vt *vt;
    void *inst;
    uint64_t plan_at, plan_bytes;
    collet_frame frame;
    collet_op_cost cost;
} call;

typedef struct tape {
    uint32_t phase; // COLLET_PHASE_*
    call **calls;
    size_t n_calls, capacity;
    uint64_t plan_bytes; // of all calls
    uint8_t *plan_host;  // written by plan()
    void *plan_device;   // its twin
    collet_buffer *plan_buffer;
    uint32_t counts[N_COUNTS]; // the shapes that the tensors have now
    bool capturable;
} tape;

typedef struct act {
    const char *name;
    collet_rows rows;
    uint64_t row_elems;
    bool used; // by a call: composites that run fused leave some out
    collet_buffer *buffer;
    void *data;
} act;

typedef struct constant {
    const collet_tensor *host;
    collet_buffer *buffer;
    collet_tensor tensor;
} constant;

typedef struct graph {
    uint32_t n_tokens, n_rows, n_seqs;
    void *graph; // NULL: seen once, not yet recorded
} graph;

struct collet_plan {
    collet_model *model;
    collet_runtime *rt;
    collet_plan_opts opts;
    collet_device *device;
    const collet_device_vt *device_vt;
    uint32_t f32_id, i32_id;
    collet_choice device_choice, kv_choice;
    const collet_kvcache_vt *kv_vt;
    void *kv;
    collet_kv_geometry kv_geometry;
    tape tapes[N_TAPES];
    act acts[ACTS_MAX];
    uint32_t n_acts, logits_act;
    constant constants[CONSTANTS_MAX];
    uint32_t n_constants;
    uint32_t n_fallbacks;
    bool bound;

    uint8_t *inputs_host; // one block, so that a step needs one copy
    void *inputs_device;
    collet_buffer *inputs_buffer;
    uint64_t inputs_at[COLLET_N_INPUTS], inputs_bytes;
    collet_batch batch;

    collet_buffer *ws_buffer;
    void *ws;
    uint64_t ws_bytes;
    float *logits_host; // NULL when the device's memory is the host's
    graph graphs[GRAPHS_MAX];
    uint32_t n_graphs;
    uint64_t step, n_replays, n_captures;
    bool timing;                    // of each op
    struct plan_estimate *estimate; // NULL: memory is real
};

// The recorder: forward()'s collet_step.
struct collet_step {
    collet_plan *plan;
    tape *tape;
    int32_t layer;
    collet_status status;
    collet_error *err;
};

// Fills the tensors of every operand for the largest step; data pointers too once the plan is bound.
void collet_plan_resolve(collet_plan *p, call *c, int32_t layer);
// "matmul of layer 3", "matmul of output.weight", "take_rows": for messages; `out` is filled and returned.
const char *collet_call_name(char *out, size_t n_out, const call *c);
// The call's descriptor; lent until the call changes.
void collet_call_desc(const collet_plan *p, const tape *t, const call *c, collet_op_desc *desc);
// Adds a run of the call to its cost.
void collet_call_count(const collet_plan *p, call *c, double seconds);
uint32_t collet_plan_count_max(const collet_plan *p, const tape *t, count_kind count);

// ---- plan_bind.c: everything but the contents of weights; with p->estimate no memory either ----
collet_status collet_plan_bind_all(collet_plan *p, collet_error *err);

// ---- plan_memory.c ----
// A buffer of the estimate: counted, and address space that reads as zeros. Lends *data until the plan is destroyed.
collet_status collet_plan_estimate_buffer(collet_plan *p, uint64_t n_bytes, const char *tag, void **data,
                                          collet_error *err);
void collet_plan_estimate_destroy(collet_plan *p);

// ---- plan_weights.c ----
// Bytes that making the weights needs beside them, for a while.
uint64_t collet_plan_loading_bytes(collet_plan *p);
// Memory of the plan's domain, copies to it, waiting for them.
collet_status collet_plan_buffer(collet_plan *p, uint64_t n_bytes, const char *tag, collet_buffer **buf, void **data,
                                 collet_error *err);
collet_status collet_plan_to_device(collet_plan *p, void *dst, const void *src, uint64_t n_bytes, collet_error *err);
collet_status collet_plan_wait(collet_plan *p, collet_error *err);

// The forms of weights that a call reads: their records and memory; then the contents of all of them, in parallel.
collet_status collet_plan_want_forms(collet_plan *p, call *c, collet_error *err);
collet_status collet_plan_make_weights(collet_plan *p, collet_error *err);
collet_weight_form *collet_weight_find_form(collet_weight *w, uint32_t layout, uint32_t domain);

#endif
