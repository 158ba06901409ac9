// SPDX-License-Identifier: Apache-2.0
// plugins/sim/sim_ops.c - the reference kernels, enqueued: sim.matmul, sim.attention, sim.ops.
//
// sim.attention also has a plan: it carries the step's q_start and kv_len, and the device compares them with the
// tensors when the op runs. So a plan that was not sent, was sent too late or went to another address is found.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/reference/reference.h"
#include "plugins/sim/sim.h"

typedef struct sim_mod {
    const collet_host *host;
    collet_host one_worker; // what the reference kernels see: they run on the queue's thread alone
    const collet_op_vt *vt; // the reference's
    void *mod;
    uint32_t sim, attention;
} sim_mod;

typedef struct sim_op {
    const sim_mod *mod;
    void *inst; // the reference's
    char name[64];
    bool planned;
} sim_op;

// The plan of sim.attention.
typedef struct sim_plan {
    uint32_t n_seqs, n_tokens;
    int32_t values[]; // q_start (n_seqs + 1), then kv_len (n_seqs)
} sim_plan;

static uint64_t plan_size(uint64_t n_seqs)
{
    return sizeof(sim_plan) + (2 * n_seqs + 1) * sizeof(int32_t);
}

static uint32_t one_worker(void *self)
{
    (void)self;
    return 1;
}

static void run_inline(void *self, uint32_t n_tasks, collet_task_fn fn, void *ctx)
{
    (void)self;
    for (uint32_t task = 0; task < n_tasks; task++)
        fn(ctx, task, 0);
}

static collet_status open_wrapped(const collet_op_vt *vt, const collet_host *host, void **mod, collet_error *err)
{
    sim_mod *m = calloc(1, sizeof *m);
    if (!m)
        return host->fail(err, COLLET_E_NOMEM, 0, "no memory for a sim module");
    m->host = host;
    m->one_worker = *host;
    m->one_worker.workers = one_worker;
    m->one_worker.parallel = run_inline;
    m->vt = vt;
    m->sim = host->intern(host->self, "sim");
    m->attention = host->intern(host->self, COLLET_OP_ATTENTION);
    collet_status st = collet_reference_open(&m->one_worker, NULL, 0, &m->mod, err);
    if (st == COLLET_OK)
        *mod = m;
    else
        free(m);
    return st;
}

#define OPEN(slot)                                                                                           \
    static collet_status open_##slot(const collet_host *host, const collet_value *values, uint32_t n_values, \
                                     void **mod, collet_error *err)                                          \
    {                                                                                                        \
        (void)values;                                                                                        \
        (void)n_values;                                                                                      \
        return open_wrapped(&collet_##slot##_ref_vt, host, mod, err);                                        \
    }
OPEN(matmul)
OPEN(attention)
OPEN(ops)
#undef OPEN

static void close_wrapped(void *mod)
{
    sim_mod *m = mod;
    collet_reference_close(m->mod);
    free(m);
}

static collet_status supports(void *mod, const collet_op_desc *d, collet_op_caps *caps)
{
    const sim_mod *m = mod;
    for (uint32_t i = 0; i < d->n_in + d->n_out; i++) {
        const collet_tensor *t = i < d->n_in ? d->in[i] : d->out[i - d->n_in];
        if (t && t->domain != m->sim) {
            snprintf(caps->why, sizeof caps->why, "tensor %u is not in the domain sim", i);
            return COLLET_E_UNSUPPORTED;
        }
    }
    return m->vt->supports(m->mod, d, caps);
}

static collet_status create(void *mod, const collet_op_desc *d, void **inst, collet_error *err)
{
    const sim_mod *m = mod;
    sim_op *op = calloc(1, sizeof *op);
    if (!op)
        return m->host->fail(err, COLLET_E_NOMEM, 0, "no memory for a sim op");
    const char *name = m->host->name_of(m->host->self, d->op);
    op->mod = m;
    op->planned = d->op == m->attention;
    if (d->layer >= 0)
        snprintf(op->name, sizeof op->name, "%s of layer %d", name ? name : "op", d->layer);
    else
        snprintf(op->name, sizeof op->name, "%s outside the layers", name ? name : "op");
    collet_status st = m->vt->create(m->mod, d, &op->inst, err);
    if (st == COLLET_OK)
        *inst = op;
    else
        free(op);
    return st;
}

static collet_status prepare(void *inst, const collet_op_desc *bucket, uint64_t *ws_bytes, uint64_t *plan_bytes,
                             collet_error *err)
{
    const sim_op *op = inst;
    *ws_bytes = *plan_bytes = 0;
    collet_status st = COLLET_OK;
    if (op->mod->vt->prepare)
        st = op->mod->vt->prepare(op->inst, bucket, ws_bytes, plan_bytes, err);
    if (st == COLLET_OK && op->planned)
        *plan_bytes = plan_size((uint64_t)bucket->in[4]->shape[0]);
    return st;
}

static collet_status plan(void *inst, const collet_frame *f, const collet_step_meta *meta)
{
    const sim_op *op = inst;
    if (!op->planned)
        return COLLET_OK;
    sim_plan *p = f->plan;
    p->n_seqs = meta->n_seqs;
    p->n_tokens = meta->n_tokens;
    memcpy(p->values, meta->q_start, (meta->n_seqs + 1) * sizeof(int32_t));
    memcpy(p->values + meta->n_seqs + 1, meta->kv_len, meta->n_seqs * sizeof(int32_t));
    return COLLET_OK;
}

// On the queue's thread, with real addresses.
static bool execute(void *inst, const collet_frame *f, collet_error *err)
{
    const sim_op *op = inst;
    if (op->planned) {
        const sim_plan *p = f->plan;
        const uint32_t n = (uint32_t)f->in[4]->shape[0], n_tokens = (uint32_t)f->in[0]->shape[0];
        if (f->plan_bytes < plan_size(n) || p->n_seqs != n || p->n_tokens != n_tokens ||
            memcmp(p->values, f->in[3]->data, (n + 1) * sizeof(int32_t)) != 0 ||
            memcmp(p->values + n + 1, f->in[4]->data, n * sizeof(int32_t)) != 0) {
            op->mod->host->fail(err, COLLET_E_INTERNAL, 0, "the plan on the device is not this step's");
            return false;
        }
    }
    return op->mod->vt->run(op->inst, f) == COLLET_OK;
}

// The frame and its views belong to the caller and may change after the call, so the item has copies.
static collet_status run(void *inst, const collet_frame *f)
{
    const sim_op *op = inst;
    sim_item item = { .kind = SIM_OP, .run = execute, .inst = inst, .name = op->name, .frame = *f };
    for (uint32_t i = 0; i < f->n_in; i++)
        item.in[i] = *f->in[i];
    for (uint32_t i = 0; i < f->n_out; i++)
        item.out[i] = *f->out[i];
    if (sim_queue_push(f->queue->native, &item))
        return COLLET_OK;
    return op->mod->host->fail(f->err, COLLET_E_NOMEM, 0, "no memory to record an op");
}

static void destroy(void *inst)
{
    sim_op *op = inst;
    if (op)
        op->mod->vt->destroy(op->inst);
    free(op);
}

static const collet_op_vt vt = {
    .size = sizeof vt,
    .supports = supports,
    .create = create,
    .prepare = prepare,
    .plan = plan,
    .run = run,
    .pack_size = NULL, // canonical weights, copied to the device by the core
    .pack = NULL,
    .destroy = destroy,
};

static const char *const matmul_ops[] = { "matmul", NULL };
static const char *const attention_ops[] = { COLLET_OP_KV_APPEND, COLLET_OP_ATTENTION, NULL };
static const char *const other_ops[] = { "embed",    "rmsnorm", "add",       "rope", "silu_mul",
                                         "gelu_mul", "softcap", "take_rows", NULL };

#define MODULE(slot, interface, op_list)                        \
    const collet_module collet_sim_##slot = {                   \
        .size = sizeof(collet_module),                          \
        .tier = COLLET_TIER_GENERIC,                            \
        .score = 10,                                            \
        .id = "sim." #slot,                                     \
        .iface = interface,                                     \
        .domain = "sim",                                        \
        .summary = "reference kernels on the simulated device", \
        .vt = &vt,                                              \
        .ops = op_list,                                         \
        .open = open_##slot,                                    \
        .close = close_wrapped,                                 \
    };
MODULE(matmul, COLLET_MATMUL_IFACE, matmul_ops)
MODULE(attention, COLLET_ATTENTION_IFACE, attention_ops)
MODULE(ops, COLLET_OPS_IFACE, other_ops)
#undef MODULE
