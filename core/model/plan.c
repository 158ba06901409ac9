// SPDX-License-Identifier: Apache-2.0
// core/model/plan.c - making a plan: device, KV geometry, one recording of forward() per phase.
#include "core/model/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "core/base/error.h"
#include "core/model/plan_internal.h"

uint32_t collet_plan_count_max(const collet_plan *p, const tape *t, count_kind count)
{
    const collet_plan_opts *o = &p->opts;
    switch (count) {
    case COUNT_TOKENS:
        return t->phase == COLLET_PHASE_DECODE ? o->n_seqs_max : o->step_tokens;
    case COUNT_ROWS:
        return t->phase == COLLET_PHASE_DECODE ? o->n_seqs_max : o->rows_max;
    case COUNT_SEQS:
        return o->n_seqs_max;
    case COUNT_SEQS_1:
        return o->n_seqs_max + 1;
    default:
        return 0;
    }
}

void collet_call_desc(const collet_plan *p, const tape *t, const call *c, collet_op_desc *desc)
{
    *desc = (collet_op_desc){ .size = sizeof *desc,
                              .op = c->op_id,
                              .phase = t->phase,
                              .layer = c->layer,
                              .n_layers = collet_model_hparams(p->model)->n_layers,
                              .n_in = c->n_in,
                              .n_out = c->n_out,
                              .in = c->in,
                              .out = c->out,
                              .params = c->has_params ? &c->params : NULL };
}

const char *collet_call_name(char *out, size_t n_out, const call *c)
{
    if (c->layer >= 0)
        snprintf(out, n_out, "%s of layer %d", c->op, c->layer);
    else
        snprintf(out, n_out, "%s%s%s", c->op, c->tensor[0] ? " of " : "", c->tensor);
    return out;
}

// The device: a module of the slot `device`; the default is the machine itself.
static collet_status choose_device(collet_plan *p, collet_error *err)
{
    const collet_select_query query = { .slot = "device", .iface = COLLET_DEVICE_IFACE, .rule = { .layer = -1 } };
    collet_status st = collet_select(p->rt, &query, &p->device_choice, err);
    if (st == COLLET_OK)
        st = collet_runtime_device(p->rt, p->device_choice.module->info->domain, &p->device, err);
    if (st == COLLET_OK)
        p->device_vt = p->device->module->vt;
    return st;
}

static void kv_config(const collet_plan *p, collet_kv_config *config)
{
    const collet_hparams *h = collet_model_hparams(p->model);
    *config = (collet_kv_config){ .size = sizeof *config,
                                  .domain = p->device->domain_id,
                                  .n_layers = h->n_layers,
                                  .n_kv_heads = h->n_kv_heads,
                                  .head_dim = h->head_dim,
                                  .n_seqs_max = p->opts.n_seqs_max,
                                  .context_max = p->opts.context };
}

// kvcache modules work on any domain through host->buf_alloc, so the device's domain does not restrict them.
static collet_status choose_kv(collet_plan *p, collet_error *err)
{
    const collet_select_query query = { .slot = "kvcache", .iface = COLLET_KVCACHE_IFACE, .rule = { .layer = -1 } };
    collet_status st = collet_select(p->rt, &query, &p->kv_choice, err);
    if (st != COLLET_OK)
        return st;
    p->kv_vt = p->kv_choice.module->vt;
    collet_kv_config config;
    kv_config(p, &config);
    p->kv_geometry = (collet_kv_geometry){ .size = sizeof p->kv_geometry };
    st = p->kv_vt->describe(p->kv_choice.module->mod, &config, &p->kv_geometry, err);
    const collet_kv_geometry *g = &p->kv_geometry;
    if (st == COLLET_OK && (g->block_tokens == 0 || g->n_blocks == 0 || g->format == 0 || g->layout == 0))
        st = collet_fail(err, COLLET_E_ABI, "%s: describe() left the geometry empty", p->kv_choice.module->info->id);
    if (st == COLLET_OK)
        p->batch.n_blocks_max = (p->opts.context + g->block_tokens - 1) / g->block_tokens;
    return st;
}

static collet_status record(collet_plan *p, tape *t, uint32_t phase, collet_error *err)
{
    t->phase = phase;
    collet_step step = { .plan = p, .tape = t, .layer = -1, .err = err };
    collet_model_forward(p->model, &step);
    return step.status;
}

// One line per rule that could not be honoured, not one per layer.
static void log_fallbacks(const collet_plan *p)
{
    const collet_rule *seen[16];
    size_t n_seen = 0;
    for (int t = 0; t < N_TAPES; t++)
        for (size_t i = 0; i < p->tapes[t].n_calls; i++) {
            const call *c = p->tapes[t].calls[i];
            const collet_rule *rule = c->choice.rule;
            bool known = !c->choice.fallback || n_seen == COLLET_COUNT(seen);
            for (size_t k = 0; k < n_seen; k++)
                known = known || seen[k] == rule;
            if (known)
                continue;
            seen[n_seen++] = rule;
            collet_log_line(collet_runtime_log(p->rt), COLLET_LOG_WARN, NULL,
                            "%s:%d:%d: slots.%s: %s refused %s (%s); %s runs it instead. `collet explain` has the rest",
                            rule->file, rule->line, rule->column, c->slot, c->choice.candidates[0].module->id, c->op,
                            c->choice.candidates[0].why, c->choice.module->info->id);
        }
}

// The layout that some op packs the weight into; 0: none does.
static uint32_t packed_layout(const collet_plan *p, const collet_weight *w)
{
    for (int t = 0; t < N_TAPES; t++)
        for (size_t i = 0; i < p->tapes[t].n_calls; i++) {
            const call *c = p->tapes[t].calls[i];
            for (uint32_t k = 0; k < c->n_in; k++)
                if (c->in_from[k].kind == OPERAND_WEIGHT && c->in_from[k].weight == w && c->choice.caps.layout[k])
                    return c->choice.caps.layout[k];
        }
    return 0;
}

// A weight that one op wants packed and another reads as in the file would be held twice: the other is asked whether it
// can do with the packed form. Its module stays who it is.
static void share_packed(const collet_plan *p, const tape *t, call *c)
{
    const collet_op_vt *vt = c->choice.module->vt;
    for (uint32_t i = 0; i < c->n_in; i++) {
        if (c->in_from[i].kind != OPERAND_WEIGHT || c->choice.caps.layout[i])
            continue;
        const uint32_t layout = packed_layout(p, c->in_from[i].weight);
        if (layout == 0)
            continue;
        collet_op_desc desc;
        collet_op_caps caps = { .size = sizeof caps };
        collet_call_desc(p, t, c, &desc);
        c->in_tensor[i].layout = layout;
        if (vt->supports(c->choice.module->mod, &desc, &caps) == COLLET_OK && caps.layout[i] == layout) {
            c->choice.caps = caps;
            c->packed_by_others |= 1u << i;
        } else {
            c->in_tensor[i].layout = 0;
        }
    }
}

static collet_status select_into(collet_plan *p, collet_error *err)
{
    p->f32_id = collet_runtime_intern(p->rt, "f32");
    p->i32_id = collet_runtime_intern(p->rt, "i32");
    collet_status st = choose_device(p, err);
    if (st == COLLET_OK)
        st = choose_kv(p, err);
    if (st == COLLET_OK)
        st = record(p, &p->tapes[TAPE_PREFILL], COLLET_PHASE_PREFILL, err);
    if (st == COLLET_OK)
        st = record(p, &p->tapes[TAPE_DECODE], COLLET_PHASE_DECODE, err);
    for (int t = 0; t < N_TAPES && st == COLLET_OK; t++)
        for (size_t i = 0; i < p->tapes[t].n_calls; i++)
            share_packed(p, &p->tapes[t], p->tapes[t].calls[i]);
    if (st == COLLET_OK)
        st = collet_runtime_check_names(p->rt, err);
    if (st == COLLET_OK)
        log_fallbacks(p);
    return st;
}

collet_status collet_plan_select(collet_plan **out, collet_model *m, const collet_plan_opts *opts, collet_error *err)
{
    collet_plan *p = calloc(1, sizeof *p);
    if (!p)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the plan");
    p->model = m;
    p->rt = collet_model_runtime(m);
    p->opts = *opts;
    if (p->opts.step_tokens < p->opts.n_seqs_max)
        p->opts.step_tokens = p->opts.n_seqs_max;
    if (p->opts.rows_max < p->opts.n_seqs_max)
        p->opts.rows_max = p->opts.n_seqs_max;
    collet_status st = select_into(p, err);
    if (st == COLLET_OK)
        *out = p;
    else
        collet_plan_destroy(p);
    return st;
}

static void destroy_tape(const collet_plan *p, tape *t)
{
    const collet_host *host = collet_runtime_host(p->rt);
    for (size_t i = t->n_calls; i-- > 0;) {
        call *c = t->calls[i];
        if (c->inst)
            c->vt->destroy(c->inst);
        collet_choice_clear(&c->choice);
        free(c);
    }
    free(t->calls);
    host->buf_free(host->self, t->plan_buffer);
    if ((void *)t->plan_host != t->plan_device)
        free(t->plan_host);
}

void collet_plan_destroy(collet_plan *p)
{
    if (!p)
        return;
    const collet_host *host = collet_runtime_host(p->rt);
    if (p->device)
        p->device_vt->sync(p->device->module->mod, p->device->queue, NULL); // nothing may run on what is freed below
    for (uint32_t i = 0; i < p->n_graphs; i++)
        if (p->graphs[i].graph)
            p->device_vt->graph_destroy(p->device->module->mod, p->graphs[i].graph);
    for (int t = 0; t < N_TAPES; t++)
        destroy_tape(p, &p->tapes[t]);
    if (p->kv)
        p->kv_vt->destroy(p->kv);
    for (uint32_t i = 0; i < p->n_acts; i++)
        host->buf_free(host->self, p->acts[i].buffer);
    for (uint32_t i = 0; i < p->n_constants; i++)
        host->buf_free(host->self, p->constants[i].buffer);
    host->buf_free(host->self, p->inputs_buffer);
    host->buf_free(host->self, p->ws_buffer);
    if ((void *)p->inputs_host != p->inputs_device)
        free(p->inputs_host);
    free(p->logits_host);
    collet_choice_clear(&p->device_choice);
    collet_choice_clear(&p->kv_choice);
    collet_plan_estimate_destroy(p);
    free(p);
}

// ---- what was chosen ----

size_t collet_plan_n_rows(const collet_plan *p)
{
    return p->tapes[TAPE_PREFILL].n_calls + p->tapes[TAPE_DECODE].n_calls;
}

void collet_plan_row_at(const collet_plan *p, size_t i, collet_plan_row *row)
{
    const tape *t = &p->tapes[TAPE_PREFILL];
    if (i >= t->n_calls) {
        i -= t->n_calls;
        t = &p->tapes[TAPE_DECODE];
    }
    const call *c = t->calls[i];
    *row = (collet_plan_row){ .phase = t->phase,
                              .layer = c->layer,
                              .slot = c->slot,
                              .op = c->op,
                              .tensor = c->tensor,
                              .format = c->format,
                              .choice = &c->choice };
    for (uint32_t k = 0; k < c->n_in && row->n_weights < COLLET_MATMUL_GROUP_MAX; k++)
        if (c->in_from[k].weight) {
            row->weights[row->n_weights].tensor = c->in_from[k].weight->name;
            row->weights[row->n_weights++].format = c->in_from[k].weight->format_name;
        }
}

static void hash_text(XXH64_state_t *state, const char *text)
{
    XXH64_update(state, text, strlen(text) + 1);
}

uint64_t collet_plan_hash(const collet_plan *p)
{
    XXH64_state_t *state = XXH64_createState();
    if (!state)
        return 0;
    XXH64_reset(state, 0);
    hash_text(state, p->device_choice.module->info->id);
    hash_text(state, p->kv_choice.module->info->id);
    hash_text(state, collet_runtime_name(p->rt, p->kv_geometry.format));
    for (size_t i = 0; i < collet_plan_n_rows(p); i++) {
        collet_plan_row row;
        collet_plan_row_at(p, i, &row);
        XXH64_update(state, &row.phase, sizeof row.phase);
        XXH64_update(state, &row.layer, sizeof row.layer);
        hash_text(state, row.op);
        hash_text(state, row.format);
        hash_text(state, row.choice->module->info->id);
    }
    uint64_t hash = XXH64_digest(state);
    XXH64_freeState(state);
    return hash;
}

const collet_choice *collet_plan_device_choice(const collet_plan *p)
{
    return &p->device_choice;
}

const collet_choice *collet_plan_kv_choice(const collet_plan *p)
{
    return &p->kv_choice;
}

uint32_t collet_plan_n_fallbacks(const collet_plan *p)
{
    return p->n_fallbacks;
}

const collet_kv_geometry *collet_plan_kv(const collet_plan *p)
{
    return &p->kv_geometry;
}

const collet_plan_opts *collet_plan_limits(const collet_plan *p)
{
    return &p->opts;
}

collet_model *collet_plan_model(const collet_plan *p)
{
    return p->model;
}

void collet_plan_replays(const collet_plan *p, uint64_t *n_replays, uint64_t *n_captures)
{
    *n_replays = p->n_replays;
    *n_captures = p->n_captures;
}

uint64_t collet_plan_decode_bytes(const collet_plan *p)
{
    const tape *t = &p->tapes[TAPE_DECODE];
    uint64_t n_bytes = 0;
    for (size_t i = 0; i < t->n_calls; i++)
        for (uint32_t k = 0; k < t->calls[i]->n_in; k++)
            if (t->calls[i]->in_from[k].kind == OPERAND_WEIGHT && strcmp(t->calls[i]->op, "embed") != 0)
                n_bytes += t->calls[i]->in_from[k].weight->mapped.n_bytes;
    return n_bytes;
}
