// SPDX-License-Identifier: Apache-2.0
// include/collet/plugin/op.h - the one life cycle of every compute module: matmul, attention, ops.
//
//     supports(desc) -> create -> prepare(bucket) -> { plan -> run }* -> destroy
//
// supports() is pure and needs no device, so that `collet explain` works without allocating anything; a refusal must
// say why. create() binds weights. prepare() is told the largest step and answers with workspace sizes. plan() runs on
// the host before each step, outside capture. run() enqueues: no allocation, no lock, no log, no synchronisation.
// On the `cpu` domain run() may do the work before it returns (with host->parallel); order of calls is order of work.
#ifndef COLLET_PLUGIN_OP_H
#define COLLET_PLUGIN_OP_H

#include "device.h"
#include "plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

// Phases are bits, so that a rule can name several; a descriptor has exactly one.
enum {
    COLLET_PHASE_PREFILL = 1, // many tokens of a sequence
    COLLET_PHASE_DECODE = 2,  // one token of each sequence
    COLLET_PHASE_VERIFY = 4   // a few tokens of each sequence: speculation
};

// How far a module's run() may be recorded and replayed by its device.
enum {
    COLLET_CAPTURE_NEVER = 0,
    COLLET_CAPTURE_STATIC = 1,  // same shapes, same addresses, same plan
    COLLET_CAPTURE_UNIFORM = 2, // as STATIC, but contents of tensors and of the plan may change
    COLLET_CAPTURE_ANY = 3
};

#define COLLET_OP_TENSORS_MAX 8

// All that is known before the first token.
// Shapes:    in/out as the op's header says; activations have COLLET_TENSOR_DYNAMIC and shape[0] = the largest step
// Ownership: borrowed for the call; create() copies what it needs. Weight data stay valid until destroy()
typedef struct collet_op_desc {
    uint32_t size;
    uint32_t op;    // interned op name: "matmul", "rmsnorm", "attention"
    uint32_t phase; // one COLLET_PHASE_*
    int32_t layer;  // 0..n_layers-1; -1 outside the layers
    uint32_t n_layers;
    uint32_t n_in, n_out;
    uint32_t reserved;
    const collet_tensor *const *in;
    const collet_tensor *const *out;
    const void *params; // the op's params struct, or NULL
} collet_op_desc;

// What supports() answers.
typedef struct collet_op_caps {
    uint32_t size;
    uint32_t capture;                       // COLLET_CAPTURE_*
    uint32_t layout[COLLET_OP_TENSORS_MAX]; // packed layout wanted for in[i]; 0: canonical. Weights only.
    char why[160];                          // mandatory when refusing: "head_dim 80: multiples of 16 only"
} collet_op_caps;

// One call. Frames live in the core and are reused; a device that records copies what it needs.
typedef struct collet_frame {
    uint32_t size, flags;
    uint32_t n_in, n_out;
    const collet_queue *queue;
    const collet_tensor *const *in;
    const collet_tensor *const *out; // views are constant, their memory is written
    void *ws;                        // workspace of prepare()'s size, undefined contents, 64-byte aligned
    void *plan;                      // in plan(): host memory; in run(): its twin on the queue's device
    uint64_t ws_bytes, plan_bytes;
    uint64_t step;
    collet_error *err;
} collet_frame;

// The step as the host knows it, for plan(). Arrays as in attention.h.
typedef struct collet_step_meta {
    uint32_t size;
    uint32_t n_tokens, n_seqs, n_blocks_max;
    const int32_t *q_start;     // (n_seqs + 1)
    const int32_t *kv_len;      // (n_seqs)
    const int32_t *block_table; // (n_seqs, n_blocks_max)
} collet_step_meta;

typedef struct collet_op_vt {
    uint32_t size;
    uint32_t reserved;

    // Would this module run `desc`? Fills *caps (size is set by the core). A module that reads a weight as in the file
    // may be asked again with the layout that another op packs the same weight into (an embedding that is the output
    // matrix too): naming that layout in caps saves the memory of a second copy, refusing costs nothing else.
    // Errors:  UNSUPPORTED with caps->why. Anything unknown is UNSUPPORTED, never a crash.
    // Threads: [any-thread]. Mandatory.
    collet_status (*supports)(void *mod, const collet_op_desc *desc, collet_op_caps *caps);

    // Binds the op: weights in desc->in have the layout that supports() wanted. Neither create() nor prepare() writes
    // to a tensor, and stores of keys and values may have no data yet: an estimate of memory binds without. Mandatory.
    // Ownership: gives *inst; destroy() frees.  Errors: NOMEM, UNSUPPORTED.  Threads: [load]
    collet_status (*create)(void *mod, const collet_op_desc *desc, void **inst, collet_error *err);

    // Says how much workspace and plan a step of `bucket` needs: its tensors carry the shapes of the largest step.
    // Warm up and autotune here. NULL: neither is needed.  Threads: [load]
    collet_status (*prepare)(void *inst, const collet_op_desc *bucket, uint64_t *ws_bytes, uint64_t *plan_bytes,
                             collet_error *err);

    // Writes frame->plan for this step. NULL: no plan.  Threads: [one-caller], outside capture.  Hot.
    collet_status (*plan)(void *inst, const collet_frame *frame, const collet_step_meta *meta);

    // Enqueues the op on frame->queue. Mandatory.  Threads: [one-caller].  Hot: no allocation, no synchronisation.
    // Errors: DEVICE only; whatever else could fail has failed before.
    collet_status (*run)(void *inst, const collet_frame *frame);

    // Size of the packed weight, its alignment, and the group of rows that pack() may be called for. NULL together
    // with pack: the module takes canonical weights only.  Threads: [any-thread]
    collet_status (*pack_size)(void *mod, const collet_tensor *weight, uint32_t layout, uint64_t *n_bytes,
                               uint32_t *row_group, collet_error *err);

    // Packs rows [row_begin, row_end) of `weight` (canonical) into `packed`, whose data hold the whole weight.
    // row_begin is a multiple of row_group, row_end too or the last row. Rows are packed concurrently.
    // Threads: [worker]
    collet_status (*pack)(void *mod, const collet_tensor *weight, const collet_tensor *packed, uint32_t row_begin,
                          uint32_t row_end, collet_error *err);

    void (*destroy)(void *inst); // mandatory; accepts NULL
} collet_op_vt;

#ifdef __cplusplus
}
#endif
#endif
