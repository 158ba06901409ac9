// SPDX-License-Identifier: Apache-2.0
// plugins/onednn/matmul.c - onednn.matmul: what it accepts, and how a call is dealt to the core's workers.
//
// A call is two parallel regions: activations become what the library reads, then workers draw blocks of 64 rows from a
// queue and multiply each with all tokens, one thread a call of the library.
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "plugins/common/formats.h"
#include "plugins/onednn/onednn.h"

static const char *const layouts[ONEDNN_N_TYPES] = { "onednn.f32.r64", "onednn.bf16.r64", "onednn.s8.r64" };

typedef struct matmul_mod {
    const collet_host *host;
    onednn_engine *engine; // NULL: the library cannot be used, and `why` says why
    char why[160];
    uint32_t f32, cpu, op, layouts[ONEDNN_N_TYPES];
} matmul_mod;

typedef struct matmul {
    const matmul_mod *mod;
    const onednn_product *product;
    onednn_type type;
    uint32_t n_in, n_out, n_tokens_max;
    uint64_t block_bytes;
} matmul;

// One call, shared by its workers.
typedef struct job {
    const matmul *op;
    const float *x;
    uint64_t x_stride; // floats
    onednn_call call;  // of one worker on one block; block, y, scratch and worker are set there
    uint8_t *scratch;
    uint64_t scratch_bytes; // of one worker
    uint32_t n_tasks;
    atomic_uint next_block;
    atomic_int status;
} job;

// ---- life cycle ----

static void probe(const collet_host *host, collet_probe *out)
{
    char why[160];
    const bool usable = onednn_library_usable(host->get(host->self, COLLET_HOST_CPU_ID), why, sizeof why);
    out->verdict = usable ? COLLET_PROBE_OK : COLLET_PROBE_UNAVAILABLE;
    if (!usable)
        snprintf(out->why, sizeof out->why, "%s", why);
}

static void close_mod(void *mod)
{
    matmul_mod *m = mod;
    onednn_engine_close(m->engine);
    m->host->free(m->host->self, m);
}

static collet_status open_mod(const collet_host *host, const collet_value *values, uint32_t n_values, void **mod,
                              collet_error *err)
{
    (void)values;
    (void)n_values;
    matmul_mod *m = host->alloc(host->self, sizeof *m, 16);
    if (!m)
        return host->fail(err, COLLET_E_NOMEM, 0, "no memory for a matmul module");
    *m = (matmul_mod){ .host = host,
                       .f32 = host->intern(host->self, "f32"),
                       .cpu = host->intern(host->self, "cpu"),
                       .op = host->intern(host->self, COLLET_OP_MATMUL) };
    for (onednn_type t = 0; t < ONEDNN_N_TYPES; t++)
        m->layouts[t] = host->intern(host->self, layouts[t]);
    if (onednn_library_usable(host->get(host->self, COLLET_HOST_CPU_ID), m->why, sizeof m->why)) {
        const collet_status st = onednn_engine_open(&m->engine, host, err);
        if (st != COLLET_OK) {
            close_mod(m);
            return st;
        }
    }
    *mod = m;
    return COLLET_OK;
}

static bool refuse(collet_op_caps *caps, const char *format, ...) COLLET_PRINTF(2, 3);
static bool refuse(collet_op_caps *caps, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(caps->why, sizeof caps->why, format, args);
    va_end(args);
    return false;
}

// As which type weights of `format` are multiplied; false: refused.
static bool type_of(onednn_type *type, const matmul_mod *m, const char *format, collet_op_caps *caps)
{
    if (strcmp(format, "f32") == 0 || strcmp(format, "f16") == 0)
        *type = ONEDNN_F32;
    else if (strcmp(format, "bf16") == 0)
        *type = onednn_engine_has(m->engine, ONEDNN_BF16) ? ONEDNN_BF16 : ONEDNN_F32;
    else if (strcmp(format, "q8_0") == 0)
        *type = ONEDNN_S8;
    else
        return refuse(caps, "weights in %s: f32, f16, bf16 and q8_0 only", format);
    if (!onednn_engine_has(m->engine, *type))
        return refuse(caps,
                      *type == ONEDNN_S8 ? "weights in %s: only with AVX-512 VNNI, whose sums cannot saturate"
                                         : "weights in %s: oneDNN has no matmul for them here",
                      format);
    return true;
}

static bool activations_fit(const matmul_mod *m, const collet_tensor *t, const char *name, collet_op_caps *caps)
{
    if (t->format != m->f32 || t->layout != 0 || t->domain != m->cpu)
        return refuse(caps, "%s: f32 in the canonical layout and the domain cpu only", name);
    if (t->n_dims != 2 || t->stride[1] != 4 || t->stride[0] < 4 * t->shape[1] || t->stride[0] % 4 != 0)
        return refuse(caps, "%s: (tokens, n) with contiguous rows only", name);
    return true;
}

static bool weight_fits(const matmul_mod *m, const collet_op_desc *d, collet_op_caps *caps)
{
    const collet_tensor *w = d->in[1];
    const char *format = m->host->name_of(m->host->self, w->format);
    onednn_type type = ONEDNN_F32;
    if (!type_of(&type, m, format ? format : "an unknown format", caps))
        return false;
    if (w->layout != 0)
        return refuse(caps, "weight: packed as %s already", m->host->name_of(m->host->self, w->layout));
    if (w->domain != m->cpu)
        return refuse(caps, "weight: not in the domain cpu");
    if (w->n_dims != 2 || w->shape[0] < 1 || w->shape[1] < 1 || w->shape[0] > INT32_MAX || w->shape[1] > INT32_MAX / 64)
        return refuse(caps, "weight: two dimensions, at most 2^31 rows of 2^25 columns, only");
    if (type == ONEDNN_S8 && w->shape[1] % ONEDNN_GROUP != 0)
        return refuse(caps, "rows of %lld: %s has blocks of 32", (long long)w->shape[1], format);
    if (w->shape[1] != d->in[0]->shape[1] || w->shape[0] != d->out[0]->shape[1])
        return refuse(caps, "weight (%lld, %lld) for x of %lld and y of %lld", (long long)w->shape[0],
                      (long long)w->shape[1], (long long)d->in[0]->shape[1], (long long)d->out[0]->shape[1]);
    caps->layout[1] = m->layouts[type];
    return true;
}

static collet_status supports(void *mod, const collet_op_desc *d, collet_op_caps *caps)
{
    const matmul_mod *m = mod;
    bool fits;
    if (!m->engine)
        fits = refuse(caps, "%s", m->why);
    else if (!m->op || d->op != m->op)
        fits = refuse(caps, "no such op in this module");
    else if (d->n_in != 2 || d->n_out != 1 || !d->in[0] || !d->in[1] || !d->out[0])
        fits = refuse(caps, "%u inputs and %u outputs: a matmul has 2 and 1", d->n_in, d->n_out);
    else
        fits = activations_fit(m, d->in[0], "x", caps) && activations_fit(m, d->out[0], "y", caps) &&
               weight_fits(m, d, caps);
    caps->capture = COLLET_CAPTURE_NEVER; // the cpu domain records nothing
    return fits ? COLLET_OK : COLLET_E_UNSUPPORTED;
}

static collet_status create(void *mod, const collet_op_desc *d, void **inst, collet_error *err)
{
    const matmul_mod *m = mod;
    const collet_tensor *w = d->in[1];
    matmul *op = m->host->alloc(m->host->self, sizeof *op, 16);
    if (!op)
        return m->host->fail(err, COLLET_E_NOMEM, 0, "no memory for a matmul");
    *op = (matmul){ .mod = m, .n_in = (uint32_t)w->shape[1], .n_out = (uint32_t)w->shape[0] };
    for (onednn_type t = 0; t < ONEDNN_N_TYPES; t++)
        if (w->layout == m->layouts[t])
            op->type = t;
    op->block_bytes = onednn_block_bytes(m->engine, op->type, op->n_in);
    *inst = op;
    return COLLET_OK;
}

static uint64_t whole_lines(uint64_t n_bytes)
{
    return (n_bytes + 63) / 64 * 64;
}

static collet_status prepare(void *inst, const collet_op_desc *bucket, uint64_t *ws_bytes, uint64_t *plan_bytes,
                             collet_error *err)
{
    matmul *op = inst;
    const collet_host *host = op->mod->host;
    op->n_tokens_max = (uint32_t)bucket->in[0]->shape[0];
    const collet_status st =
        onednn_product_make(&op->product, op->mod->engine, op->type, op->n_in, op->n_tokens_max, err);
    if (st != COLLET_OK)
        return st;
    *ws_bytes = 64 + whole_lines(onednn_x_bytes(op->type, op->n_in, op->n_tokens_max)) +
                host->workers(host->self) * onednn_scratch_bytes(op->product, op->n_tokens_max);
    *plan_bytes = 0;
    return COLLET_OK;
}

static void destroy(void *inst)
{
    matmul *op = inst;
    if (op)
        op->mod->host->free(op->mod->host->self, op);
}

// ---- packing ----

static collet_status pack_size(void *mod, const collet_tensor *w, uint32_t layout, uint64_t *n_bytes,
                               uint32_t *row_group, collet_error *err)
{
    const matmul_mod *m = mod;
    const uint64_t n_blocks = ((uint64_t)w->shape[0] + ONEDNN_ROWS - 1) / ONEDNN_ROWS;
    for (onednn_type t = 0; t < ONEDNN_N_TYPES; t++)
        if (layout == m->layouts[t]) {
            *n_bytes = n_blocks * onednn_block_bytes(m->engine, t, (uint32_t)w->shape[1]);
            *row_group = ONEDNN_ROWS;
            return *n_bytes ? COLLET_OK : m->host->fail(err, COLLET_E_DEVICE, 0, "oneDNN has no layout for the weight");
        }
    return m->host->fail(err, COLLET_E_UNSUPPORTED, 0, "no such packed layout");
}

static collet_status pack(void *mod, const collet_tensor *w, const collet_tensor *packed, uint32_t row_begin,
                          uint32_t row_end, collet_error *err)
{
    const matmul_mod *m = mod;
    onednn_type type = ONEDNN_F32;
    for (onednn_type t = 0; t < ONEDNN_N_TYPES; t++)
        if (packed->layout == m->layouts[t])
            type = t;
    const uint64_t block_bytes = onednn_block_bytes(m->engine, type, (uint32_t)w->shape[1]);
    for (uint32_t row = row_begin; row < row_end; row += ONEDNN_ROWS) {
        const onednn_rows rows = { .data = (const uint8_t *)w->data + row * (uint64_t)w->stride[0],
                                   .format = m->host->name_of(m->host->self, w->format),
                                   .row_bytes = (uint64_t)w->stride[0],
                                   .n_rows = row_end - row < ONEDNN_ROWS ? row_end - row : ONEDNN_ROWS,
                                   .n_in = (uint32_t)w->shape[1] };
        const collet_status st =
            onednn_pack_block(m->engine, type, &rows, (uint8_t *)packed->data + row / ONEDNN_ROWS * block_bytes, err);
        if (st != COLLET_OK)
            return st;
    }
    return COLLET_OK;
}

// ---- running ----

static void convert_task(void *ctx, uint32_t task, uint32_t worker)
{
    (void)worker;
    const job *j = ctx;
    const uint32_t n = j->call.n_tokens, end = (uint32_t)((uint64_t)n * (task + 1) / j->n_tasks);
    for (uint32_t t = (uint32_t)((uint64_t)n * task / j->n_tasks); t < end; t++)
        onednn_x_convert(j->op->type, (void *)(uintptr_t)j->call.x, j->x + t * j->x_stride, j->op->n_in, n, t);
}

static void multiply_task(void *ctx, uint32_t task, uint32_t worker)
{
    (void)task;
    job *j = ctx;
    const matmul *op = j->op;
    const uint32_t n_blocks = (op->n_out + ONEDNN_ROWS - 1) / ONEDNN_ROWS;
    onednn_one_thread one;
    onednn_one_thread_begin(&one);
    for (uint32_t b = atomic_fetch_add(&j->next_block, 1); b < n_blocks; b = atomic_fetch_add(&j->next_block, 1)) {
        const uint32_t row = b * ONEDNN_ROWS;
        onednn_call c = j->call;
        c.block += b * op->block_bytes;
        c.y += row;
        c.n_rows = op->n_out - row < ONEDNN_ROWS ? op->n_out - row : ONEDNN_ROWS;
        c.scratch = j->scratch + worker * j->scratch_bytes;
        c.worker = worker;
        if (onednn_multiply(op->product, &c) != COLLET_OK)
            atomic_store(&j->status, COLLET_E_DEVICE);
    }
    onednn_one_thread_end(&one);
}

static collet_status run(void *inst, const collet_frame *f)
{
    const matmul *op = inst;
    const collet_host *host = op->mod->host;
    const collet_tensor *x = f->in[0], *y = f->out[0];
    uint8_t *ws = (uint8_t *)f->ws + (64 - (uintptr_t)f->ws % 64) % 64;
    job j = { .op = op,
              .x = x->data,
              .x_stride = (uint64_t)x->stride[0] / sizeof(float),
              .call = { .x = ws,
                        .block = f->in[1]->data,
                        .y = y->data,
                        .y_stride = (uint64_t)y->stride[0] / sizeof(float),
                        .n_tokens = (uint32_t)x->shape[0] },
              .scratch = ws + whole_lines(onednn_x_bytes(op->type, op->n_in, op->n_tokens_max)),
              .scratch_bytes = onednn_scratch_bytes(op->product, op->n_tokens_max),
              .n_tasks = host->workers(host->self) };
    host->parallel(host->self, j.n_tasks, convert_task, &j);
    host->parallel(host->self, j.n_tasks, multiply_task, &j);
    if (atomic_load(&j.status) != COLLET_OK)
        return host->fail(f->err, COLLET_E_DEVICE, 0, "oneDNN: a matmul failed");
    return COLLET_OK;
}

static const collet_op_vt vt = {
    .size = sizeof vt,
    .supports = supports,
    .create = create,
    .prepare = prepare,
    .plan = NULL,
    .run = run,
    .pack_size = pack_size,
    .pack = pack,
    .destroy = destroy,
};

static const char *const ops[] = { COLLET_OP_MATMUL, NULL };

const collet_module collet_onednn_matmul = {
    .size = sizeof(collet_module),
    .tier = COLLET_TIER_VENDOR,
    .score = 0, // only when a profile names it: docs/decisions/0007-vendor-matmul-by-name.md
    .id = "onednn.matmul",
    .iface = COLLET_MATMUL_IFACE,
    .domain = "cpu",
    .summary = "oneDNN, one thread a call: f32, f16 (as f32), bf16, q8_0 (as int8)",
    .vt = &vt,
    .ops = ops,
    .probe = probe,
    .open = open_mod,
    .close = close_mod,
};
