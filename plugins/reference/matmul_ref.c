// SPDX-License-Identifier: Apache-2.0
// plugins/reference/matmul_ref.c - cpu.matmul.ref: every format, canonical weights, sums in double.
#include "plugins/common/ref_matmul.h"
#include "plugins/reference/refuse.h"

typedef struct matmul {
    const collet_reference_mod *mod;
    const collet_format *format;
    uint32_t n_in, n_out, n_workers;
} matmul;

typedef struct job {
    collet_ref_matmul_args args;
    float *rows; // n_in floats for each worker
    uint32_t n_out, n_tasks;
} job;

static collet_status supports(void *mod, const collet_op_desc *d, collet_op_caps *caps)
{
    const collet_reference_mod *m = mod;
    if (!collet_op_is(m, d, COLLET_OP_MATMUL))
        return collet_refuse(caps, "no such op here");
    if (!collet_desc_fits(d, 2, 1, sizeof(collet_matmul_params), caps) ||
        !collet_tensor_fits(d->in[0], m->f32, 2, "x", caps) || !collet_tensor_fits(d->out[0], m->f32, 2, "y", caps))
        return COLLET_E_UNSUPPORTED;
    const collet_tensor *w = d->in[1];
    if (!collet_weight_format(m, w, caps))
        return COLLET_E_UNSUPPORTED;
    if (w->shape[1] != d->in[0]->shape[1] || w->shape[0] != d->out[0]->shape[1])
        return collet_refuse(caps, "weight (%lld, %lld) does not fit x (.., %lld) and y (.., %lld)",
                             (long long)w->shape[0], (long long)w->shape[1], (long long)d->in[0]->shape[1],
                             (long long)d->out[0]->shape[1]);
    caps->capture = COLLET_CAPTURE_UNIFORM;
    return COLLET_OK;
}

static collet_status create(void *mod, const collet_op_desc *d, void **inst, collet_error *err)
{
    const collet_reference_mod *m = mod;
    matmul *op = m->host->alloc(m->host->self, sizeof *op, 16);
    if (!op)
        return m->host->fail(err, COLLET_E_NOMEM, 0, "no memory for a matmul");
    *op = (matmul){ .mod = m,
                    .format = collet_format_find(m->host->name_of(m->host->self, d->in[1]->format)),
                    .n_in = (uint32_t)d->in[1]->shape[1],
                    .n_out = (uint32_t)d->in[1]->shape[0],
                    .n_workers = m->host->workers(m->host->self) };
    *inst = op;
    return COLLET_OK;
}

static collet_status prepare(void *inst, const collet_op_desc *bucket, uint64_t *ws_bytes, uint64_t *plan_bytes,
                             collet_error *err)
{
    (void)bucket;
    (void)err;
    const matmul *op = inst;
    *ws_bytes = (uint64_t)op->n_workers * op->n_in * sizeof(float);
    *plan_bytes = 0;
    return COLLET_OK;
}

static void run_task(void *ctx, uint32_t task, uint32_t worker)
{
    const job *j = ctx;
    uint32_t begin = (uint32_t)((uint64_t)j->n_out * task / j->n_tasks);
    uint32_t end = (uint32_t)((uint64_t)j->n_out * (task + 1) / j->n_tasks);
    collet_ref_matmul(&j->args, j->rows + (uint64_t)worker * j->args.n_in, begin, end);
}

static collet_status run(void *inst, const collet_frame *f)
{
    const matmul *op = inst;
    const collet_tensor *x = f->in[0], *w = f->in[1], *y = f->out[0];
    job j = { .args = { .x = x->data,
                        .w = w->data,
                        .y = y->data,
                        .format = op->format,
                        .n_tokens = (uint32_t)x->shape[0],
                        .n_in = op->n_in,
                        .x_stride = (uint64_t)x->stride[0] / sizeof(float),
                        .y_stride = (uint64_t)y->stride[0] / sizeof(float),
                        .w_row_bytes = (uint64_t)op->n_in / op->format->block_elems * op->format->block_bytes },
              .rows = f->ws,
              .n_out = op->n_out,
              .n_tasks = op->n_workers };
    op->mod->host->parallel(op->mod->host->self, j.n_tasks, run_task, &j);
    return COLLET_OK;
}

static void destroy(void *inst)
{
    matmul *op = inst;
    if (op)
        op->mod->host->free(op->mod->host->self, op);
}

const collet_op_vt collet_matmul_ref_vt = {
    .size = sizeof(collet_op_vt),
    .supports = supports,
    .create = create,
    .prepare = prepare,
    .plan = NULL,
    .run = run,
    .pack_size = NULL, // canonical weights
    .pack = NULL,
    .destroy = destroy,
};

static const char *const ops[] = { COLLET_OP_MATMUL, NULL };
const collet_module collet_cpu_matmul_ref = {
    .size = sizeof(collet_module),
    .tier = COLLET_TIER_REFERENCE,
    .score = 1,
    .id = "cpu.matmul.ref",
    .iface = COLLET_MATMUL_IFACE,
    .domain = "cpu",
    .summary = "every format, one dequantized row at a time, summed in double",
    .vt = &collet_matmul_ref_vt,
    .ops = ops,
    .open = collet_reference_open,
    .close = collet_reference_close,
};
