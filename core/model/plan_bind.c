// SPDX-License-Identifier: Apache-2.0
// core/model/plan_bind.c - memory, packed weights, instances: everything that may fail before the first step.
#include <stdlib.h>
#include <string.h>

#include "core/base/arith.h"
#include "core/base/error.h"
#include "core/model/plan_internal.h"

#define ALIGN 64u

static uint64_t aligned(uint64_t n_bytes)
{
    return (n_bytes + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
}

// ---- activations, constants, inputs ----

static collet_status make_acts(collet_plan *p, collet_error *err)
{
    collet_status st = COLLET_OK;
    for (uint32_t i = 0; i < p->n_acts && st == COLLET_OK; i++) {
        act *a = &p->acts[i];
        if (!a->used)
            continue;
        uint64_t rows = a->rows == COLLET_ROWS_LOGITS ? p->opts.rows_max : p->opts.step_tokens, n_bytes;
        if (!collet_mul_u64(rows, a->row_elems, &n_bytes) || !collet_mul_u64(n_bytes, 4, &n_bytes))
            return collet_fail(err, COLLET_E_NOMEM, "activation %s is too large", a->name);
        st = collet_plan_buffer(p, n_bytes, i == p->logits_act ? "logits" : "activations", &a->buffer, &a->data, err);
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
        st = collet_plan_buffer(p, c->host->n_bytes, "constants", &c->buffer, &c->tensor.data, err);
        if (st == COLLET_OK)
            st = collet_plan_to_device(p, c->tensor.data, c->host->data, c->host->n_bytes, err);
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
    collet_status st = collet_plan_buffer(p, p->inputs_bytes, "step inputs", &p->inputs_buffer, &p->inputs_device, err);
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
    void *data = NULL;
    if (p->estimate)
        return collet_plan_estimate_buffer(p, p->kv_geometry.n_bytes, "kv cache", &data, err);
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
    case OPERAND_WEIGHT: {
        const collet_weight_form *form = collet_weight_find_form(from->weight, layout, p->device->domain_id);
        if (form)
            *t = form->tensor;
        else
            t->data = from->weight->mapped.data; // made since the recording, when quantized while loading
        return COLLET_OK;
    }
    case OPERAND_KEYS:
    case OPERAND_VALUES: {
        if (p->estimate)
            return COLLET_OK; // as recorded: shape, format and layout, no data
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
        char name[96];
        if (err)
            inner = *err;
        return collet_fail(err, st, "%s: %s: %s", m->info->id, collet_call_name(name, sizeof name, c), inner.msg);
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
    st = collet_plan_buffer(p, t->plan_bytes, "op plans", &t->plan_buffer, &t->plan_device, err);
    if (st != COLLET_OK)
        return st;
    t->plan_host = p->device->info.host_visible ? t->plan_device : calloc(1, t->plan_bytes);
    return t->plan_host ? COLLET_OK : collet_fail(err, COLLET_E_NOMEM, "no memory for the ops' plans");
}

collet_status collet_plan_bind_all(collet_plan *p, collet_error *err)
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
            st = collet_plan_want_forms(p, c, err);
        }
    if (st == COLLET_OK && !p->estimate)
        st = collet_plan_make_weights(p, err);
    for (int t = 0; t < N_TAPES && st == COLLET_OK; t++)
        st = bind_tape(p, &p->tapes[t], err);
    if (st == COLLET_OK && p->ws_bytes > 0)
        st = collet_plan_buffer(p, p->ws_bytes, "workspace", &p->ws_buffer, &p->ws, err);
    if (st == COLLET_OK)
        st = collet_plan_wait(p, err);
    if (st == COLLET_OK)
        st = collet_runtime_check_names(p->rt, err);
    return st;
}

collet_status collet_plan_bind(collet_plan *p, collet_error *err)
{
    collet_status st = collet_plan_bind_all(p, err);
    p->bound = st == COLLET_OK;
    return st;
}
