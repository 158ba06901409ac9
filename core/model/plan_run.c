// SPDX-License-Identifier: Apache-2.0
// core/model/plan_run.c - one step: shapes, plans, inputs, then the tape or its recording. Nothing here allocates.
#include <string.h>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/model/plan_internal.h"

collet_batch *collet_plan_batch(collet_plan *p)
{
    return &p->batch;
}

const float *collet_plan_logits(const collet_plan *p)
{
    return p->logits_host ? p->logits_host : p->acts[p->logits_act].data;
}

static void set_count(collet_tensor *t, count_kind kind, const uint32_t *counts)
{
    if (kind == COUNT_FIXED)
        return;
    t->shape[0] = counts[kind];
    t->n_bytes = (uint64_t)t->shape[0] * (uint64_t)t->stride[0];
}

// Tensors keep the shapes of the last step, so decode changes nothing here.
static void set_shapes(tape *t, const uint32_t counts[N_COUNTS])
{
    if (memcmp(t->counts, counts, sizeof t->counts) == 0)
        return;
    memcpy(t->counts, counts, sizeof t->counts);
    for (size_t i = 0; i < t->n_calls; i++) {
        call *c = t->calls[i];
        for (uint32_t k = 0; k < c->n_in; k++)
            set_count(&c->in_tensor[k], c->in_from[k].count, counts);
        for (uint32_t k = 0; k < c->n_out; k++)
            set_count(&c->out_tensor[k], c->out_from[k].count, counts);
    }
}

static collet_status make_plans(collet_plan *p, tape *t, collet_error *err)
{
    if (t->plan_bytes == 0)
        return COLLET_OK;
    const collet_batch *b = &p->batch;
    const collet_step_meta meta = { .size = sizeof meta,
                                    .n_tokens = b->n_tokens,
                                    .n_seqs = b->n_seqs,
                                    .n_blocks_max = b->n_blocks_max,
                                    .q_start = b->q_start,
                                    .kv_len = b->kv_len,
                                    .block_table = b->block_table };
    for (size_t i = 0; i < t->n_calls; i++) {
        call *c = t->calls[i];
        if (c->plan_bytes == 0 || !c->vt->plan || (c->of_rows && b->n_rows == 0))
            continue;
        c->frame.plan = t->plan_host + c->plan_at;
        c->frame.step = p->step;
        c->frame.err = err;
        collet_status st = c->vt->plan(c->inst, &c->frame, &meta);
        if (st != COLLET_OK)
            return st;
    }
    return COLLET_OK;
}

static collet_status send_inputs(collet_plan *p, const tape *t, collet_error *err)
{
    if (p->device->info.host_visible)
        return COLLET_OK;
    const collet_module_handle *d = p->device->module;
    collet_status st = p->device_vt->copy(d->mod, p->device->queue, COLLET_COPY_TO_DEVICE, p->inputs_device,
                                          p->inputs_host, p->inputs_bytes, err);
    if (st == COLLET_OK && t->plan_bytes > 0)
        st = p->device_vt->copy(d->mod, p->device->queue, COLLET_COPY_TO_DEVICE, t->plan_device, t->plan_host,
                                t->plan_bytes, err);
    return st;
}

static collet_status run_tape(collet_plan *p, tape *t, collet_error *err)
{
    const bool no_rows = p->batch.n_rows == 0;
    for (size_t i = 0; i < t->n_calls; i++) {
        call *c = t->calls[i];
        if (no_rows && c->of_rows)
            continue;
        c->frame.ws = p->ws;
        c->frame.plan = c->plan_bytes ? (uint8_t *)t->plan_device + c->plan_at : NULL;
        c->frame.step = p->step;
        c->frame.err = err;
        const double begin = p->timing ? collet_now_s() : 0.0;
        collet_status st = c->vt->run(c->inst, &c->frame);
        if (p->timing)
            collet_call_count(p, c, collet_now_s() - begin);
        if (st != COLLET_OK) {
            collet_error inner = COLLET_ERROR_INIT;
            char name[96];
            if (err)
                inner = *err;
            return collet_fail(err, st, "%s: %s: %s", c->choice.module->info->id,
                               collet_call_name(name, sizeof name, c),
                               inner.msg[0] ? inner.msg : collet_status_name(st));
        }
    }
    return COLLET_OK;
}

static graph *find_graph(collet_plan *p)
{
    const collet_batch *b = &p->batch;
    for (uint32_t i = 0; i < p->n_graphs; i++) {
        graph *g = &p->graphs[i];
        if (g->n_tokens == b->n_tokens && g->n_rows == b->n_rows && g->n_seqs == b->n_seqs)
            return g;
    }
    return NULL;
}

// Ends a recording; when its ops were not all recorded (st), what there is of it is thrown away.
static collet_status capture_end(const collet_plan *p, void **graph, collet_status st, collet_error *err)
{
    void *mod = p->device->module->mod;
    if (st == COLLET_OK)
        return p->device_vt->capture_end(mod, p->device->queue, graph, err);
    if (p->device_vt->capture_end(mod, p->device->queue, graph, NULL) == COLLET_OK)
        p->device_vt->graph_destroy(mod, *graph);
    return st;
}

// The first step of a shape runs op by op (and so warms everything up), the second is recorded, the others replay.
static collet_status run_captured(collet_plan *p, tape *t, collet_error *err)
{
    const collet_batch *b = &p->batch;
    graph *g = find_graph(p);
    if (!g) {
        if (p->n_graphs < GRAPHS_MAX)
            p->graphs[p->n_graphs++] = (graph){ .n_tokens = b->n_tokens, .n_rows = b->n_rows, .n_seqs = b->n_seqs };
        return run_tape(p, t, err);
    }
    void *mod = p->device->module->mod;
    collet_status st = COLLET_OK;
    if (!g->graph) {
        st = p->device_vt->capture_begin(mod, p->device->queue, err);
        if (st != COLLET_OK)
            return st;
        void *made = NULL;
        st = run_tape(p, t, err);
        collet_status ended = capture_end(p, &made, st, err); // in any case: the queue has to leave its recording
        if (ended != COLLET_OK)
            return ended;
        g->graph = made;
        p->n_captures++;
    }
    p->n_replays++;
    return p->device_vt->graph_launch(mod, p->device->queue, g->graph, err);
}

collet_status collet_plan_run(collet_plan *p, collet_error *err)
{
    collet_batch *b = &p->batch;
    tape *t = &p->tapes[b->n_tokens == b->n_seqs && b->n_tokens <= p->opts.n_seqs_max ? TAPE_DECODE : TAPE_PREFILL];
    const uint32_t counts[N_COUNTS] = {
        [COUNT_TOKENS] = b->n_tokens, [COUNT_ROWS] = b->n_rows, [COUNT_SEQS] = b->n_seqs, [COUNT_SEQS_1] = b->n_seqs + 1
    };
    set_shapes(t, counts);
    collet_status st = make_plans(p, t, err);
    if (st == COLLET_OK)
        st = send_inputs(p, t, err);
    if (st == COLLET_OK)
        st = t->capturable && !p->timing ? run_captured(p, t, err) : run_tape(p, t, err);
    if (st == COLLET_OK && p->logits_host && b->n_rows > 0)
        st = p->device_vt->copy(p->device->module->mod, p->device->queue, COLLET_COPY_TO_HOST, p->logits_host,
                                p->acts[p->logits_act].data,
                                (uint64_t)b->n_rows * p->acts[p->logits_act].row_elems * sizeof(float), err);
    // After an error too: the next step writes the inputs that a queue may still be reading.
    collet_status synced = p->device_vt->sync(p->device->module->mod, p->device->queue, st == COLLET_OK ? err : NULL);
    st = st == COLLET_OK ? synced : st;
    p->step++;
    return st;
}
