// SPDX-License-Identifier: Apache-2.0
// core/model/plan_bind.c - memory, packed weights, instances: everything that may fail before the first step.
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/arith.h"
#include "core/base/error.h"
#include "core/model/plan_internal.h"

#define ALIGN 64u
#define PACK_TASK_BYTES \
    (256u << 10) // canonical bytes per packing task: small enough to balance, large enough to stream

static uint64_t aligned(uint64_t n_bytes)
{
    return (n_bytes + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
}

static collet_status buffer(collet_plan *p, uint64_t n_bytes, const char *tag, collet_buffer **buf, void **data,
                            collet_error *err)
{
    const collet_host *host = collet_runtime_host(p->rt);
    return host->buf_alloc(host->self, p->device->domain_id, n_bytes, tag, buf, data, err);
}

static collet_status to_device(collet_plan *p, void *dst, const void *src, uint64_t n_bytes, collet_error *err)
{
    return p->device_vt->copy(p->device->module->mod, p->device->queue, COLLET_COPY_TO_DEVICE, dst, src, n_bytes, err);
}

static collet_status wait_device(collet_plan *p, collet_error *err)
{
    return p->device_vt->sync(p->device->module->mod, p->device->queue, err);
}

// ---- activations, constants, inputs ----

static collet_status make_acts(collet_plan *p, collet_error *err)
{
    collet_status st = COLLET_OK;
    for (uint32_t i = 0; i < p->n_acts && st == COLLET_OK; i++) {
        act *a = &p->acts[i];
        uint64_t rows = a->rows == COLLET_ROWS_LOGITS ? p->opts.rows_max : p->opts.step_tokens, n_bytes;
        if (!collet_mul_u64(rows, a->row_elems, &n_bytes) || !collet_mul_u64(n_bytes, 4, &n_bytes))
            return collet_fail(err, COLLET_E_NOMEM, "activation %s is too large", a->name);
        st = buffer(p, n_bytes, i == p->logits_act ? "logits" : "activations", &a->buffer, &a->data, err);
        if (st == COLLET_OK && i == p->logits_act && !p->device->info.host_visible) {
            p->logits_host = malloc(n_bytes);
            if (!p->logits_host)
                st = collet_fail(err, COLLET_E_NOMEM, "no memory for the logits");
        }
    }
    return st;
}

static collet_status make_constants(collet_plan *p, collet_error *err)
{
    collet_status st = COLLET_OK;
    for (uint32_t i = 0; i < p->n_constants && st == COLLET_OK; i++) {
        constant *c = &p->constants[i];
        if (p->device->info.host_visible) {
            c->tensor.data = c->host->data;
            continue;
        }
        st = buffer(p, c->host->n_bytes, "constants", &c->buffer, &c->tensor.data, err);
        if (st == COLLET_OK)
            st = to_device(p, c->tensor.data, c->host->data, c->host->n_bytes, err);
    }
    return st;
}

static collet_status make_inputs(collet_plan *p, collet_error *err)
{
    const collet_plan_opts *o = &p->opts;
    const uint64_t counts[COLLET_N_INPUTS] = { o->step_tokens,
                                               o->step_tokens,
                                               o->step_tokens,
                                               o->rows_max,
                                               o->n_seqs_max + 1,
                                               o->n_seqs_max,
                                               (uint64_t)o->n_seqs_max * p->batch.n_blocks_max };
    for (uint32_t i = 0; i < COLLET_N_INPUTS; i++) {
        p->inputs_at[i] = p->inputs_bytes;
        p->inputs_bytes += aligned(counts[i] * sizeof(int32_t));
    }
    collet_status st = buffer(p, p->inputs_bytes, "step inputs", &p->inputs_buffer, &p->inputs_device, err);
    if (st != COLLET_OK)
        return st;
    p->inputs_host = p->device->info.host_visible ? p->inputs_device : calloc(1, p->inputs_bytes);
    if (!p->inputs_host)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the step's inputs");
    int32_t **const views[COLLET_N_INPUTS] = { &p->batch.tokens,     &p->batch.positions, &p->batch.slots,
                                               &p->batch.rows,       &p->batch.q_start,   &p->batch.kv_len,
                                               &p->batch.block_table };
    for (uint32_t i = 0; i < COLLET_N_INPUTS; i++)
        *views[i] = (int32_t *)(void *)(p->inputs_host + p->inputs_at[i]);
    return COLLET_OK;
}

static collet_status make_kv(collet_plan *p, collet_error *err)
{
    const collet_hparams *h = collet_model_hparams(p->model);
    const collet_kv_config config = { .size = sizeof config,
                                      .domain = p->device->domain_id,
                                      .n_layers = h->n_layers,
                                      .n_kv_heads = h->n_kv_heads,
                                      .head_dim = h->head_dim,
                                      .n_seqs_max = p->opts.n_seqs_max,
                                      .context_max = p->opts.context };
    return p->kv_vt->create(p->kv_choice.module->mod, &config, &p->kv, err);
}

// ---- weights ----

static collet_weight_form *find_form(collet_weight *w, uint32_t layout, uint32_t domain)
{
    for (uint32_t i = 0; i < w->n_forms; i++)
        if (w->forms[i].layout == layout && w->forms[i].tensor.domain == domain)
            return &w->forms[i];
    return NULL;
}

// Makes the record and the memory of a form; its contents come later, all forms at once.
static collet_status add_form(collet_plan *p, collet_weight *w, const call *c, uint32_t layout, collet_error *err)
{
    if (w->n_forms == COLLET_WEIGHT_FORMS_MAX)
        return collet_fail(err, COLLET_E_UNSUPPORTED, "%s: more than %d packed forms of one weight", w->name,
                           COLLET_WEIGHT_FORMS_MAX);
    collet_weight_form form = { .layout = layout, .tensor = w->mapped, .row_group = 1 };
    form.tensor.domain = p->device->domain_id;
    form.tensor.layout = layout;
    form.tensor.data = NULL;
    collet_status st = COLLET_OK;
    if (layout) {
        form.module = c->choice.module;
        if (!c->vt->pack_size || !c->vt->pack)
            return collet_fail(err, COLLET_E_ABI, "%s wants a packed layout but has no pack()",
                               c->choice.module->info->id);
        st = c->vt->pack_size(form.module->mod, &w->mapped, layout, &form.tensor.n_bytes, &form.row_group, err);
        if (st == COLLET_OK && form.row_group == 0)
            st = collet_fail(err, COLLET_E_ABI, "%s: pack_size() gave a row group of 0", c->choice.module->info->id);
    }
    if (st == COLLET_OK)
        st = buffer(p, form.tensor.n_bytes, layout ? "weights, packed" : "weights, copied", &form.buffer,
                    &form.tensor.data, err);
    if (st == COLLET_OK)
        w->forms[w->n_forms++] = form;
    return st;
}

static collet_status want_forms(collet_plan *p, call *c, collet_error *err)
{
    for (uint32_t i = 0; i < c->n_in; i++) {
        if (c->in_from[i].kind != OPERAND_WEIGHT)
            continue;
        collet_weight *w = c->in_from[i].weight;
        uint32_t layout = c->choice.caps.layout[i];
        if (layout == 0 && p->device->info.host_visible) {
            w->canonical_needed = true;
            continue;
        }
        if (find_form(w, layout, p->device->domain_id))
            continue;
        collet_status st = add_form(p, w, c, layout, err);
        if (st != COLLET_OK)
            return st;
    }
    return COLLET_OK;
}

typedef struct pack_task {
    const collet_weight *weight;
    const collet_weight_form *form;
    const collet_tensor *target;
    uint32_t row_begin, row_end;
} pack_task;

typedef struct packing {
    pack_task *tasks;
    size_t n_tasks, capacity;
    atomic_bool failed; // set by the first task that fails, which then owns the two below
    const pack_task *culprit;
    collet_error err;
} packing;

static collet_status add_task(packing *work, const pack_task *task, collet_error *err)
{
    if (work->n_tasks == work->capacity) {
        size_t capacity = work->capacity ? 2 * work->capacity : 256;
        pack_task *grown = realloc(work->tasks, capacity * sizeof *grown);
        if (!grown)
            return collet_fail(err, COLLET_E_NOMEM, "no memory to pack the weights");
        work->tasks = grown;
        work->capacity = capacity;
    }
    work->tasks[work->n_tasks++] = *task;
    return COLLET_OK;
}

static void run_pack_task(void *ctx, uint32_t index, uint32_t worker)
{
    (void)worker;
    packing *work = ctx;
    const pack_task *t = &work->tasks[index];
    const collet_op_vt *vt = t->form->module->vt;
    collet_error err = COLLET_ERROR_INIT;
    collet_status st = vt->pack(t->form->module->mod, &t->weight->mapped, t->target, t->row_begin, t->row_end, &err);
    if (st != COLLET_OK && !atomic_exchange(&work->failed, true)) {
        collet_fail(&work->err, st, "%s", err.msg[0] ? err.msg : collet_status_name(st));
        work->culprit = t;
    }
}

static collet_status split_rows(packing *work, const collet_weight *w, const collet_weight_form *form,
                                const collet_tensor *target, collet_error *err)
{
    uint64_t n_rows = w->mapped.n_dims > 1 ? (uint64_t)w->mapped.shape[0] : 1;
    uint64_t row_bytes = w->mapped.n_bytes / n_rows;
    uint64_t step = PACK_TASK_BYTES / (row_bytes ? row_bytes : 1) / form->row_group * form->row_group;
    if (step == 0)
        step = form->row_group;
    collet_status st = COLLET_OK;
    for (uint64_t row = 0; row < n_rows && st == COLLET_OK; row += step) {
        const pack_task task = { w, form, target, (uint32_t)row,
                                 (uint32_t)(row + step < n_rows ? row + step : n_rows) };
        st = add_task(work, &task, err);
    }
    return st;
}

// Tells the kernel that the mapped bytes of a packed weight will not be read again: they leave the resident set, and
// stay in the page cache for the next start.
static void release_mapped(const collet_weight *w)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)w->mapped.data + page - 1) & ~(page - 1);
    uintptr_t end = ((uintptr_t)w->mapped.data + w->mapped.n_bytes) & ~(page - 1);
    if (end > begin)
        madvise((void *)begin, end - begin, MADV_DONTNEED);
}

typedef collet_status (*weight_fn)(collet_plan *p, collet_weight *w, void *ctx, collet_error *err);

static collet_status each_weight(collet_plan *p, weight_fn fn, void *ctx, collet_error *err)
{
    collet_status st = COLLET_OK;
    for (int t = 0; t < N_TAPES; t++)
        for (size_t i = 0; i < p->tapes[t].n_calls && st == COLLET_OK; i++) {
            call *c = p->tapes[t].calls[i];
            for (uint32_t k = 0; k < c->n_in && st == COLLET_OK; k++)
                if (c->in_from[k].kind == OPERAND_WEIGHT)
                    st = fn(p, c->in_from[k].weight, ctx, err);
        }
    return st;
}

static collet_status plan_packing(collet_plan *p, collet_weight *w, void *ctx, collet_error *err)
{
    packing *work = ctx;
    collet_status st = COLLET_OK;
    for (uint32_t i = 0; i < w->n_forms && st == COLLET_OK; i++) {
        collet_weight_form *form = &w->forms[i];
        if (form->begun || form->tensor.domain != p->device->domain_id)
            continue;
        form->begun = true;
        if (form->layout == 0)
            st = to_device(p, form->tensor.data, w->mapped.data, w->mapped.n_bytes, err);
        else if (p->device->info.host_visible)
            st = split_rows(work, w, form, &form->tensor, err);
        else
            st = collet_fail(err, COLLET_E_UNSUPPORTED, "%s: packing for the domain %s is not in this version", w->name,
                             p->device->domain);
    }
    return st;
}

// A form that did not come out whole is made again by the model's next plan.
static collet_status settle_forms(collet_plan *p, collet_weight *w, void *ctx, collet_error *err)
{
    const collet_status *made = ctx;
    (void)err;
    for (uint32_t i = 0; i < w->n_forms; i++) {
        collet_weight_form *form = &w->forms[i];
        if (form->tensor.domain == p->device->domain_id && form->begun && !form->ready)
            form->begun = form->ready = *made == COLLET_OK;
    }
    return COLLET_OK;
}

static collet_status release_unused(collet_plan *p, collet_weight *w, void *ctx, collet_error *err)
{
    (void)p;
    (void)ctx;
    (void)err;
    if (w->n_forms > 0 && w->mapped.n_bytes >= PACK_TASK_BYTES)
        release_mapped(w); // rows of an embedding that is packed too come back one page at a time
    return COLLET_OK;
}

static collet_status pack_weights(collet_plan *p, collet_error *err)
{
    packing work = { .err = COLLET_ERROR_INIT };
    collet_status st = each_weight(p, plan_packing, &work, err);
    if (st == COLLET_OK && work.n_tasks > 0) {
        collet_pool_run(collet_runtime_pool(p->rt), (uint32_t)work.n_tasks, run_pack_task, &work);
        if (work.culprit)
            st = collet_fail(err, work.err.code, "%s: packing %s: %s", work.culprit->form->module->info->id,
                             work.culprit->weight->name, work.err.msg);
    }
    free(work.tasks);
    if (st == COLLET_OK)
        st = wait_device(p, err);
    each_weight(p, settle_forms, &st, NULL);
    return st == COLLET_OK ? each_weight(p, release_unused, NULL, err) : st;
}

// ---- instances ----

static collet_status bind_operand(collet_plan *p, const operand *from, uint32_t layout, collet_tensor *t,
                                  collet_error *err)
{
    switch (from->kind) {
    case OPERAND_ACT:
        t->data = p->acts[from->id].data;
        return COLLET_OK;
    case OPERAND_INPUT:
        t->data = (uint8_t *)p->inputs_device + p->inputs_at[from->id];
        return COLLET_OK;
    case OPERAND_CONSTANT:
        *t = p->constants[from->id].tensor;
        return COLLET_OK;
    case OPERAND_WEIGHT:
        if (layout != 0 || !p->device->info.host_visible)
            *t = find_form(from->weight, layout, p->device->domain_id)->tensor;
        return COLLET_OK;
    case OPERAND_KEYS:
    case OPERAND_VALUES: {
        collet_tensor k = { .size = sizeof k }, v = { .size = sizeof v };
        collet_status st = p->kv_vt->views(p->kv, from->id, &k, &v, err);
        if (st == COLLET_OK)
            *t = from->kind == OPERAND_KEYS ? k : v;
        return st;
    }
    }
    return COLLET_OK;
}

static collet_status bind_call(collet_plan *p, tape *t, call *c, collet_error *err)
{
    collet_status st = COLLET_OK;
    for (uint32_t i = 0; i < c->n_in && st == COLLET_OK; i++)
        st = bind_operand(p, &c->in_from[i], c->choice.caps.layout[i], &c->in_tensor[i], err);
    for (uint32_t i = 0; i < c->n_out && st == COLLET_OK; i++)
        st = bind_operand(p, &c->out_from[i], 0, &c->out_tensor[i], err);
    collet_op_desc desc;
    collet_call_desc(p, t, c, &desc);
    const collet_module_handle *m = c->choice.module;
    if (st == COLLET_OK)
        st = c->vt->create(m->mod, &desc, &c->inst, err);
    uint64_t ws_bytes = 0, plan_bytes = 0;
    if (st != COLLET_OK)
        c->inst = NULL; // what a failed create() left there is nothing to destroy
    if (st == COLLET_OK && c->vt->prepare)
        st = c->vt->prepare(c->inst, &desc, &ws_bytes, &plan_bytes, err);
    if (st != COLLET_OK) {
        collet_error inner = COLLET_ERROR_INIT;
        if (err)
            inner = *err;
        return collet_fail(err, st, "%s: %s of layer %d: %s", m->info->id, c->op, c->layer, inner.msg);
    }
    if (ws_bytes > p->ws_bytes)
        p->ws_bytes = ws_bytes;
    c->plan_at = t->plan_bytes;
    c->plan_bytes = plan_bytes;
    t->plan_bytes += aligned(plan_bytes);
    c->frame = (collet_frame){ .size = sizeof c->frame,
                               .n_in = c->n_in,
                               .n_out = c->n_out,
                               .queue = p->device->queue,
                               .in = c->in,
                               .out = c->out,
                               .ws_bytes = ws_bytes,
                               .plan_bytes = plan_bytes };
    return COLLET_OK;
}

static collet_status bind_tape(collet_plan *p, tape *t, collet_error *err)
{
    collet_status st = COLLET_OK;
    t->capturable = p->device_vt->capture_begin != NULL && t->phase == COLLET_PHASE_DECODE;
    for (size_t i = 0; i < t->n_calls && st == COLLET_OK; i++) {
        st = bind_call(p, t, t->calls[i], err);
        if (t->calls[i]->choice.caps.capture < COLLET_CAPTURE_UNIFORM)
            t->capturable = false;
    }
    if (st != COLLET_OK || t->plan_bytes == 0)
        return st;
    st = buffer(p, t->plan_bytes, "op plans", &t->plan_buffer, &t->plan_device, err);
    if (st != COLLET_OK)
        return st;
    t->plan_host = p->device->info.host_visible ? t->plan_device : calloc(1, t->plan_bytes);
    return t->plan_host ? COLLET_OK : collet_fail(err, COLLET_E_NOMEM, "no memory for the ops' plans");
}

collet_status collet_plan_bind(collet_plan *p, collet_error *err)
{
    collet_status st = make_acts(p, err);
    if (st == COLLET_OK)
        st = make_constants(p, err);
    if (st == COLLET_OK)
        st = make_inputs(p, err);
    if (st == COLLET_OK)
        st = make_kv(p, err);
    for (int t = 0; t < N_TAPES; t++)
        for (size_t i = 0; i < p->tapes[t].n_calls && st == COLLET_OK; i++) {
            call *c = p->tapes[t].calls[i];
            c->vt = c->choice.module->vt;
            st = want_forms(p, c, err);
        }
    if (st == COLLET_OK)
        st = pack_weights(p, err);
    for (int t = 0; t < N_TAPES && st == COLLET_OK; t++)
        st = bind_tape(p, &p->tapes[t], err);
    if (st == COLLET_OK && p->ws_bytes > 0)
        st = buffer(p, p->ws_bytes, "workspace", &p->ws_buffer, &p->ws, err);
    if (st == COLLET_OK)
        st = wait_device(p, err);
    if (st == COLLET_OK)
        st = collet_runtime_check_names(p->rt, err);
    p->bound = st == COLLET_OK;
    return st;
}
