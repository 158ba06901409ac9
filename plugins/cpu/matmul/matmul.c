// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul.c - the modules of matmul_levels.inc: choosing, packing, quantizing, splitting work.
//
// Decode streams every packed byte once: workers take contiguous panels, so each reads one sequential stream. Prefill
// cuts panels and tokens into pieces, which workers draw from a queue: a worker that loses its core for a while holds
// up nobody. A piece's tokens stay in the second-level cache while its panels pass by.
#include "plugins/cpu/matmul/matmul_op.h"

#include <string.h>

#include "plugins/common/formats.h"
#include "plugins/cpu/matmul/matmul_dense.h"
#include "plugins/cpu/matmul/matmul_tiles.h"
#include "plugins/cpu/refuse.h"

#define TOKEN_BLOCK_BYTES (128u << 10) // of quantized activations that one walk over the panels uses

// Two kinds of weights take activations in two planes of 8 bits, the second being what the first left over. Output
// matrices (a row per word of a vocabulary): the rounding of their input goes straight into the logits. Value
// projections of grouped attention: their rounding reaches every token that attends, and few rows make it cheap to
// avoid. Together they bring a model's divergence from f32 activations down to less than half of llama.cpp's
// (docs/NUMERICS.md, also why down projections are not among them). Both planes are tokens to the kernel, so weights
// are streamed once all the same; sums go through a small buffer of each worker.
#define OUTPUT_RATIO 16u // rows for each column, from which on a weight is taken for an output matrix
#define VALUE_RATIO 2u   // columns for each row, from which on a value projection is cheap enough

const collet_cpu_matmul_kernel collet_cpu_matmul_kernels[] = {
#define KERNEL(f, i, function) { .format = #f, .isa = COLLET_ISA_##i, .name = #function, .run = function },
#include "plugins/cpu/matmul/matmul_kernels.inc"
#undef KERNEL
};
const size_t collet_cpu_n_matmul_kernels = COLLET_COUNT(collet_cpu_matmul_kernels);

const collet_cpu_matmul_kernel *collet_cpu_matmul_choose(const char *format, uint32_t isa_mask)
{
    const collet_cpu_matmul_kernel *best = NULL;
    for (size_t i = 0; i < collet_cpu_n_matmul_kernels; i++)
        if (strcmp(collet_cpu_matmul_kernels[i].format, format) == 0 && (collet_cpu_matmul_kernels[i].isa & isa_mask))
            best = &collet_cpu_matmul_kernels[i]; // the last usable line wins
    return best;
}

const collet_cpu_matmul_level collet_cpu_matmul_levels[] = {
#define LEVEL(level, i, w, score, act, act_fine, tiles, pack_x, text) \
    { .isa = COLLET_ISA_##i,                                          \
      .word = w,                                                      \
      .quantize_act = { act, act_fine },                              \
      .bf16_tiles = tiles,                                            \
      .dense_pack = pack_x,                                           \
      .module = &collet_cpu_matmul_##level },
#include "plugins/cpu/matmul/matmul_levels.inc"
#undef LEVEL
};
const size_t collet_cpu_n_matmul_levels = COLLET_COUNT(collet_cpu_matmul_levels);

const collet_cpu_matmul_level *collet_cpu_matmul_level_of(uint32_t isa)
{
    const collet_cpu_matmul_level *level = collet_cpu_matmul_levels;
    while (level->isa != isa)
        level++;
    return level;
}

uint32_t collet_cpu_matmul_token_block(const collet_cpu_packing *packing, uint32_t n_in)
{
    if (!packing)
        return COLLET_CPU_DENSE_FROM; // calls of more go to matmul_dense.c
    const uint32_t n = TOKEN_BLOCK_BYTES / (n_in / 32 * (uint32_t)sizeof(collet_cpu_act) + 1);
    return n >= 8 ? n & ~7u : 8;
}

// ---- life cycle ----

static collet_status open_level(const collet_host *host, uint32_t isa, void **mod, collet_error *err)
{
    const collet_cpu_matmul_level *level = collet_cpu_matmul_level_of(isa);
    const collet_host_cpu *cpu = host->get(host->self, COLLET_HOST_CPU_ID);
    matmul_mod *m = host->alloc(host->self, sizeof *m, 16);
    if (!m)
        return host->fail(err, COLLET_E_NOMEM, 0, "no memory for a matmul module");
    *m = (matmul_mod){ .host = host,
                       .level = level,
                       .isa = (level->isa | (level->isa - 1)) & (cpu ? cpu->isa_mask : 0),
                       .offered = cpu && (cpu->isa_mask & level->isa),
                       .f32 = host->intern(host->self, "f32"),
                       .cpu = host->intern(host->self, "cpu"),
                       .op = { [MATMUL_ONE] = host->intern(host->self, COLLET_OP_MATMUL),
                               [MATMUL_GROUP] = host->intern(host->self, COLLET_OP_MATMUL_GROUP),
                               [MATMUL_GLU] = host->intern(host->self, COLLET_OP_MATMUL_GLU) } };
    *mod = m;
    return COLLET_OK;
}

static void close_mod(void *mod)
{
    matmul_mod *m = mod;
    m->host->free(m->host->self, m);
}

static bool activations_fit(const matmul_mod *m, const collet_tensor *t, const char *name, collet_op_caps *caps)
{
    if (t->format != m->f32 || t->layout != 0)
        return collet_cpu_refuse(caps, "%s: f32 in the canonical layout only", name);
    if (t->domain != m->cpu)
        return collet_cpu_refuse(caps, "%s: not in the domain cpu", name);
    if (t->n_dims != 2 || t->stride[1] != 4 || t->stride[0] < 4 * t->shape[1] || t->stride[0] % 4 != 0)
        return collet_cpu_refuse(caps, "%s: (tokens, n) with contiguous rows only", name);
    return true;
}

// in[1 + k], which multiplies in[0] into out[y].
static bool weight_fits(const matmul_mod *m, const collet_op_desc *d, uint32_t k, uint32_t y, collet_op_caps *caps)
{
    const collet_tensor *w = d->in[1 + k], *x = d->in[0], *out = d->out[y];
    const char *format = m->host->name_of(m->host->self, w->format);
    if (!format || !collet_cpu_matmul_choose(format, m->isa))
        return collet_cpu_refuse(caps, "no kernel for weights in %s", format ? format : "an unknown format");
    const collet_cpu_packing *packing = collet_cpu_packing_find(format);
    if (w->layout != 0)
        return collet_cpu_refuse(caps, "weight: packed as %s already", m->host->name_of(m->host->self, w->layout));
    if (w->domain != m->cpu)
        return collet_cpu_refuse(caps, "weight: not in the domain cpu");
    if (w->n_dims != 2 || w->shape[0] < 1 || w->shape[1] < 1 || w->shape[0] > INT32_MAX || w->shape[1] > INT32_MAX)
        return collet_cpu_refuse(caps, "weight: two dimensions from 1 to 2^31 only");
    if (packing && w->shape[1] % packing->block_elems != 0)
        return collet_cpu_refuse(caps, "rows of %lld: %s has blocks of %u", (long long)w->shape[1], format,
                                 packing->block_elems);
    if (w->shape[1] != x->shape[1] || w->shape[0] != out->shape[1])
        return collet_cpu_refuse(caps, "weight (%lld, %lld) for x of %lld and y of %lld", (long long)w->shape[0],
                                 (long long)w->shape[1], (long long)x->shape[1], (long long)out->shape[1]);
    caps->layout[1 + k] = packing ? m->host->intern(m->host->self, packing->layout) : 0;
    return true;
}

static matmul_kind kind_of(const matmul_mod *m, uint32_t op)
{
    matmul_kind kind = MATMUL_ONE;
    while (kind < MATMUL_KINDS && (op == 0 || m->op[kind] != op))
        kind++;
    return kind;
}

static uint32_t n_weights_of(const collet_op_desc *d)
{
    return d->n_in - 1;
}

static const char *tensor_name(matmul_kind kind, const collet_op_desc *d, uint32_t k)
{
    const collet_matmul_params *one = d->params;
    const collet_matmul_fused_params *fused = d->params;
    if (!d->params)
        return NULL;
    return kind == MATMUL_ONE ? one->tensor : fused->tensor ? fused->tensor[k] : NULL;
}

// Planes of activations, see above. tensor: the weight's name, or NULL.
static uint32_t planes_of(int64_t n_out, int64_t n_in, const char *tensor)
{
    const bool output = n_out / OUTPUT_RATIO >= n_in;
    const bool value = n_in / VALUE_RATIO >= n_out && tensor && strstr(tensor, "attn_v.");
    return output || value ? 2 : 1;
}

static bool counts_fit(matmul_kind kind, const collet_op_desc *d, collet_op_caps *caps)
{
    const uint32_t n_min = kind == MATMUL_ONE ? 2 : 3,
                   n_max = kind == MATMUL_GROUP ? 1 + COLLET_MATMUL_GROUP_MAX : n_min;
    const uint32_t n_out = kind == MATMUL_GROUP ? d->n_in - 1 : 1;
    if (d->n_in < n_min || d->n_in > n_max || d->n_out != n_out)
        return collet_cpu_refuse(caps, "%u inputs and %u outputs: %u to %u, and %u wanted", d->n_in, d->n_out, n_min,
                                 n_max, n_out);
    for (uint32_t i = 0; i < d->n_in; i++)
        if (!d->in[i])
            return collet_cpu_refuse(caps, "in[%u]: missing", i);
    for (uint32_t i = 0; i < d->n_out; i++)
        if (!d->out[i])
            return collet_cpu_refuse(caps, "out[%u]: missing", i);
    return true;
}

// What several weights at once want beyond one after the other.
static bool fused_fits(const matmul_mod *m, matmul_kind kind, const collet_op_desc *d, collet_op_caps *caps)
{
    const collet_matmul_fused_params *p = d->params;
    if (!p || p->size < sizeof *p || p->n_weights != n_weights_of(d))
        return collet_cpu_refuse(caps, "params: not those of %u weights", n_weights_of(d));
    if (kind == MATMUL_GLU && p->act != COLLET_GLU_SILU && p->act != COLLET_GLU_GELU)
        return collet_cpu_refuse(caps, "act %u: neither SILU nor GELU", p->act);
    for (uint32_t k = 0; k < n_weights_of(d); k++) {
        const collet_tensor *w = d->in[1 + k];
        const char *format = m->host->name_of(m->host->self, w->format);
        if (d->in[0]->shape[0] >= COLLET_CPU_TILES_FROM && collet_cpu_matmul_choose(format, m->isa & COLLET_ISA_AMX))
            return collet_cpu_refuse(caps, "%s: from %u tokens on, tiles take one weight after the other", format,
                                     (unsigned)COLLET_CPU_TILES_FROM);
        if (d->in[0]->shape[0] >= COLLET_CPU_DENSE_FROM && !collet_cpu_packing_find(format))
            return collet_cpu_refuse(caps,
                                     "%s: from %u tokens on, rows that are not packed go one weight after the other",
                                     format, (unsigned)COLLET_CPU_DENSE_FROM);
        if (kind == MATMUL_GLU && planes_of(w->shape[0], w->shape[1], tensor_name(kind, d, k)) == 2)
            return collet_cpu_refuse(caps, "weight (%lld, %lld): activations in two planes", (long long)w->shape[0],
                                     (long long)w->shape[1]);
    }
    return true;
}

static bool fits(const matmul_mod *m, const collet_op_desc *d, collet_op_caps *caps)
{
    const matmul_kind kind = kind_of(m, d->op);
    if (!m->offered)
        return collet_cpu_refuse(caps, "%s is not offered on this machine", m->level->word);
    if (kind == MATMUL_KINDS)
        return collet_cpu_refuse(caps, "no such op in this module");
    if (!counts_fit(kind, d, caps) || !activations_fit(m, d->in[0], "x", caps))
        return false;
    for (uint32_t i = 0; i < d->n_out; i++)
        if (!activations_fit(m, d->out[i], "y", caps))
            return false;
    for (uint32_t k = 0; k < n_weights_of(d); k++)
        if (!weight_fits(m, d, k, kind == MATMUL_GROUP ? k : 0, caps))
            return false;
    return kind == MATMUL_ONE || fused_fits(m, kind, d, caps);
}

static collet_status supports(void *mod, const collet_op_desc *d, collet_op_caps *caps)
{
    const bool supported = fits(mod, d, caps);
    caps->capture = COLLET_CAPTURE_NEVER; // the cpu domain records nothing
    return supported ? COLLET_OK : COLLET_E_UNSUPPORTED;
}

static matmul bind(const matmul_mod *m, const collet_tensor *w, const char *tensor)
{
    const char *format = m->host->name_of(m->host->self, w->format);
    matmul op = { .level = m->level,
                  .kernel = collet_cpu_matmul_choose(format, m->isa & ~(uint32_t)COLLET_ISA_AMX),
                  .tiles = collet_cpu_matmul_choose(format, m->isa & COLLET_ISA_AMX),
                  .packing = collet_cpu_packing_find(format),
                  .n_in = (uint32_t)w->shape[1],
                  .n_out = (uint32_t)w->shape[0],
                  .n_panels = (uint32_t)((w->shape[0] + R8_ROWS - 1) / R8_ROWS) };
    op.n_planes = op.packing ? planes_of(w->shape[0], w->shape[1], tensor) : 1;
    op.panel_bytes =
        op.packing ? (uint64_t)op.n_in / op.packing->record_elems * op.packing->record_bytes : (uint64_t)w->stride[0];
    return op;
}

static collet_status create(void *mod, const collet_op_desc *d, void **inst, collet_error *err)
{
    const matmul_mod *m = mod;
    matmul_op *op = m->host->alloc(m->host->self, sizeof *op, 16);
    if (!op)
        return m->host->fail(err, COLLET_E_NOMEM, 0, "no memory for a matmul");
    *op = (matmul_op){ .mod = m, .kind = kind_of(m, d->op), .n_weights = n_weights_of(d) };
    for (uint32_t k = 0; k < op->n_weights; k++)
        op->weight[k] = bind(m, d->in[1 + k], tensor_name(op->kind, d, k));
    if (op->kind == MATMUL_GLU) {
        const collet_matmul_fused_params *p = d->params;
        op->act = collet_cpu_ops_choose(p->act == COLLET_GLU_GELU ? "gelu_mul" : "silu_mul", "any", m->isa);
    }
    *inst = op;
    return COLLET_OK;
}

static collet_status prepare(void *inst, const collet_op_desc *bucket, uint64_t *ws_bytes, uint64_t *plan_bytes,
                             collet_error *err)
{
    (void)err;
    const matmul_op *op = inst;
    const matmul *w = &op->weight[0];
    const uint32_t n_tokens = (uint32_t)bucket->in[0]->shape[0];
    const uint32_t n_workers = op->mod->host->workers(op->mod->host->self);
    *plan_bytes = 0;
    *ws_bytes = matmul_group_ws_bytes(op, n_tokens, n_workers);
    if (op->kind == MATMUL_ONE && w->tiles && n_tokens >= COLLET_CPU_TILES_FROM) {
        const uint64_t n = collet_cpu_tiles_ws_bytes(n_tokens, w->n_in, n_workers);
        *ws_bytes = n > *ws_bytes ? n : *ws_bytes; // calls of fewer tokens may follow
    }
    if (op->kind == MATMUL_ONE && !w->packing && op->mod->level->dense_pack && n_tokens >= COLLET_CPU_DENSE_FROM) {
        const uint64_t n = collet_cpu_dense_ws_bytes(n_tokens, w->n_in);
        *ws_bytes = n > *ws_bytes ? n : *ws_bytes;
    }
    return COLLET_OK;
}

static void destroy(void *inst)
{
    matmul_op *op = inst;
    if (op)
        op->mod->host->free(op->mod->host->self, op);
}

// ---- packing ----

static collet_status pack_size(void *mod, const collet_tensor *w, uint32_t layout, uint64_t *n_bytes,
                               uint32_t *row_group, collet_error *err)
{
    const matmul_mod *m = mod;
    const char *format = m->host->name_of(m->host->self, w->format);
    const collet_cpu_packing *p = format ? collet_cpu_packing_find(format) : NULL;
    if (!p || layout != m->host->intern(m->host->self, p->layout))
        return m->host->fail(err, COLLET_E_UNSUPPORTED, 0, "no such packed layout");
    const uint64_t n_panels = ((uint64_t)w->shape[0] + R8_ROWS - 1) / R8_ROWS;
    *n_bytes = n_panels * ((uint64_t)w->shape[1] / p->record_elems) * p->record_bytes;
    *row_group = R8_ROWS;
    return COLLET_OK;
}

static collet_status pack(void *mod, const collet_tensor *w, const collet_tensor *packed, uint32_t row_begin,
                          uint32_t row_end, collet_error *err)
{
    (void)err;
    const matmul_mod *m = mod;
    const collet_cpu_packing *p = collet_cpu_packing_find(m->host->name_of(m->host->self, w->format));
    const uint64_t n_blocks = (uint64_t)w->shape[1] / p->block_elems, row_bytes = (uint64_t)w->stride[0];
    for (uint32_t row = row_begin; row < row_end; row += R8_ROWS) {
        uint8_t *record = (uint8_t *)packed->data + row / R8_ROWS * n_blocks * p->record_bytes;
        for (uint64_t b = 0; b < n_blocks; b++, record += p->record_bytes) {
            const uint8_t *rows[R8_ROWS] = { 0 };
            for (uint32_t r = 0; r < R8_ROWS && row + r < row_end; r++)
                rows[r] = (const uint8_t *)w->data + (row + r) * row_bytes + b * p->block_bytes;
            p->pack(record, rows);
        }
    }
    return COLLET_OK;
}

// ---- running ----

// Planes 2 t and 2 t + 1 belong to token t of a weight that takes two; begin and end are even then.
void matmul_quantize(const job *j, uint32_t begin, uint32_t end)
{
    const collet_cpu_matmul_level *level = j->op->level;
    const uint32_t n_blocks = j->args.n_in / 32, n_planes = j->op->n_planes;
    for (uint32_t t = begin, n; t < end; t += n) {
        n = collet_cpu_act_together(end - t);
        collet_cpu_act *act = j->act + (uint64_t)t * n_blocks;
        for (uint32_t c = 0; c < n; c += n_planes)
            level->quantize_act[n_planes - 1](act + c, n, j->args.x + (t + c) / n_planes * j->args.x_stride,
                                              j->args.n_in);
    }
}

void matmul_quantize_part(const job *j, uint32_t task)
{
    const uint32_t groups = (j->n_tokens + 7) / 8; // of tokens that are together
    const uint32_t begin = (uint32_t)((uint64_t)groups * task / j->n_tasks) * 8;
    const uint32_t end = (uint32_t)((uint64_t)groups * (task + 1) / j->n_tasks) * 8;
    if (j->op->packing)
        matmul_quantize(j, begin, end < j->n_tokens ? end : j->n_tokens);
}

static void quantize_task(void *ctx, uint32_t task, uint32_t worker)
{
    (void)worker;
    matmul_quantize_part(ctx, task);
}

// Panels [begin, end) for planes [plane, plane + n): as many as fit the worker's buffer at a time.
static void run_fine(const job *j, uint32_t worker, uint32_t begin, uint32_t end, uint32_t plane, uint32_t n)
{
    const uint32_t n_blocks = j->args.n_in / 32;
    float *sums = j->fine + (size_t)worker * FINE_TOKENS * FINE_ROWS;
    for (uint32_t p = begin; p < end; p += FINE_PANELS)
        for (uint32_t t = 0; t < n; t += FINE_TOKENS) {
            const uint32_t panels = end - p < FINE_PANELS ? end - p : FINE_PANELS;
            const uint32_t planes = n - t < FINE_TOKENS ? n - t : FINE_TOKENS;
            const uint32_t left = j->args.n_out - p * R8_ROWS, rows = left < FINE_ROWS ? left : FINE_ROWS;
            collet_cpu_matmul_args a = j->args;
            a.w += p * a.panel_bytes;
            a.act += (uint64_t)(plane + t) * n_blocks;
            a.n_out = rows;
            a.y = sums;
            a.y_stride = FINE_ROWS;
            j->op->kernel->run(&a, 0, panels, 0, planes);
            for (uint32_t c = 0; c < planes; c += 2) {
                float *y = j->args.y + (plane + t + c) / 2 * j->args.y_stride + p * R8_ROWS;
                for (uint32_t o = 0; o < rows && o < panels * R8_ROWS; o++)
                    y[o] = sums[c * FINE_ROWS + o] + sums[(c + 1) * FINE_ROWS + o];
            }
        }
}

void matmul_run_panels(const job *j, uint32_t worker, uint32_t begin, uint32_t end, uint32_t token)
{
    const uint32_t left = j->n_tokens - token, n_tokens = left < j->token_block ? left : j->token_block;
    if (begin < end && j->fine)
        run_fine(j, worker, begin, end, token, n_tokens);
    else if (begin < end)
        j->op->kernel->run(&j->args, begin, end, token, token + n_tokens);
}

// Part `task` of `n` of the panels.
static void run_part(const job *j, uint32_t worker, uint32_t task, uint32_t n, uint32_t token)
{
    const uint32_t begin = (uint32_t)((uint64_t)j->op->n_panels * task / n);
    const uint32_t end = (uint32_t)((uint64_t)j->op->n_panels * (task + 1) / n);
    matmul_run_panels(j, worker, begin, end, token);
}

static void decode_task(void *ctx, uint32_t task, uint32_t worker)
{
    const job *j = ctx;
    run_part(j, worker, task, j->n_tasks, 0);
}

static void prefill_task(void *ctx, uint32_t task, uint32_t worker)
{
    (void)task;
    job *j = ctx;
    const uint32_t parts = j->n_tasks * PIECES_PER_WORKER;
    const uint32_t n_pieces = (j->n_tokens + j->token_block - 1) / j->token_block * parts;
    for (uint32_t piece = atomic_fetch_add(&j->next_piece, 1); piece < n_pieces;
         piece = atomic_fetch_add(&j->next_piece, 1))
        run_part(j, worker, piece % parts, parts, piece / parts * j->token_block);
}

// Weight k of the frame; workspace: its caller's.
void matmul_job(job *j, const matmul *op, const collet_frame *f, uint32_t weight, uint32_t n_workers)
{
    const collet_tensor *x = f->in[0], *y = f->out[weight < f->n_out ? weight : 0];
    *j = (job){ .op = op,
                .args = { .w = f->in[1 + weight]->data,
                          .panel_bytes = op->panel_bytes,
                          .n_in = op->n_in,
                          .n_out = op->n_out,
                          .x = x->data,
                          .x_stride = (uint64_t)x->stride[0] / sizeof(float),
                          .y_stride = (uint64_t)y->stride[0] / sizeof(float),
                          .y = y->data },
                .n_tokens = (uint32_t)x->shape[0] * op->n_planes,
                .n_tasks = n_workers,
                .token_block = collet_cpu_matmul_token_block(op->packing, op->n_in) };
}

static void run_one(const matmul *op, const collet_frame *f, const collet_host *host)
{
    job j;
    matmul_job(&j, op, f, 0, host->workers(host->self));
    j.args.act = j.act = f->ws;
    if (op->tiles && f->in[0]->shape[0] >= COLLET_CPU_TILES_FROM) {
        collet_cpu_tiles_run(op->tiles, op->level->bf16_tiles, &j.args, (uint32_t)f->in[0]->shape[0], f->ws, host);
        return;
    }
    if (!op->packing && op->level->dense_pack && f->in[0]->shape[0] >= COLLET_CPU_DENSE_FROM) {
        collet_cpu_dense_run(op->kernel, op->level->dense_pack, &j.args, (uint32_t)f->in[0]->shape[0], f->ws, host);
        return;
    }
    if (op->n_planes == 2)
        j.fine = (float *)(void *)(j.act + (uint64_t)j.n_tokens * (op->n_in / 32));
    if (j.n_tokens <= FEW_TOKENS) {
        // faster here than a second parallel region would be
        matmul_quantize(&j, 0, op->packing ? j.n_tokens : 0);
        host->parallel(host->self, j.n_tasks, decode_task, &j);
    } else {
        if (op->packing)
            host->parallel(host->self, j.n_tasks, quantize_task, &j);
        host->parallel(host->self, j.n_tasks, prefill_task, &j);
    }
}

static collet_status run(void *inst, const collet_frame *f)
{
    const matmul_op *op = inst;
    if (op->kind == MATMUL_ONE)
        run_one(&op->weight[0], f, op->mod->host);
    else
        matmul_group_run(op, f);
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

static const char *const ops[] = { COLLET_OP_MATMUL, COLLET_OP_MATMUL_GROUP, COLLET_OP_MATMUL_GLU, NULL };

#define LEVEL(level, isa, word, module_score, act, act_fine, tiles, pack_x, text)                             \
    static collet_status open_##level(const collet_host *host, const collet_value *values, uint32_t n_values, \
                                      void **mod, collet_error *err)                                          \
    {                                                                                                         \
        (void)values;                                                                                         \
        (void)n_values;                                                                                       \
        return open_level(host, COLLET_ISA_##isa, mod, err);                                                  \
    }                                                                                                         \
    const collet_module collet_cpu_matmul_##level = {                                                         \
        .size = sizeof(collet_module),                                                                        \
        .tier = COLLET_TIER_TUNED,                                                                            \
        .score = module_score,                                                                                \
        .id = "cpu.matmul." #level,                                                                           \
        .iface = COLLET_MATMUL_IFACE,                                                                         \
        .domain = "cpu",                                                                                      \
        .summary = text,                                                                                      \
        .vt = &vt,                                                                                            \
        .ops = ops,                                                                                           \
        .open = open_##level,                                                                                 \
        .close = close_mod,                                                                                   \
    };
#include "plugins/cpu/matmul/matmul_levels.inc"
#undef LEVEL
