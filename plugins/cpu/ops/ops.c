// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/ops.c - the modules cpu.ops.avx2 and cpu.ops.avx512: one life cycle, two levels.
//
// An instance is its kernel and the arguments that never change. run() adds what the frame has and deals the rows, or
// the columns of a single long row, to the workers; small calls stay on the caller, because waking a worker costs more
// than the work of a decode step's norm.
#include <string.h>

#include "plugins/cpu/ops/ops_module.h"

typedef struct ops_inst {
    const collet_host *host;
    const collet_cpu_ops_kernel *kernel;
    ops_kind kind;
    collet_cpu_ops_args args; // format, parameters; run() copies it and fills in the frame
} ops_inst;

// Elements that keep a worker busy for some 10 us; fewer are not worth a second one. Measured with bench_ops:
// a copy or sum moves 8 elements a ns from cache, the exponentials 2, a decoder 1.
static uint32_t grain(ops_kind kind)
{
    switch (kind) {
    case OPS_ADD:
    case OPS_ADD_RMSNORM:
    case OPS_RMSNORM:
    case OPS_TAKE_ROWS:
        return 32768;
    case OPS_ROPE:
    case OPS_EMBED:
        return 16384;
    default:
        return 8192;
    }
}

static bool by_column(ops_kind kind)
{
    return kind == OPS_ADD || kind == OPS_GELU_MUL || kind == OPS_SILU_MUL || kind == OPS_SOFTCAP;
}

static size_t row_elems(const collet_tensor *t)
{
    return (size_t)t->stride[0] / sizeof(float);
}

static size_t head_elems(const collet_tensor *t)
{
    return t->n_dims == 3 ? (size_t)t->stride[1] / sizeof(float) : 0;
}

// Fills in what the frame has; returns the number of rows.
static uint32_t bind_frame(collet_cpu_ops_args *a, ops_kind kind, const collet_frame *frame)
{
    const collet_tensor *x = frame->in[0], *y = frame->out[0];
    a->y = y->data;
    a->y_row = row_elems(y);
    a->y_head = head_elems(y);
    a->n_heads = y->n_dims == 3 ? (uint32_t)y->shape[1] : 1;
    a->n = (uint32_t)y->shape[y->n_dims - 1];
    if (kind == OPS_EMBED) {
        a->index = frame->in[0]->data;
        a->table = frame->in[1]->data;
        if (!a->packing)
            a->table_row = (size_t)frame->in[1]->stride[0];
        return (uint32_t)y->shape[0];
    }
    a->x = x->data;
    a->x_row = row_elems(x);
    a->x_head = head_elems(x);
    switch (kind) {
    case OPS_ADD_RMSNORM:
        a->w = frame->in[2]->data;
        a->h = frame->out[1]->data;
        a->h_row = row_elems(frame->out[1]); // fall through
    case OPS_ADD:
    case OPS_GELU_MUL:
    case OPS_SILU_MUL:
        a->b = frame->in[1]->data;
        a->b_row = row_elems(frame->in[1]);
        break;
    case OPS_RMSNORM:
        a->w = frame->in[1]->data;
        break;
    case OPS_ROPE:
        a->w = frame->in[2]->data; // fall through
    case OPS_TAKE_ROWS:
        a->index = frame->in[1]->data;
        break;
    default:
        break;
    }
    return (uint32_t)y->shape[0];
}

typedef struct ops_split {
    const collet_cpu_ops_args *args;
    collet_cpu_ops_fn run;
    uint32_t n_rows, n_tasks;
    bool columns;
} ops_split;

static void run_task(void *ctx, uint32_t task, uint32_t worker)
{
    const ops_split *s = ctx;
    (void)worker;
    if (!s->columns) {
        s->run(s->args, (uint32_t)((uint64_t)s->n_rows * task / s->n_tasks),
               (uint32_t)((uint64_t)s->n_rows * (task + 1) / s->n_tasks));
        return;
    }
    // Whole cache lines to each task: two workers never write the same one when y is aligned.
    const uint32_t lines = (s->args->n + 15) / 16;
    const uint32_t begin = (uint32_t)((uint64_t)lines * task / s->n_tasks) * 16;
    const uint32_t end = (uint32_t)((uint64_t)lines * (task + 1) / s->n_tasks) * 16;
    collet_cpu_ops_args a = *s->args;
    a.n = (end < a.n ? end : a.n) - begin;
    a.y += begin;
    a.x += begin;
    a.b = a.b ? a.b + begin : NULL;
    s->run(&a, 0, s->n_rows);
}

static collet_status run(void *inst, const collet_frame *frame)
{
    const ops_inst *op = inst;
    collet_cpu_ops_args a = op->args;
    const uint32_t n_rows = bind_frame(&a, op->kind, frame);
    const uint64_t n_elems = (uint64_t)n_rows * a.n_heads * a.n;
    uint64_t n_tasks = n_elems / grain(op->kind);
    if (n_tasks < 2) {
        op->kernel->run(&a, 0, n_rows);
        return COLLET_OK;
    }
    const uint32_t n_workers = op->host->workers(op->host->self);
    if (n_tasks > n_workers)
        n_tasks = n_workers;
    const bool columns = n_rows < n_tasks && by_column(op->kind);
    if (!columns && n_tasks > n_rows)
        n_tasks = n_rows;
    ops_split split = { &a, op->kernel->run, n_rows, (uint32_t)n_tasks, columns };
    op->host->parallel(op->host->self, split.n_tasks, run_task, &split);
    return COLLET_OK;
}

static void bind_packed_table(collet_cpu_ops_args *a, const char *format, uint64_t n)
{
    a->packing = collet_cpu_packing_find(format);
    a->unpack = collet_cpu_unpack_find(format);
    a->table_row = n / a->packing->record_elems * a->packing->record_bytes;
}

static collet_status create(void *mod, const collet_op_desc *desc, void **inst, collet_error *err)
{
    const ops_module *m = mod;
    const collet_host *host = m->host;
    const ops_kind kind = collet_cpu_ops_kind(m, desc->op);
    const char *format = kind == OPS_EMBED ? host->name_of(host->self, desc->in[1]->format) : "any";
    const bool packed = kind == OPS_EMBED && desc->in[1]->layout != 0;
    const collet_cpu_ops_kernel *kernel =
        kind == OPS_KINDS || !format
            ? NULL
            : collet_cpu_ops_choose(packed ? "embed_r8" : collet_cpu_ops_names[kind], format, m->mask);
    if (!kernel)
        return host->fail(err, COLLET_E_UNSUPPORTED, 0, "no kernel for this op: supports() was not asked");
    ops_inst *op = host->alloc(host->self, sizeof *op, 64);
    if (!op)
        return host->fail(err, COLLET_E_NOMEM, 0, "no memory for an op");
    *op = (ops_inst){ .host = host, .kernel = kernel, .kind = kind };
    switch (kind) {
    case OPS_ADD_RMSNORM:
    case OPS_RMSNORM:
        op->args.eps = ((const collet_norm_params *)desc->params)->eps;
        break;
    case OPS_EMBED:
        op->args.scale = ((const collet_embed_params *)desc->params)->scale;
        op->args.decode = collet_format_find(format)->dequantize;
        if (packed)
            bind_packed_table(&op->args, format, (uint64_t)desc->in[1]->shape[1]);
        break;
    case OPS_ROPE:
        op->args.pairs = ((const collet_rope_params *)desc->params)->pairs;
        op->args.n_rot = ((const collet_rope_params *)desc->params)->n_rot;
        op->args.scale = ((const collet_rope_params *)desc->params)->mscale;
        break;
    case OPS_SOFTCAP:
        op->args.cap = ((const collet_softcap_params *)desc->params)->cap;
        break;
    default:
        break;
    }
    *inst = op;
    return COLLET_OK;
}

static void destroy(void *inst)
{
    ops_inst *op = inst;
    if (op)
        op->host->free(op->host->self, op);
}

static collet_status open_level(const collet_host *host, uint32_t isa, const char *level, void **mod, collet_error *err)
{
    const collet_host_cpu *cpu = host->get(host->self, COLLET_HOST_CPU_ID);
    ops_module *m = host->alloc(host->self, sizeof *m, 64);
    if (!m)
        return host->fail(err, COLLET_E_NOMEM, 0, "no memory for the module");
    *m = (ops_module){ .host = host, .level = level };
    if (cpu && (cpu->isa_mask & isa))
        m->mask = (isa | (isa - 1)) & cpu->isa_mask; // the levels below it too
    for (int i = 0; i < OPS_KINDS; i++)
        m->op[i] = host->intern(host->self, collet_cpu_ops_names[i]);
    m->f32 = host->intern(host->self, "f32");
    m->i32 = host->intern(host->self, "i32");
    m->cpu = host->intern(host->self, "cpu");
    *mod = m;
    return COLLET_OK;
}

static void close_module(void *mod)
{
    ops_module *m = mod;
    if (m)
        m->host->free(m->host->self, m);
}

static const collet_op_vt vt = {
    .size = sizeof(collet_op_vt),
    .supports = collet_cpu_ops_supports,
    .create = create,
    .run = run,
    .destroy = destroy,
};

#define LEVEL(level, isa, word, module_score, text)                                                           \
    static collet_status open_##level(const collet_host *host, const collet_value *values, uint32_t n_values, \
                                      void **mod, collet_error *err)                                          \
    {                                                                                                         \
        (void)values;                                                                                         \
        (void)n_values;                                                                                       \
        return open_level(host, COLLET_ISA_##isa, word, mod, err);                                            \
    }                                                                                                         \
    const collet_module collet_cpu_ops_##level = {                                                            \
        .size = sizeof(collet_module),                                                                        \
        .tier = COLLET_TIER_TUNED,                                                                            \
        .score = module_score,                                                                                \
        .id = "cpu.ops." #level,                                                                              \
        .iface = COLLET_OPS_IFACE,                                                                            \
        .domain = "cpu",                                                                                      \
        .summary = text,                                                                                      \
        .vt = &vt,                                                                                            \
        .ops = collet_cpu_ops_names,                                                                          \
        .open = open_##level,                                                                                 \
        .close = close_module,                                                                                \
    };
#include "plugins/cpu/ops/ops_levels.inc"
#undef LEVEL
