// SPDX-License-Identifier: Apache-2.0
// core/model/plan_time.c - what each op of a plan costs: time, bytes and operations, added up while somebody asks.
#include <string.h>

#include "core/model/plan_internal.h"

void collet_plan_time_ops(collet_plan *p, bool on)
{
    p->timing = on;
    for (int k = 0; on && k < N_TAPES; k++)
        for (size_t i = 0; i < p->tapes[k].n_calls; i++)
            p->tapes[k].calls[i]->cost = (collet_op_cost){ 0 };
}

const collet_op_cost *collet_plan_cost_at(const collet_plan *p, size_t i)
{
    const tape *t = &p->tapes[TAPE_PREFILL];
    return i < t->n_calls ? &t->calls[i]->cost : &p->tapes[TAPE_DECODE].calls[i - t->n_calls]->cost;
}

// Pairs (new token, earlier token or itself) that attention looks at, and tokens of the caches that it reads.
static void count_attention(const collet_batch *b, uint32_t window, uint64_t *n_pairs, uint64_t *n_read)
{
    *n_pairs = *n_read = 0;
    for (uint32_t s = 0; s < b->n_seqs; s++) {
        const uint64_t n_new = (uint64_t)(b->q_start[s + 1] - b->q_start[s]), n_all = (uint64_t)b->kv_len[s];
        const uint64_t reach = window ? window : n_all;
        for (uint64_t i = 0; i < n_new; i++) {
            const uint64_t n_visible = n_all - n_new + i + 1;
            *n_pairs += n_visible < reach ? n_visible : reach;
        }
        *n_read += n_all < reach + n_new - 1 ? n_all : reach + n_new - 1;
    }
}

// Rows that an op picks from, as many as it gives; others whole; caches as far as they are read.
static uint64_t operand_bytes(const collet_tensor *t, const operand *from, bool is_picked, uint64_t n_rows,
                              uint64_t n_read)
{
    if (is_picked && t->n_dims == 2)
        return n_rows * (t->n_bytes / (uint64_t)t->shape[0]);
    if (from->kind == OPERAND_KEYS || from->kind == OPERAND_VALUES)
        return n_read * (t->n_bytes / (uint64_t)(t->shape[0] * t->shape[2]));
    return t->n_bytes;
}

void collet_call_count(const collet_plan *p, call *c, double seconds)
{
    const bool is_attention = strcmp(c->op, "attention") == 0, is_append = strcmp(c->op, "kv_append") == 0;
    const bool picks = strcmp(c->op, "embed") == 0 || strcmp(c->op, "take_rows") == 0;
    const uint64_t n_rows = (uint64_t)c->out_tensor[0].shape[0];
    uint64_t n_pairs = 0, n_read = p->batch.n_tokens;
    if (is_attention) {
        count_attention(&p->batch, c->params.attention.window, &n_pairs, &n_read);
        c->cost.n_ops += 4 * n_pairs * c->params.attention.n_heads * c->params.attention.head_dim;
    }
    for (uint32_t i = 0; i < c->n_in; i++) {
        const collet_tensor *t = &c->in_tensor[i];
        c->cost.n_bytes += operand_bytes(t, &c->in_from[i], picks, n_rows, n_read);
        if (c->in_from[i].kind == OPERAND_WEIGHT && t->n_dims == 2 && !picks)
            c->cost.n_ops += 2 * n_rows * (uint64_t)(t->shape[0] * t->shape[1]);
    }
    for (uint32_t i = 0; i < c->n_out && !is_append; i++)
        c->cost.n_bytes += c->out_tensor[i].n_bytes;
    c->cost.seconds += seconds;
    c->cost.n_runs++;
}
