// SPDX-License-Identifier: Apache-2.0
// plugins/reference/ops_ref.c - cpu.ops.ref: every base op of ops.h. Fused ops are the core's to take apart.
#include <string.h>

#include "plugins/common/ref_ops.h"
#include "plugins/reference/refuse.h"

typedef enum kind { EMBED, RMSNORM, ADD, ROPE, SILU_MUL, GELU_MUL, SOFTCAP, TAKE_ROWS, N_KINDS } kind;
static const char *const ops[N_KINDS + 1] = { "embed",    "rmsnorm", "add",       "rope", "silu_mul",
                                              "gelu_mul", "softcap", "take_rows", NULL };
static const struct {
    uint32_t n_in;
    size_t n_params_bytes;
} shapes[N_KINDS] = { { 2, sizeof(collet_embed_params) },
                      { 2, sizeof(collet_norm_params) },
                      { 2, 0 },
                      { 3, sizeof(collet_rope_params) },
                      { 2, 0 },
                      { 2, 0 },
                      { 1, sizeof(collet_softcap_params) },
                      { 2, 0 } };

typedef struct op {
    const collet_reference_mod *mod;
    kind kind;
    const collet_format *format; // embed
    union {
        collet_embed_params embed;
        collet_norm_params norm;
        collet_rope_params rope;
        collet_softcap_params softcap;
    } params;
} op;

typedef struct job {
    const op *op;
    const collet_frame *f;
    uint32_t n_rows, n_tasks;
} job;

static kind kind_of(const collet_reference_mod *m, uint32_t id)
{
    const char *name = m->host->name_of(m->host->self, id);
    kind k = 0;
    while (k < N_KINDS && !(name && strcmp(ops[k], name) == 0))
        k++;
    return k;
}

static bool same_rows(const collet_tensor *a, const collet_tensor *b)
{
    bool same = a->n_dims == b->n_dims;
    for (uint32_t d = 1; same && d < a->n_dims; d++)
        same = a->shape[d] == b->shape[d];
    return same;
}

static collet_status supports_embed(const collet_reference_mod *m, const collet_op_desc *d, collet_op_caps *caps)
{
    const collet_tensor *table = d->in[1];
    if (!collet_weight_format(m, table, caps))
        return COLLET_E_UNSUPPORTED;
    if (d->out[0]->n_dims != 2 || table->shape[1] != d->out[0]->shape[1])
        return collet_refuse(caps, "table of rows of %lld, x has rows of %lld", (long long)table->shape[1],
                             (long long)d->out[0]->shape[1]);
    return collet_tensor_fits(d->in[0], m->i32, 1, "tokens", caps) ? COLLET_OK : COLLET_E_UNSUPPORTED;
}

static collet_status supports(void *mod, const collet_op_desc *d, collet_op_caps *caps)
{
    const collet_reference_mod *m = mod;
    const kind k = kind_of(m, d->op);
    if (k == N_KINDS)
        return collet_refuse(caps, "no such op here");
    if (!collet_desc_fits(d, shapes[k].n_in, 1, shapes[k].n_params_bytes, caps))
        return COLLET_E_UNSUPPORTED;
    const collet_tensor *y = d->out[0], *x = d->in[0];
    if (y->format != m->f32 || y->n_dims < 2 || y->n_dims > 3 || !collet_tensor_dense(y, 4))
        return collet_refuse(caps, "output: dense f32 of 2 or 3 dimensions only");
    caps->capture = COLLET_CAPTURE_UNIFORM;
    if (k == EMBED)
        return supports_embed(m, d, caps);
    if (x->format != m->f32 || !collet_tensor_dense(x, 4) || !same_rows(x, y))
        return collet_refuse(caps, "input: dense f32 of the output's shape only");
    const collet_tensor *b = shapes[k].n_in > 1 ? d->in[1] : NULL;
    switch (k) {
    case RMSNORM:
        if (!collet_tensor_fits(b, m->f32, 1, "weight", caps))
            return COLLET_E_UNSUPPORTED;
        return b->shape[0] == x->shape[x->n_dims - 1]
                   ? COLLET_OK
                   : collet_refuse(caps, "weight: as long as the last dimension only");
    case ROPE: {
        const collet_rope_params *p = d->params;
        if (x->n_dims != 3 || p->n_rot % 2 != 0 || p->n_rot > x->shape[2] || p->pairs > COLLET_ROPE_NEOX)
            return collet_refuse(caps, "x (T, heads, dim) and an even n_rot up to dim only");
        if (!collet_tensor_fits(b, m->i32, 1, "positions", caps) ||
            !collet_tensor_fits(d->in[2], m->f32, 1, "freq", caps))
            return COLLET_E_UNSUPPORTED;
        return d->in[2]->shape[0] == p->n_rot / 2 ? COLLET_OK : collet_refuse(caps, "freq: n_rot / 2 numbers only");
    }
    case TAKE_ROWS:
        return collet_tensor_fits(b, m->i32, 1, "rows", caps) ? COLLET_OK : COLLET_E_UNSUPPORTED;
    case SOFTCAP:
        return ((const collet_softcap_params *)d->params)->cap > 0.0f ? COLLET_OK
                                                                      : collet_refuse(caps, "cap above 0 only");
    default:
        if (b->format != m->f32 || !collet_tensor_dense(b, 4) || !same_rows(b, y))
            return collet_refuse(caps, "second input: dense f32 of the output's shape only");
        return COLLET_OK;
    }
}

static collet_status create(void *mod, const collet_op_desc *d, void **inst, collet_error *err)
{
    const collet_reference_mod *m = mod;
    op *o = m->host->alloc(m->host->self, sizeof *o, 16);
    if (!o)
        return m->host->fail(err, COLLET_E_NOMEM, 0, "no memory for an op");
    *o = (op){ .mod = m, .kind = kind_of(m, d->op) };
    if (d->params && shapes[o->kind].n_params_bytes)
        memcpy(&o->params, d->params, shapes[o->kind].n_params_bytes);
    if (o->kind == EMBED)
        o->format = collet_format_find(m->host->name_of(m->host->self, d->in[1]->format));
    *inst = o;
    return COLLET_OK;
}

static void take_rows(const collet_frame *f, uint32_t begin, uint32_t end)
{
    const collet_tensor *x = f->in[0], *y = f->out[0];
    const int32_t *rows = f->in[1]->data;
    for (uint32_t r = begin; r < end; r++)
        memcpy((uint8_t *)y->data + r * y->stride[0], (const uint8_t *)x->data + rows[r] * x->stride[0],
               (size_t)(4 * y->shape[1]));
}

static void run_rows(const op *o, const collet_frame *f, uint32_t begin, uint32_t end)
{
    const collet_tensor *x = f->in[0], *y = f->out[0];
    const uint32_t last = (uint32_t)y->shape[y->n_dims - 1], heads = y->n_dims == 3 ? (uint32_t)y->shape[1] : 1;
    const size_t row = (size_t)last * heads;
    const float *b = f->n_in > 1 ? f->in[1]->data : NULL;
    switch (o->kind) {
    case EMBED:
        collet_ref_embed(y->data, x->data, f->in[1]->data, o->format,
                         (uint64_t)last / o->format->block_elems * o->format->block_bytes, last, o->params.embed.scale,
                         begin, end);
        break;
    case RMSNORM:
        collet_ref_rmsnorm(y->data, x->data, b, last, o->params.norm.eps, begin * heads, end * heads);
        break;
    case ADD:
        collet_ref_add(y->data, x->data, b, begin * row, end * row);
        break;
    case ROPE: {
        const collet_ref_rope_args a = { .y = y->data,
                                         .x = x->data,
                                         .freq = f->in[2]->data,
                                         .positions = f->in[1]->data,
                                         .n_heads = heads,
                                         .head_dim = last,
                                         .n_rot = o->params.rope.n_rot,
                                         .pairs = o->params.rope.pairs,
                                         .mscale = o->params.rope.mscale };
        collet_ref_rope(&a, begin, end);
        break;
    }
    case SILU_MUL:
        collet_ref_silu_mul(y->data, x->data, b, begin * row, end * row);
        break;
    case GELU_MUL:
        collet_ref_gelu_mul(y->data, x->data, b, begin * row, end * row);
        break;
    case SOFTCAP:
        collet_ref_softcap(y->data, x->data, o->params.softcap.cap, begin * row, end * row);
        break;
    default:
        take_rows(f, begin, end);
        break;
    }
}

static void run_task(void *ctx, uint32_t task, uint32_t worker)
{
    (void)worker;
    const job *j = ctx;
    run_rows(j->op, j->f, (uint32_t)((uint64_t)j->n_rows * task / j->n_tasks),
             (uint32_t)((uint64_t)j->n_rows * (task + 1) / j->n_tasks));
}

static collet_status run(void *inst, const collet_frame *f)
{
    const op *o = inst;
    const collet_host *host = o->mod->host;
    job j = { .op = o, .f = f, .n_rows = (uint32_t)f->out[0]->shape[0], .n_tasks = host->workers(host->self) };
    host->parallel(host->self, j.n_tasks, run_task, &j);
    return COLLET_OK;
}

static void destroy(void *inst)
{
    op *o = inst;
    if (o)
        o->mod->host->free(o->mod->host->self, o);
}

const collet_op_vt collet_ops_ref_vt = {
    .size = sizeof(collet_op_vt),
    .supports = supports,
    .create = create,
    .prepare = NULL, // no workspace, no plan
    .plan = NULL,
    .run = run,
    .pack_size = NULL,
    .pack = NULL,
    .destroy = destroy,
};

const collet_module collet_cpu_ops_ref = {
    .size = sizeof(collet_module),
    .tier = COLLET_TIER_REFERENCE,
    .score = 1,
    .id = "cpu.ops.ref",
    .iface = COLLET_OPS_IFACE,
    .domain = "cpu",
    .summary = "every base op, sums in double",
    .vt = &collet_ops_ref_vt,
    .ops = ops,
    .open = collet_reference_open,
    .close = collet_reference_close,
};
