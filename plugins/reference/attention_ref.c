// SPDX-License-Identifier: Apache-2.0
// plugins/reference/attention_ref.c - cpu.attention.ref: append and attend, two passes over the scores, in double.
#include "plugins/common/ref_attention.h"
#include "plugins/reference/refuse.h"

typedef struct attention {
    const collet_reference_mod *mod;
    collet_attention_params params;
    bool append;
    uint32_t n_workers;
} attention;

typedef struct job {
    collet_ref_attention_args args;
    double *scores; // context_max for each worker
    uint32_t context_max;
} job;

static bool store_fits(const collet_reference_mod *m, const collet_tensor *t, const collet_attention_params *p,
                       collet_op_caps *caps)
{
    if (t->format != m->f32 && t->format != m->f16)
        collet_refuse(caps, "cache elements: f32 and f16 only");
    else if (t->layout != m->contiguous && t->layout != m->paged)
        collet_refuse(caps, "cache layout: kv.contiguous and kv.paged only");
    else if (t->n_dims != 4 || t->shape[1] != p->n_kv_heads || t->shape[3] != p->head_dim)
        collet_refuse(caps, "cache (.., %lld, .., %lld), wanted %u heads of %u", (long long)t->shape[1],
                      (long long)t->shape[3], p->n_kv_heads, p->head_dim);
    else if (!collet_tensor_dense(t, t->format == m->f16 ? 2 : 4))
        collet_refuse(caps, "cache: blocks, heads and tokens one after the other only");
    else
        return true;
    return false;
}

static bool heads_fit(const collet_reference_mod *m, const collet_tensor *t, uint32_t n_heads, uint32_t head_dim,
                      const char *what, collet_op_caps *caps)
{
    if (!collet_tensor_fits(t, m->f32, 3, what, caps))
        return false;
    if (t->shape[1] == n_heads && t->shape[2] == head_dim && collet_tensor_dense(t, 4))
        return true;
    collet_refuse(caps, "%s (.., %lld, %lld), wanted %u heads of %u, contiguous", what, (long long)t->shape[1],
                  (long long)t->shape[2], n_heads, head_dim);
    return false;
}

static bool table_fits(const collet_tensor *t, collet_op_caps *caps)
{
    if (!collet_tensor_dense(t, 4))
        collet_refuse(caps, "block_table: rows one after the other only");
    return collet_tensor_dense(t, 4);
}

static collet_status supports(void *mod, const collet_op_desc *d, collet_op_caps *caps)
{
    const collet_reference_mod *m = mod;
    const bool append = collet_op_is(m, d, COLLET_OP_KV_APPEND);
    if (!append && !collet_op_is(m, d, COLLET_OP_ATTENTION))
        return collet_refuse(caps, "no such op here");
    if (!collet_desc_fits(d, append ? 3 : 6, append ? 2 : 1, sizeof(collet_attention_params), caps))
        return COLLET_E_UNSUPPORTED;
    const collet_attention_params *p = d->params;
    if (p->n_kv_heads == 0 || p->n_heads % p->n_kv_heads != 0 || p->head_dim == 0)
        return collet_refuse(caps, "%u query heads over %u key heads of %u", p->n_heads, p->n_kv_heads, p->head_dim);
    if (p->context_max == 0)
        return collet_refuse(caps, "a context of 0 tokens");
    bool fits;
    if (append)
        fits = heads_fit(m, d->in[0], p->n_kv_heads, p->head_dim, "k", caps) &&
               heads_fit(m, d->in[1], p->n_kv_heads, p->head_dim, "v", caps) &&
               collet_tensor_fits(d->in[2], m->i32, 1, "slots", caps) && store_fits(m, d->out[0], p, caps) &&
               store_fits(m, d->out[1], p, caps);
    else
        fits = heads_fit(m, d->in[0], p->n_heads, p->head_dim, "q", caps) && store_fits(m, d->in[1], p, caps) &&
               store_fits(m, d->in[2], p, caps) && collet_tensor_fits(d->in[3], m->i32, 1, "q_start", caps) &&
               collet_tensor_fits(d->in[4], m->i32, 1, "kv_len", caps) &&
               collet_tensor_fits(d->in[5], m->i32, 2, "block_table", caps) && table_fits(d->in[5], caps) &&
               heads_fit(m, d->out[0], p->n_heads, p->head_dim, "out", caps);
    caps->capture = COLLET_CAPTURE_UNIFORM;
    return fits ? COLLET_OK : COLLET_E_UNSUPPORTED;
}

static collet_status create(void *mod, const collet_op_desc *d, void **inst, collet_error *err)
{
    const collet_reference_mod *m = mod;
    attention *op = m->host->alloc(m->host->self, sizeof *op, 16);
    if (!op)
        return m->host->fail(err, COLLET_E_NOMEM, 0, "no memory for an attention op");
    bool append = d->n_out == 2;
    *op = (attention){ .mod = m,
                       .params = *(const collet_attention_params *)d->params,
                       .append = append,
                       .n_workers = m->host->workers(m->host->self) };
    *inst = op;
    return COLLET_OK;
}

static collet_status prepare(void *inst, const collet_op_desc *bucket, uint64_t *ws_bytes, uint64_t *plan_bytes,
                             collet_error *err)
{
    (void)bucket;
    (void)err;
    const attention *op = inst;
    *ws_bytes = op->append ? 0 : (uint64_t)op->n_workers * op->params.context_max * sizeof(double);
    *plan_bytes = 0;
    return COLLET_OK;
}

static collet_ref_store store_of(const attention *op, const collet_tensor *t)
{
    return (collet_ref_store){ .data = t->data,
                               .half = t->format == op->mod->f16,
                               .n_kv_heads = op->params.n_kv_heads,
                               .block_tokens = (uint32_t)t->shape[2],
                               .head_dim = op->params.head_dim };
}

static void run_task(void *ctx, uint32_t task, uint32_t worker)
{
    const job *j = ctx;
    collet_ref_attention(&j->args, j->scores + (uint64_t)worker * j->context_max, task / j->args.n_heads,
                         task % j->args.n_heads);
}

static collet_status run(void *inst, const collet_frame *f)
{
    const attention *op = inst;
    const uint32_t n_tokens = (uint32_t)f->in[0]->shape[0];
    if (op->append) {
        const collet_ref_store k = store_of(op, f->out[0]), v = store_of(op, f->out[1]);
        collet_ref_kv_append(&k, f->in[0]->data, f->in[2]->data, 0, n_tokens);
        collet_ref_kv_append(&v, f->in[1]->data, f->in[2]->data, 0, n_tokens);
        return COLLET_OK;
    }
    job j = { .args = { .q = f->in[0]->data,
                        .out = f->out[0]->data,
                        .k = store_of(op, f->in[1]),
                        .v = store_of(op, f->in[2]),
                        .q_start = f->in[3]->data,
                        .kv_len = f->in[4]->data,
                        .block_table = f->in[5]->data,
                        .n_seqs = (uint32_t)f->in[4]->shape[0],
                        .n_blocks_max = (uint32_t)f->in[5]->shape[1],
                        .n_heads = op->params.n_heads,
                        .window = op->params.window,
                        .scale = op->params.scale,
                        .softcap = op->params.softcap },
              .scores = f->ws,
              .context_max = op->params.context_max };
    op->mod->host->parallel(op->mod->host->self, n_tokens * op->params.n_heads, run_task, &j);
    return COLLET_OK;
}

static void destroy(void *inst)
{
    attention *op = inst;
    if (op)
        op->mod->host->free(op->mod->host->self, op);
}

const collet_op_vt collet_attention_ref_vt = {
    .size = sizeof(collet_op_vt),
    .supports = supports,
    .create = create,
    .prepare = prepare,
    .plan = NULL,
    .run = run,
    .pack_size = NULL,
    .pack = NULL,
    .destroy = destroy,
};

static const char *const ops[] = { COLLET_OP_KV_APPEND, COLLET_OP_ATTENTION, NULL };
const collet_module collet_cpu_attention_ref = {
    .size = sizeof(collet_module),
    .tier = COLLET_TIER_REFERENCE,
    .score = 1,
    .id = "cpu.attention.ref",
    .iface = COLLET_ATTENTION_IFACE,
    .domain = "cpu",
    .summary = "softmax over all scores of a head, in double",
    .vt = &collet_attention_ref_vt,
    .ops = ops,
    .open = collet_reference_open,
    .close = collet_reference_close,
};
