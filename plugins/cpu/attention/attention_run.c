// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/attention/attention_run.c - a ragged step cut into units, dealt to the workers, and put together again.
//
// A unit is one kv head of one sequence and either a block of its query rows (several new tokens: prefill) or a range
// of its keys (one new token: decode). A long context is cut into several ranges when there are few sequences and
// heads; their partial sums are merged in the order of the ranges, so that the bits depend on the number of workers,
// not on who was faster. Units are taken from a counter: causal blocks differ in length, and virtual machines stall.
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "plugins/cpu/attention/attention_module.h"

// Keys of a range: fewer are not worth a merge.
#define RANGE_KEYS_MIN 128u
// Multiply-adds that one core does in some 5 us: less than that in all stays on the caller.
#define PARALLEL_WORK_MIN 65536u
// Units per worker that cutting aims at: enough that the last one to finish is not waited for long.
#define UNITS_PER_WORKER 4u

// One sequence of the step.
typedef struct seq_work {
    uint32_t first_unit;
    uint32_t n_parts;       // ranges of keys, or blocks of rows, each for every kv head
    uint32_t part_size;     // keys or rows of a part
    uint32_t keys_begin;    // decode: the first key in sight
    uint32_t first_partial; // decode with several parts: slot of (kv head 0, part 0)
} seq_work;

typedef struct step_work {
    const attention_inst *inst;
    const collet_tensor *const *in;
    const collet_tensor *out;
    const int32_t *q_start, *kv_len, *block_table;
    size_t block_table_row; // elements
    uint32_t n_seqs, n_units;
    seq_work *seqs;  // (n_seqs + 1); the last one's first_unit is n_units
    float *partials; // slots of `group` rows
    float *scratch;  // one piece a worker: kernel scratch, then one slot
    size_t slot_floats, scratch_floats;
    atomic_uint next;
} step_work;

static size_t round16(size_t n)
{
    return (n + 15) / 16 * 16;
}

static size_t slot_floats(const attention_inst *inst)
{
    return round16((size_t)inst->args.group * collet_cpu_attention_partial(inst->args.head_dim));
}

static size_t scratch_floats(const attention_inst *inst)
{
    return round16(collet_cpu_attention_scratch(inst->args.head_dim, inst->args.group).n_floats) + slot_floats(inst);
}

static size_t seqs_bytes(uint32_t n_seqs)
{
    return ((n_seqs + 1) * sizeof(seq_work) + 63) / 64 * 64;
}

// Cutting makes at most UNITS_PER_WORKER * workers whole ranges, and one shorter range for each (sequence, head) that
// was cut, of which there are no more than of the whole ones.
static size_t n_partials_max(uint32_t n_workers)
{
    return 2 * (size_t)UNITS_PER_WORKER * n_workers;
}

uint64_t collet_cpu_attention_ws_bytes(const attention_inst *inst)
{
    const uint32_t n_workers = inst->host->workers(inst->host->self);
    return seqs_bytes(inst->n_seqs_max) +
           sizeof(float) * (n_partials_max(n_workers) * slot_floats(inst) + n_workers * scratch_floats(inst));
}

// ---- kv_append ----

typedef struct append_work {
    const attention_inst *inst;
    const collet_frame *frame;
    uint32_t n_tokens, n_tasks;
} append_work;

static void append_tokens(const attention_inst *inst, const collet_frame *frame, uint32_t begin, uint32_t end)
{
    const int32_t *slots = frame->in[2]->data;
    for (uint32_t side = 0; side < 2; side++) { // keys, then values
        const collet_tensor *src = frame->in[side], *dst = frame->out[side];
        const int64_t block_tokens = dst->shape[2];
        for (uint32_t t = begin; t < end; t++) {
            if (slots[t] < 0)
                continue; // a padding row of a bucket
            uint8_t *token = (uint8_t *)dst->data + slots[t] / block_tokens * dst->stride[0] +
                             slots[t] % block_tokens * dst->stride[2];
            const uint8_t *row = (const uint8_t *)src->data + t * src->stride[0];
            for (uint32_t h = 0; h < inst->n_kv_heads; h++)
                inst->append(token + h * dst->stride[1], (const float *)(const void *)(row + h * src->stride[1]),
                             inst->args.head_dim);
        }
    }
}

static void append_task(void *ctx, uint32_t task, uint32_t worker)
{
    const append_work *w = ctx;
    (void)worker;
    append_tokens(w->inst, w->frame, (uint32_t)((uint64_t)w->n_tokens * task / w->n_tasks),
                  (uint32_t)((uint64_t)w->n_tokens * (task + 1) / w->n_tasks));
}

collet_status collet_cpu_kv_append_run(const attention_inst *inst, const collet_frame *frame)
{
    const uint32_t n_tokens = (uint32_t)frame->in[0]->shape[0];
    const uint64_t n_elems = 2ull * n_tokens * inst->n_kv_heads * inst->args.head_dim;
    const uint32_t n_workers = inst->host->workers(inst->host->self);
    if (n_elems < PARALLEL_WORK_MIN || n_workers == 1) {
        append_tokens(inst, frame, 0, n_tokens);
        return COLLET_OK;
    }
    append_work work = { inst, frame, n_tokens, n_tokens < n_workers ? n_tokens : n_workers };
    inst->host->parallel(inst->host->self, work.n_tasks, append_task, &work);
    return COLLET_OK;
}

// ---- attention ----

static uint32_t n_queries(const step_work *w, uint32_t seq)
{
    return (uint32_t)(w->q_start[seq + 1] - w->q_start[seq]);
}

static uint32_t first_key(const attention_inst *inst, uint32_t kv_len)
{
    const uint32_t window = inst->args.window;
    return window && kv_len > window ? kv_len - window : 0;
}

// Keys of one range, so that all sequences of one token together make about UNITS_PER_WORKER units a worker.
static uint32_t range_keys(const step_work *w, uint32_t n_workers)
{
    uint64_t n_keys = 0;
    for (uint32_t s = 0; s < w->n_seqs; s++)
        if (n_queries(w, s) == 1)
            n_keys += (uint32_t)w->kv_len[s] - first_key(w->inst, (uint32_t)w->kv_len[s]);
    n_keys *= w->inst->n_kv_heads;
    uint64_t range = n_workers > 1 ? n_keys / (UNITS_PER_WORKER * n_workers) + 1 : n_keys + 1;
    range = (range + COLLET_CPU_ATTENTION_KEYS - 1) / COLLET_CPU_ATTENTION_KEYS * COLLET_CPU_ATTENTION_KEYS;
    range = range < RANGE_KEYS_MIN ? RANGE_KEYS_MIN : range;
    return range < INT32_MAX ? (uint32_t)range : INT32_MAX;
}

// Cuts the step into units; returns its multiply-adds.
static uint64_t cut(step_work *w, uint32_t n_workers)
{
    const attention_inst *inst = w->inst;
    const uint32_t n_kv_heads = inst->n_kv_heads, tokens = collet_cpu_attention_tokens(inst->args.group);
    const uint32_t range = range_keys(w, n_workers);
    uint64_t pairs = 0; // of a query token and a key
    uint32_t n_units = 0, n_partials = 0;
    for (uint32_t s = 0; s < w->n_seqs; s++) {
        const uint32_t n = n_queries(w, s), kv_len = (uint32_t)w->kv_len[s];
        seq_work *seq = &w->seqs[s];
        *seq = (seq_work){ .first_unit = n_units, .keys_begin = first_key(inst, kv_len), .first_partial = n_partials };
        seq->part_size = n == 1 ? range : tokens;
        const uint32_t size = n == 1 ? kv_len - seq->keys_begin : n;
        seq->n_parts = (size + seq->part_size - 1) / seq->part_size;
        n_units += seq->n_parts * n_kv_heads;
        if (n == 1 && seq->n_parts > 1)
            n_partials += seq->n_parts * n_kv_heads;
        pairs += (uint64_t)n * (kv_len - seq->keys_begin);
    }
    w->seqs[w->n_seqs].first_unit = w->n_units = n_units;
    return pairs * n_kv_heads * inst->args.group * inst->args.head_dim * 2;
}

// out = the softmax-weighted sum of `n` slots, each over its own range of keys.
static void merge(float *out, size_t out_head, const float *slots, size_t slot_floats, uint32_t n, uint32_t group,
                  uint32_t head_dim)
{
    for (uint32_t g = 0; g < group; g++) {
        const float *first = slots + (size_t)g * collet_cpu_attention_partial(head_dim);
        float largest = -INFINITY, sum = 0.0f, *o = out + g * out_head;
        for (uint32_t i = 0; i < n; i++) {
            const float top = first[i * slot_floats + head_dim];
            largest = top > largest || isnan(top) ? top : largest;
        }
        for (uint32_t i = 0; i < n; i++) {
            const float *slot = first + i * slot_floats;
            const float share = slot[head_dim] == largest ? 1.0f : expf(slot[head_dim] - largest);
            sum += share * slot[head_dim + 1];
            for (uint32_t d = 0; d < head_dim; d++)
                o[d] = (i == 0 ? 0.0f : o[d]) + share * slot[d];
        }
        for (uint32_t d = 0; d < head_dim; d++)
            o[d] /= sum;
    }
}

static collet_cpu_attention_args bind(const step_work *w, uint32_t seq, uint32_t kv_head)
{
    collet_cpu_attention_args a = w->inst->args;
    const collet_tensor *q = w->in[0], *k = w->in[1], *v = w->in[2], *out = w->out;
    const int64_t row = w->q_start[seq];
    a.q = (const float *)(const void *)((const uint8_t *)q->data + row * q->stride[0]);
    a.q_row = (size_t)q->stride[0] / sizeof(float);
    a.q_head = (size_t)q->stride[1] / sizeof(float);
    a.out = (float *)(void *)((uint8_t *)out->data + row * out->stride[0]);
    a.out_row = (size_t)out->stride[0] / sizeof(float);
    a.out_head = (size_t)out->stride[1] / sizeof(float);
    a.k = k->data;
    a.v = v->data;
    a.k_block = (size_t)k->stride[0];
    a.k_head = (size_t)k->stride[1];
    a.k_token = (size_t)k->stride[2];
    a.v_block = (size_t)v->stride[0];
    a.v_head = (size_t)v->stride[1];
    a.v_token = (size_t)v->stride[2];
    a.block_tokens = (uint32_t)k->shape[2];
    a.block_table = w->block_table + seq * w->block_table_row;
    a.kv_head = kv_head;
    a.position = (uint32_t)w->kv_len[seq] - n_queries(w, seq);
    return a;
}

static void run_unit(step_work *w, uint32_t unit, float *scratch)
{
    uint32_t s = 0, above = w->n_seqs; // the last sequence whose first unit is not after this one
    while (above - s > 1) {
        const uint32_t middle = s + (above - s) / 2;
        *(w->seqs[middle].first_unit <= unit ? &s : &above) = middle;
    }
    const attention_inst *inst = w->inst;
    const seq_work *seq = &w->seqs[s];
    const uint32_t local = unit - seq->first_unit, kv_head = local % inst->n_kv_heads;
    const uint32_t part = seq->n_parts - 1 - local / inst->n_kv_heads; // the last rows first: they see the most keys
    const collet_cpu_attention_args a = bind(w, s, kv_head);
    const uint32_t n = n_queries(w, s);
    if (n > 1) {
        const uint32_t begin = part * seq->part_size;
        inst->prefill(&a, begin, n - begin < seq->part_size ? n : begin + seq->part_size, scratch, NULL);
        return;
    }
    const uint32_t kv_len = (uint32_t)w->kv_len[s], begin = seq->keys_begin + part * seq->part_size;
    float *slot = seq->n_parts == 1
                      ? scratch + w->scratch_floats - w->slot_floats
                      : w->partials + (seq->first_partial + (size_t)kv_head * seq->n_parts + part) * w->slot_floats;
    inst->decode(&a, begin, kv_len - begin < seq->part_size ? kv_len : begin + seq->part_size, scratch, slot);
    if (seq->n_parts == 1)
        merge(a.out + (size_t)kv_head * a.group * a.out_head, a.out_head, slot, 0, 1, a.group, a.head_dim);
}

static void run_units(void *ctx, uint32_t task, uint32_t worker)
{
    step_work *w = ctx;
    float *scratch = w->scratch + worker * w->scratch_floats;
    (void)task;
    for (;;) {
        const uint32_t unit = atomic_fetch_add_explicit(&w->next, 1, memory_order_relaxed);
        if (unit >= w->n_units)
            return;
        run_unit(w, unit, scratch);
    }
}

static void merge_cut_sequences(const step_work *w)
{
    for (uint32_t s = 0; s < w->n_seqs; s++) {
        const seq_work *seq = &w->seqs[s];
        if (n_queries(w, s) != 1 || seq->n_parts < 2)
            continue;
        for (uint32_t h = 0; h < w->inst->n_kv_heads; h++) {
            const collet_cpu_attention_args a = bind(w, s, h);
            merge(a.out + (size_t)h * a.group * a.out_head, a.out_head,
                  w->partials + (seq->first_partial + (size_t)h * seq->n_parts) * w->slot_floats, w->slot_floats,
                  seq->n_parts, a.group, a.head_dim);
        }
    }
}

collet_status collet_cpu_attention_run(const attention_inst *inst, const collet_frame *frame)
{
    const uint32_t n_workers = inst->host->workers(inst->host->self);
    step_work w = {
        .inst = inst,
        .in = frame->in,
        .out = frame->out[0],
        .q_start = frame->in[3]->data,
        .kv_len = frame->in[4]->data,
        .block_table = frame->in[5]->data,
        .block_table_row = (size_t)frame->in[5]->stride[0] / sizeof(int32_t),
        .n_seqs = (uint32_t)frame->in[4]->shape[0],
        .seqs = frame->ws,
        .slot_floats = slot_floats(inst),
        .scratch_floats = scratch_floats(inst),
    };
    w.partials = (float *)(void *)((uint8_t *)frame->ws + seqs_bytes(w.n_seqs));
    w.scratch = w.partials + n_partials_max(n_workers) * w.slot_floats;
    const uint64_t work = cut(&w, n_workers);
    if (work < PARALLEL_WORK_MIN || n_workers == 1)
        run_units(&w, 0, 0);
    else
        inst->host->parallel(inst->host->self, n_workers < w.n_units ? n_workers : w.n_units, run_units, &w);
    merge_cut_sequences(&w);
    return COLLET_OK;
}
