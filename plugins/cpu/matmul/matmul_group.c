// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_group.c - several weights that meet the same activations: quantized once, one region.
//
// A small model's step is made of weights that a core reads in a few microseconds. One region for q, k and v lets each
// worker read its share of all their bytes in one go; gate and up take turns, a few panels each, so that what up gives
// is still in the first-level cache when the activation joins them. The numbers are the decomposition's, to the bit.
#include "plugins/cpu/matmul/matmul_op.h"

#define GLU_PANELS 16u // whose sums of `up` a worker holds
#define GLU_TOKENS 128u
#define GLU_ROWS (GLU_PANELS * R8_ROWS)

typedef struct group {
    const matmul_op *op;
    job job[COLLET_MATMUL_GROUP_MAX];
    const job *quantizer[3]; // of one plane, of two: the job whose activations the others share; NULL: none
    float *scratch;          // MATMUL_GLU: GLU_ROWS x GLU_TOKENS for each worker
    uint32_t n_jobs;         // that workers draw: MATMUL_GLU has one for both weights
    uint32_t n_tasks;
    atomic_uint next_piece;
} group;

// ---- workspace: activations in one plane, in two, buffers of the latter's sums, scratch ----

static bool takes(const matmul_op *op, uint32_t n_planes)
{
    bool some = false;
    for (uint32_t k = 0; k < op->n_weights; k++)
        some = some || (op->weight[k].packing && op->weight[k].n_planes == n_planes);
    return some;
}

static uint64_t act_bytes(const matmul_op *op, uint32_t n_planes, uint64_t n_tokens)
{
    return takes(op, n_planes) ? n_tokens * n_planes * (op->weight[0].n_in / 32) * sizeof(collet_cpu_act) : 0;
}

static uint64_t fine_bytes(const matmul_op *op, uint32_t n_workers)
{
    return takes(op, 2) ? sizeof(float) * FINE_TOKENS * FINE_ROWS * n_workers : 0;
}

uint64_t matmul_group_ws_bytes(const matmul_op *op, uint64_t n_tokens, uint32_t n_workers)
{
    const uint64_t scratch = op->kind == MATMUL_GLU ? sizeof(float) * GLU_ROWS * GLU_TOKENS * n_workers : 0;
    return act_bytes(op, 1, n_tokens) + act_bytes(op, 2, n_tokens) + fine_bytes(op, n_workers) + scratch;
}

static void make_jobs(group *g, const matmul_op *op, const collet_frame *f, uint32_t n_workers)
{
    const uint64_t n_tokens = (uint64_t)f->in[0]->shape[0];
    uint8_t *one = f->ws, *two = one + act_bytes(op, 1, n_tokens), *fine = two + act_bytes(op, 2, n_tokens);
    g->op = op;
    g->n_tasks = n_workers;
    g->n_jobs = op->kind == MATMUL_GLU ? 1 : op->n_weights;
    g->scratch = (float *)(void *)(fine + fine_bytes(op, n_workers));
    g->quantizer[1] = g->quantizer[2] = NULL;
    atomic_init(&g->next_piece, 0);
    for (uint32_t k = 0; k < op->n_weights; k++) {
        const matmul *w = &op->weight[k];
        job *j = &g->job[k];
        matmul_job(j, w, f, k, n_workers);
        if (op->kind == MATMUL_GLU && j->token_block > GLU_TOKENS)
            j->token_block = GLU_TOKENS;
        if (!w->packing)
            continue;
        j->args.act = j->act = (collet_cpu_act *)(void *)(w->n_planes == 2 ? two : one);
        j->fine = w->n_planes == 2 ? (float *)(void *)fine : NULL;
        if (!g->quantizer[w->n_planes])
            g->quantizer[w->n_planes] = j;
    }
}

// ---- gate and up ----

// Bytes from one panel to the next.
static uint64_t panel_step(const matmul *w)
{
    return w->packing ? w->panel_bytes : R8_ROWS * w->panel_bytes;
}

// y = act(gate) up for panels [begin, end) by tokens [token, token + token_block).
static void run_glu(const group *g, uint32_t worker, uint32_t begin, uint32_t end, uint32_t token)
{
    const job *gate = &g->job[0], *up = &g->job[1];
    const uint32_t left = up->n_tokens - token, n = left < gate->token_block ? left : gate->token_block;
    float *sums = g->scratch + (size_t)worker * GLU_ROWS * GLU_TOKENS;
    for (uint32_t p = begin; p < end; p += GLU_PANELS) {
        const uint32_t panels = end - p < GLU_PANELS ? end - p : GLU_PANELS, n_left = up->args.n_out - p * R8_ROWS;
        const uint32_t rows = n_left < panels * R8_ROWS ? n_left : panels * R8_ROWS;
        matmul_run_panels(gate, worker, p, p + panels, token);
        collet_cpu_matmul_args a = up->args;
        a.w += p * panel_step(up->op);
        if (up->op->packing)
            a.act += (uint64_t)token * (a.n_in / 32);
        a.x += token * a.x_stride;
        a.n_out = rows;
        a.y = sums;
        a.y_stride = GLU_ROWS;
        up->op->kernel->run(&a, 0, panels, 0, n);
        float *y = gate->args.y + token * gate->args.y_stride + (size_t)p * R8_ROWS;
        const collet_cpu_ops_args act = { .y = y,
                                          .x = y,
                                          .b = sums,
                                          .y_row = gate->args.y_stride,
                                          .x_row = gate->args.y_stride,
                                          .b_row = GLU_ROWS,
                                          .n_heads = 1,
                                          .n = rows };
        g->op->act->run(&act, 0, n);
    }
}

static void run_range(const group *g, uint32_t worker, uint32_t k, uint32_t begin, uint32_t end, uint32_t token)
{
    if (begin < end && g->op->kind == MATMUL_GLU)
        run_glu(g, worker, begin, end, token);
    else
        matmul_run_panels(&g->job[k], worker, begin, end, token);
}

// ---- few tokens: each worker reads its share of the bytes ----

// The first of n_panels that begins at or behind byte `at` of a weight that begins at byte `first`.
static uint32_t panel_at(uint64_t at, uint64_t first, uint64_t step, uint32_t n_panels)
{
    const uint64_t panel = at > first ? (at - first + step - 1) / step : 0;
    return panel < n_panels ? (uint32_t)panel : n_panels;
}

static void decode_task(void *ctx, uint32_t task, uint32_t worker)
{
    const group *g = ctx;
    uint64_t total = 0, first = 0;
    for (uint32_t k = 0; k < g->n_jobs; k++)
        total += panel_step(g->job[k].op) * g->job[k].op->n_panels;
    const uint64_t begin = total * task / g->n_tasks, end = total * (task + 1) / g->n_tasks;
    for (uint32_t k = 0; k < g->n_jobs; k++) {
        const matmul *w = g->job[k].op;
        const uint64_t step = panel_step(w);
        run_range(g, worker, k, panel_at(begin, first, step, w->n_panels), panel_at(end, first, step, w->n_panels), 0);
        first += step * w->n_panels;
    }
}

// ---- many tokens: pieces from a queue ----

static void quantize_task(void *ctx, uint32_t task, uint32_t worker)
{
    (void)worker;
    const group *g = ctx;
    for (uint32_t planes = 1; planes <= 2; planes++)
        if (g->quantizer[planes])
            matmul_quantize_part(g->quantizer[planes], task);
}

static void prefill_task(void *ctx, uint32_t task, uint32_t worker)
{
    (void)task;
    group *g = ctx;
    const uint32_t parts = g->n_tasks * PIECES_PER_WORKER;
    uint32_t first = 0, piece = atomic_fetch_add(&g->next_piece, 1);
    for (uint32_t k = 0; k < g->n_jobs;) {
        const job *j = &g->job[k];
        const uint32_t n_pieces = (j->n_tokens + j->token_block - 1) / j->token_block * parts;
        if (piece - first >= n_pieces) { // of a later weight
            first += n_pieces;
            k++;
            continue;
        }
        const uint64_t part = (piece - first) % parts, n = j->op->n_panels;
        run_range(g, worker, k, (uint32_t)(n * part / parts), (uint32_t)(n * (part + 1) / parts),
                  (piece - first) / parts * j->token_block);
        piece = atomic_fetch_add(&g->next_piece, 1);
    }
}

void matmul_group_run(const matmul_op *op, const collet_frame *f)
{
    const collet_host *host = op->mod->host;
    group g;
    make_jobs(&g, op, f, host->workers(host->self));
    bool few = true;
    for (uint32_t k = 0; k < op->n_weights; k++)
        few = few && g.job[k].n_tokens <= FEW_TOKENS;
    if (few) {
        for (uint32_t planes = 1; planes <= 2; planes++)
            if (g.quantizer[planes])
                matmul_quantize(g.quantizer[planes], 0, g.quantizer[planes]->n_tokens);
        host->parallel(host->self, g.n_tasks, decode_task, &g);
    } else {
        if (g.quantizer[1] || g.quantizer[2])
            host->parallel(host->self, g.n_tasks, quantize_task, &g);
        host->parallel(host->self, g.n_tasks, prefill_task, &g);
    }
}
