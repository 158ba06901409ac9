// SPDX-License-Identifier: Apache-2.0
// core/model/plan_weights.c - weights as the chosen modules want them: packed, copied, quantized while loading.
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/text.h"
#include "core/model/isq.h"
#include "core/model/plan_internal.h"

// Norms and biases that ops read as they are in the file are copied: a fault on one maps the 64 KiB to 2 MiB of
// matrices around it too, 22 MiB in all of a 400 MiB file.
#define SMALL_BYTES_MAX (256u << 10)
#define PACK_TASK_BYTES \
    (256u << 10) // canonical bytes per packing task: small enough to balance, large enough to stream

collet_status collet_plan_buffer(collet_plan *p, uint64_t n_bytes, const char *tag, collet_buffer **buf, void **data,
                                 collet_error *err)
{
    const collet_host *host = collet_runtime_host(p->rt);
    if (p->estimate)
        return collet_plan_estimate_buffer(p, n_bytes, tag, data, err);
    return host->buf_alloc(host->self, p->device->domain_id, n_bytes, tag, buf, data, err);
}

collet_status collet_plan_to_device(collet_plan *p, void *dst, const void *src, uint64_t n_bytes, collet_error *err)
{
    if (p->estimate)
        return COLLET_OK;
    return p->device_vt->copy(p->device->module->mod, p->device->queue, COLLET_COPY_TO_DEVICE, dst, src, n_bytes, err);
}

collet_status collet_plan_wait(collet_plan *p, collet_error *err)
{
    return p->device_vt->sync(p->device->module->mod, p->device->queue, err);
}

// ---- forms ----

collet_weight_form *collet_weight_find_form(collet_weight *w, uint32_t layout, uint32_t domain)
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
        st = collet_plan_buffer(p, form.tensor.n_bytes, layout ? "weights, packed" : "weights, copied", &form.buffer,
                                &form.tensor.data, err);
    if (st == COLLET_OK)
        w->forms[w->n_forms++] = form;
    return st;
}

// The mapped bytes themselves; of a weight that is quantized while loading, memory for them.
static collet_status want_canonical(collet_plan *p, collet_weight *w, collet_error *err)
{
    w->canonical_needed = true;
    if (w->mapped.data)
        return COLLET_OK;
    return collet_plan_buffer(p, w->mapped.n_bytes, "weights, quantized", &w->buffer, &w->mapped.data, err);
}

collet_status collet_plan_want_forms(collet_plan *p, call *c, collet_error *err)
{
    for (uint32_t i = 0; i < c->n_in; i++) {
        if (c->in_from[i].kind != OPERAND_WEIGHT)
            continue;
        collet_weight *w = c->in_from[i].weight;
        if (c->packed_by_others >> i & 1)
            continue;
        uint32_t layout = c->choice.caps.layout[i];
        const bool is_small = !w->source && w->mapped.n_bytes <= SMALL_BYTES_MAX;
        if (layout == 0 && p->device->info.host_visible && !is_small) {
            collet_status st = want_canonical(p, w, err);
            if (st != COLLET_OK)
                return st;
            continue;
        }
        if (collet_weight_find_form(w, layout, p->device->domain_id))
            continue;
        collet_status st = add_form(p, w, c, layout, err);
        if (st != COLLET_OK)
            return st;
    }
    return COLLET_OK;
}

// ---- contents ----

typedef struct pack_task {
    const collet_weight *weight;
    const collet_weight_form *form; // NULL: quantizes the rows, for all forms that are under way
    uint32_t row_begin, row_end;
} pack_task;

typedef struct scratch { // of one worker: a band of rows before and after quantizing
    float *values;
    uint8_t *blocks;
} scratch;

typedef struct packing {
    collet_plan *plan;
    pack_task *tasks;
    size_t n_tasks, capacity;
    atomic_bool failed; // set by the first task that fails, which then owns the two below
    const pack_task *culprit;
    collet_error err;

    scratch *scratch;                    // one per worker; NULL when nothing is quantized
    uint64_t n_values_max, n_blocks_max; // of a band: floats, bytes
    uint64_t n_elements;                 // to be quantized
    _Atomic uint64_t n_done;             // of them
    double begin_s, told_s;
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

static collet_status pack_rows(const pack_task *t, const collet_weight_form *form, const collet_tensor *from,
                               collet_error *err)
{
    const collet_op_vt *vt = form->module->vt;
    collet_error why = COLLET_ERROR_INIT;
    collet_status st = vt->pack(form->module->mod, from, &form->tensor, t->row_begin, t->row_end, &why);
    if (st != COLLET_OK)
        return collet_fail(err, st, "%s: packing %s: %s", form->module->info->id, t->weight->name,
                           why.msg[0] ? why.msg : collet_status_name(st));
    return COLLET_OK;
}

static bool under_way(const collet_plan *p, const collet_weight_form *form)
{
    return form->begun && !form->ready && form->tensor.domain == p->device->domain_id;
}

// A line that the terminal overwrites, ten times a second, from one thread.
static void tell_progress(packing *work, uint32_t worker, uint64_t n_elements)
{
    const uint64_t n_done = atomic_fetch_add_explicit(&work->n_done, n_elements, memory_order_relaxed) + n_elements;
    if (worker != 0)
        return;
    const double now_s = collet_now_s();
    if (now_s - work->told_s < 0.1)
        return;
    work->told_s = now_s;
    collet_log_progress(collet_runtime_log(work->plan->rt), "isq: %3.0f %%",
                        100.0 * (double)n_done / (double)work->n_elements);
}

// A band of rows of a weight that is quantized while loading: made once, then packed for everyone who asked. The packer
// sees the band where it would lie in the whole weight.
static collet_status quantize_rows(packing *work, const pack_task *t, uint32_t worker, collet_error *err)
{
    const collet_weight *w = t->weight;
    const uint64_t row_bytes = collet_isq_row_bytes(w), at = t->row_begin * row_bytes;
    const bool in_place = w->buffer && !w->buffer_ready;
    uint8_t *blocks = in_place ? (uint8_t *)w->mapped.data + at : work->scratch[worker].blocks;
    collet_status st = collet_isq_make_rows(w, t->row_begin, t->row_end, work->scratch[worker].values, blocks, err);
    collet_tensor band = w->mapped;
    band.data = (void *)((uintptr_t)blocks - at);
    for (uint32_t i = 0; i < w->n_forms && st == COLLET_OK; i++)
        if (w->forms[i].layout && under_way(work->plan, &w->forms[i]))
            st = pack_rows(t, &w->forms[i], &band, err);
    if (st == COLLET_OK)
        tell_progress(work, worker, (t->row_end - t->row_begin) * (uint64_t)w->source->from->dims[0]);
    return st;
}

// Rows of the file, packed. Their pages are given back at once: loading needs the packed weights and little more.
static collet_status pack_mapped(const pack_task *t, collet_error *err)
{
    const collet_tensor *from = &t->weight->mapped;
    collet_status st = pack_rows(t, t->form, from, err);
    if (from->n_dims == 2 && from->stride[0] > 0)
        collet_file_forget((const uint8_t *)from->data + (uint64_t)from->stride[0] * t->row_begin,
                           (uint64_t)from->stride[0] * (t->row_end - t->row_begin));
    return st;
}

static void run_pack_task(void *ctx, uint32_t index, uint32_t worker)
{
    packing *work = ctx;
    const pack_task *t = &work->tasks[index];
    collet_error err = COLLET_ERROR_INIT;
    if (atomic_load_explicit(&work->failed, memory_order_relaxed))
        return;
    collet_status st = COLLET_OK;
    if (collet_runtime_cancelled(work->plan->rt))
        st = collet_fail(&err, COLLET_E_CANCELLED, "interrupted while the weights were made");
    else
        st = t->form ? pack_mapped(t, &err) : quantize_rows(work, t, worker, &err);
    if (st != COLLET_OK && !atomic_exchange(&work->failed, true)) {
        work->err = err;
        work->culprit = t;
    }
}

// Rows of a task that packs from the file.
static uint64_t task_rows(const collet_weight *w, const collet_weight_form *form, uint64_t n_rows)
{
    const uint64_t row_bytes = w->mapped.n_bytes / n_rows;
    const uint64_t rows = PACK_TASK_BYTES / (row_bytes ? row_bytes : 1) / form->row_group * form->row_group;
    return rows ? rows : form->row_group;
}

static collet_status split_rows(packing *work, const collet_weight *w, const collet_weight_form *form,
                                collet_error *err)
{
    const uint64_t n_rows = w->mapped.n_dims > 1 ? (uint64_t)w->mapped.shape[0] : 1;
    const uint64_t step = task_rows(w, form, n_rows);
    collet_status st = COLLET_OK;
    for (uint64_t row = 0; row < n_rows && st == COLLET_OK; row += step) {
        const pack_task task = { w, form, (uint32_t)row, (uint32_t)(row + step < n_rows ? row + step : n_rows) };
        st = add_task(work, &task, err);
    }
    return st;
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

static uint64_t common_multiple(uint64_t a, uint64_t b)
{
    uint64_t x = a, y = b;
    while (y) {
        const uint64_t rest = x % y;
        x = y;
        y = rest;
    }
    return a / x * b;
}

// Rows of a band of a weight that is quantized while loading: whole row groups.
static uint64_t band_rows(const collet_weight *w, uint64_t group)
{
    const uint64_t rows = COLLET_ISQ_BAND_ELEMS / w->source->from->dims[0] / group * group;
    return rows ? rows : group;
}

// Bands of a weight that is quantized while loading: whole row groups of every form that it will be packed into.
static collet_status split_bands(packing *work, const collet_weight *w, collet_error *err)
{
    const uint64_t n_rows = collet_isq_n_rows(w), n_in = w->source->from->dims[0];
    uint64_t group = 1;
    bool wanted = w->buffer && !w->buffer_ready;
    for (uint32_t i = 0; i < w->n_forms; i++)
        if (w->forms[i].layout && under_way(work->plan, &w->forms[i])) {
            wanted = true;
            group = common_multiple(group, w->forms[i].row_group);
        }
    if (!wanted)
        return COLLET_OK;
    const uint64_t step = band_rows(w, group);
    collet_status st = COLLET_OK;
    for (uint64_t row = 0; row < n_rows && st == COLLET_OK; row += step) {
        const pack_task task = { w, NULL, (uint32_t)row, (uint32_t)(row + step < n_rows ? row + step : n_rows) };
        st = add_task(work, &task, err);
    }
    if (step * n_in > work->n_values_max)
        work->n_values_max = step * n_in;
    if (step * collet_isq_row_bytes(w) > work->n_blocks_max)
        work->n_blocks_max = step * collet_isq_row_bytes(w);
    work->n_elements += n_rows * n_in;
    return st;
}

// To a device whose memory the host cannot write: band by band.
static collet_status copy_bands(collet_plan *p, const collet_weight *w, const collet_weight_form *form,
                                collet_error *err)
{
    const uint64_t n_rows = collet_isq_n_rows(w), n_in = w->source->from->dims[0], row_bytes = collet_isq_row_bytes(w);
    const uint64_t step = band_rows(w, 1);
    float *values = malloc(step * n_in * sizeof *values);
    uint8_t *blocks = malloc(step * row_bytes);
    collet_status st =
        values && blocks ? COLLET_OK : collet_fail(err, COLLET_E_NOMEM, "no memory to quantize %s", w->name);
    for (uint64_t row = 0; row < n_rows && st == COLLET_OK; row += step) {
        const uint64_t end = row + step < n_rows ? row + step : n_rows;
        st = collet_runtime_cancelled(p->rt)
                 ? collet_fail(err, COLLET_E_CANCELLED, "interrupted while the weights were made")
                 : collet_isq_make_rows(w, row, end, values, blocks, err);
        if (st == COLLET_OK)
            st = collet_plan_to_device(p, (uint8_t *)form->tensor.data + row * row_bytes, blocks,
                                       (end - row) * row_bytes, err);
        if (st == COLLET_OK)
            st = collet_plan_wait(p, err); // the band is overwritten next
    }
    free(values);
    free(blocks);
    return st;
}

// Has a call before this one asked for the weight's bands?
static bool is_planned(const packing *work, const collet_weight *w)
{
    for (size_t i = work->n_tasks; i-- > 0;)
        if (work->tasks[i].weight == w && !work->tasks[i].form)
            return true;
    return false;
}

static collet_status find_largest_task(collet_plan *p, collet_weight *w, void *ctx, collet_error *err)
{
    uint64_t *largest = ctx, n_bytes = 0, group = 1;
    (void)p;
    (void)err;
    for (uint32_t i = 0; i < w->n_forms; i++)
        group = common_multiple(group, w->forms[i].row_group);
    if (w->source) {
        const collet_gguf_tensor *from = w->source->from;
        const uint64_t row_bytes = from->n_bytes / collet_isq_n_rows(w); // the file's pages, floats, blocks
        n_bytes = band_rows(w, group) * (row_bytes + from->dims[0] * sizeof(float) + collet_isq_row_bytes(w));
    } else if (w->n_forms > 0) {
        const uint64_t n_rows = w->mapped.n_dims > 1 ? (uint64_t)w->mapped.shape[0] : 1;
        n_bytes = task_rows(w, &w->forms[0], n_rows) * (w->mapped.n_bytes / n_rows);
    }
    *largest = n_bytes > *largest ? n_bytes : *largest;
    return COLLET_OK;
}

uint64_t collet_plan_loading_bytes(collet_plan *p)
{
    uint64_t largest = 0;
    each_weight(p, find_largest_task, &largest, NULL);
    return largest * collet_pool_workers(collet_runtime_pool(p->rt));
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
        if (form->layout == 0 && w->source)
            st = copy_bands(p, w, form, err);
        else if (form->layout == 0)
            st = collet_plan_to_device(p, form->tensor.data, w->mapped.data, w->mapped.n_bytes, err);
        else if (p->device->info.host_visible)
            st = w->source ? COLLET_OK : split_rows(work, w, form, err);
        else
            st = collet_fail(err, COLLET_E_UNSUPPORTED, "%s: packing for the domain %s is not in this version", w->name,
                             p->device->domain);
    }
    if (st == COLLET_OK && w->source && !is_planned(work, w))
        st = split_bands(work, w, err);
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
    if (w->buffer && !w->buffer_ready)
        w->buffer_ready = *made == COLLET_OK;
    return COLLET_OK;
}

// Pages that came back with their neighbours while rows beside them were packed, and those of copied weights. Rows that
// an op reads as they are in the file come back one page at a time.
static collet_status release_unused(collet_plan *p, collet_weight *w, void *ctx, collet_error *err)
{
    (void)p;
    (void)ctx;
    (void)err;
    if (w->n_forms > 0 && !w->source)
        collet_file_forget(w->mapped.data, w->mapped.n_bytes);
    return COLLET_OK;
}

// What was made, in a line: "isq: 211 tensors to q4_k, q6_k in 1.2 s, 105.3 MiB".
typedef struct made {
    uint32_t n_tensors;
    uint64_t n_bytes;
    const char *formats[16];
    size_t n_formats;
} made;

static collet_status count_made(collet_plan *p, collet_weight *w, void *ctx, collet_error *err)
{
    made *m = ctx;
    bool is_new = w->buffer && !w->buffer_ready;
    (void)err;
    for (uint32_t i = 0; w->source && i < w->n_forms; i++)
        is_new = is_new || under_way(p, &w->forms[i]);
    if (!w->source || !is_new || w->counted)
        return COLLET_OK;
    w->counted = true;
    m->n_tensors++;
    m->n_bytes += w->mapped.n_bytes;
    size_t i = 0;
    while (i < m->n_formats && strcmp(m->formats[i], w->format_name) != 0)
        i++;
    if (i == m->n_formats && i < COLLET_COUNT(m->formats))
        m->formats[m->n_formats++] = w->format_name;
    return COLLET_OK;
}

static void tell_made(packing *work)
{
    made m = { 0 };
    char size[32];
    collet_text formats = { 0 };
    each_weight(work->plan, count_made, &m, NULL);
    for (size_t i = 0; i < m.n_formats; i++)
        collet_text_printf(&formats, "%s%s", i ? ", " : "", m.formats[i]);
    collet_log_progress_end(collet_runtime_log(work->plan->rt), "isq: %u tensors to %s in %.1f s, %s", m.n_tensors,
                            formats.data ? formats.data : "", collet_now_s() - work->begin_s,
                            collet_format_bytes(size, sizeof size, m.n_bytes));
    collet_text_free(&formats);
}

static collet_status make_scratch(packing *work, collet_error *err)
{
    const uint32_t n = collet_pool_workers(collet_runtime_pool(work->plan->rt));
    if (work->n_elements == 0)
        return COLLET_OK;
    work->scratch = calloc(n, sizeof *work->scratch);
    for (uint32_t i = 0; work->scratch && i < n; i++) {
        work->scratch[i].values = malloc(work->n_values_max * sizeof(float));
        work->scratch[i].blocks = malloc(work->n_blocks_max);
        if (!work->scratch[i].values || !work->scratch[i].blocks)
            return collet_fail(err, COLLET_E_NOMEM, "no memory to quantize the weights");
    }
    return work->scratch ? COLLET_OK : collet_fail(err, COLLET_E_NOMEM, "no memory to quantize the weights");
}

static void free_packing(packing *work)
{
    const uint32_t n = collet_pool_workers(collet_runtime_pool(work->plan->rt));
    for (uint32_t i = 0; work->scratch && i < n; i++) {
        free(work->scratch[i].values);
        free(work->scratch[i].blocks);
    }
    free(work->scratch);
    free(work->tasks);
}

collet_status collet_plan_make_weights(collet_plan *p, collet_error *err)
{
    packing work = { .plan = p, .err = COLLET_ERROR_INIT, .begin_s = collet_now_s() };
    collet_status st = each_weight(p, plan_packing, &work, err);
    if (st == COLLET_OK)
        st = make_scratch(&work, err);
    if (st == COLLET_OK && work.n_tasks > 0) {
        collet_pool_run(collet_runtime_pool(p->rt), (uint32_t)work.n_tasks, run_pack_task, &work);
        if (work.culprit)
            st = collet_fail(err, work.err.code, "%s", work.err.msg);
    }
    if (st == COLLET_OK)
        st = collet_plan_wait(p, err);
    if (st == COLLET_OK && work.n_elements > 0)
        tell_made(&work);
    free_packing(&work);
    each_weight(p, settle_forms, &st, NULL);
    return st == COLLET_OK ? each_weight(p, release_unused, NULL, err) : st;
}
