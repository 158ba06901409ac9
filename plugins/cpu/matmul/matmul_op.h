// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_op.h - what one weight (matmul.c) and several at once (matmul_group.c) share.
#ifndef COLLET_PLUGINS_CPU_MATMUL_MATMUL_OP_H
#define COLLET_PLUGINS_CPU_MATMUL_MATMUL_OP_H

#include <stdatomic.h>
#include <stdbool.h>

#include "plugins/cpu/matmul/matmul.h"
#include "plugins/cpu/ops/ops.h"

#define FEW_TOKENS 4        // up to here a step is about reading weights
#define PIECES_PER_WORKER 4 // of the panels

typedef enum matmul_kind { MATMUL_ONE, MATMUL_GROUP, MATMUL_GLU, MATMUL_KINDS } matmul_kind;

typedef struct matmul_mod {
    const collet_host *host;
    const collet_cpu_matmul_level *level;
    uint32_t isa; // the level this module is of and those below, as far as they are offered
    bool offered; // by the host
    uint32_t f32, cpu, op[MATMUL_KINDS];
} matmul_mod;

// A weight and what multiplies with it.
typedef struct matmul {
    const collet_cpu_matmul_level *level;           // the module's
    const collet_cpu_matmul_kernel *kernel, *tiles; // tiles: for COLLET_CPU_TILES_FROM tokens and more; NULL: none
    const collet_cpu_packing *packing;              // NULL: canonical rows
    uint64_t panel_bytes;                           // of a row for canonical rows
    uint32_t n_in, n_out, n_panels;
    uint32_t n_planes; // of activations, 1 or 2
} matmul;

typedef struct matmul_op {
    const matmul_mod *mod;
    matmul_kind kind;
    uint32_t n_weights;
    matmul weight[COLLET_MATMUL_GROUP_MAX];
    const collet_cpu_ops_kernel *act; // MATMUL_GLU: y = act(y) b
} matmul_op;

// One weight of one call, shared by its workers.
typedef struct job {
    const matmul *op;
    collet_cpu_matmul_args args;
    uint32_t n_tokens, n_tasks, token_block; // tokens are planes for a weight that takes two
    collet_cpu_act *act;
    float *fine; // sums of planes, COLLET_CPU_FINE_FLOATS for each worker; NULL: one plane
    atomic_uint next_piece;
} job;

#define FINE_TOKENS 16u // planes in the buffer
#define FINE_PANELS 64u // panels in the buffer
#define FINE_ROWS (FINE_PANELS * R8_ROWS)

// ---- matmul.c ----
void matmul_job(job *j, const matmul *op, const collet_frame *f, uint32_t weight, uint32_t n_workers);
void matmul_quantize(const job *j, uint32_t begin, uint32_t end); // tokens; in eights but for the last
void matmul_quantize_part(const job *j, uint32_t task);           // of n_tasks
// Panels [begin, end) by tokens [token, token + token_block).
void matmul_run_panels(const job *j, uint32_t worker, uint32_t begin, uint32_t end, uint32_t token);

// ---- matmul_group.c ----
uint64_t matmul_group_ws_bytes(const matmul_op *op, uint64_t n_tokens, uint32_t n_workers);
void matmul_group_run(const matmul_op *op, const collet_frame *f);

#endif
