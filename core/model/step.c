// SPDX-License-Identifier: Apache-2.0
// core/model/step.c - recording: each call of forward() becomes one op of the tape, its module chosen on the spot.
#include "core/model/step.h"

#include <stdlib.h>
#include <string.h>

#include "collet/plugin/matmul.h"
#include "core/base/error.h"
#include "core/model/plan_internal.h"

static void sticky(collet_step *s, collet_status st)
{
    if (s->status == COLLET_OK)
        s->status = st;
}

// ---- operands ----

collet_act collet_step_act(collet_step *s, const char *name, collet_rows rows, uint32_t n_heads, uint32_t dim)
{
    collet_plan *p = s->plan;
    const uint64_t row_elems = (uint64_t)n_heads * dim;
    for (uint32_t i = 0; i < p->n_acts; i++)
        if (strcmp(p->acts[i].name, name) == 0) {
            if (p->acts[i].row_elems < row_elems)
                p->acts[i].row_elems = row_elems;
            return (collet_act){ .id = i, .rows = rows, .n_heads = n_heads, .dim = dim };
        }
    if (p->n_acts == ACTS_MAX) {
        sticky(s, collet_fail(s->err, COLLET_E_INTERNAL, "forward() uses more than %d activations", ACTS_MAX));
        return (collet_act){ 0 };
    }
    p->acts[p->n_acts] = (act){ .name = name, .rows = rows, .row_elems = row_elems };
    return (collet_act){ .id = p->n_acts++, .rows = rows, .n_heads = n_heads, .dim = dim };
}

void collet_step_layer(collet_step *s, int32_t layer)
{
    s->layer = layer;
}

void collet_step_logits(collet_step *s, collet_act logits)
{
    s->plan->logits_act = logits.id;
}

static collet_tensor shaped(const collet_step *s, uint32_t format, uint16_t flags, uint32_t n_dims,
                            const int64_t shape[3])
{
    collet_tensor t = { .size = sizeof t,
                        .n_dims = (uint16_t)n_dims,
                        .flags = flags,
                        .format = format,
                        .domain = s->plan->device->domain_id };
    int64_t stride = 4; // f32 and i32 alike
    for (uint32_t d = n_dims; d-- > 0;) {
        t.shape[d] = shape[d];
        t.stride[d] = stride;
        stride *= shape[d];
    }
    t.n_bytes = (uint64_t)stride;
    return t;
}

static count_kind count_of(collet_rows rows)
{
    return rows == COLLET_ROWS_LOGITS ? COUNT_ROWS : COUNT_TOKENS;
}

static void set_act(const collet_step *s, operand *from, collet_tensor *t, collet_act a, bool flat)
{
    *from = (operand){ .kind = OPERAND_ACT, .count = count_of(a.rows), .id = a.id };
    const int64_t rows = collet_plan_count_max(s->plan, s->tape, from->count);
    const int64_t flat_shape[3] = { rows, (int64_t)a.n_heads * a.dim }, heads_shape[3] = { rows, a.n_heads, a.dim };
    *t = shaped(s, s->plan->f32_id, COLLET_TENSOR_DYNAMIC, flat ? 2 : 3, flat ? flat_shape : heads_shape);
}

static void in_act(const collet_step *s, call *c, collet_act a, bool flat)
{
    set_act(s, &c->in_from[c->n_in], &c->in_tensor[c->n_in], a, flat);
    c->n_in++;
}

static void out_act(const collet_step *s, call *c, collet_act a, bool flat)
{
    set_act(s, &c->out_from[c->n_out], &c->out_tensor[c->n_out], a, flat);
    if (a.rows == COLLET_ROWS_LOGITS)
        c->of_rows = true;
    c->n_out++;
}

static void in_input(const collet_step *s, call *c, collet_input input)
{
    static const count_kind counts[COLLET_N_INPUTS] = { COUNT_TOKENS, COUNT_TOKENS, COUNT_TOKENS, COUNT_ROWS,
                                                        COUNT_SEQS_1, COUNT_SEQS,   COUNT_SEQS };
    operand *from = &c->in_from[c->n_in];
    *from = (operand){ .kind = OPERAND_INPUT, .count = counts[input], .id = input };
    const int64_t shape[3] = { collet_plan_count_max(s->plan, s->tape, from->count), s->plan->batch.n_blocks_max };
    c->in_tensor[c->n_in++] =
        shaped(s, s->plan->i32_id, COLLET_TENSOR_DYNAMIC, input == COLLET_INPUT_BLOCK_TABLE ? 2 : 1, shape);
}

static void in_weight(const collet_step *s, call *c, collet_weight *w)
{
    c->in_from[c->n_in] = (operand){ .kind = OPERAND_WEIGHT, .weight = w };
    collet_tensor *t = &c->in_tensor[c->n_in++];
    *t = w->mapped;
    t->domain = s->plan->device->domain_id;
    if (!s->plan->device->info.host_visible)
        t->data = NULL;
    c->tensor = w->name;
    c->format = w->format_name;
}

static void in_constant(collet_step *s, call *c, const collet_tensor *host)
{
    collet_plan *p = s->plan;
    uint32_t id = 0;
    while (id < p->n_constants && p->constants[id].host != host)
        id++;
    if (id == CONSTANTS_MAX) {
        sticky(s, collet_fail(s->err, COLLET_E_INTERNAL, "forward() uses more than %d constants", CONSTANTS_MAX));
        return;
    }
    if (id == p->n_constants) {
        p->constants[id] = (constant){ .host = host, .tensor = *host };
        p->constants[id].tensor.domain = p->device->domain_id;
        p->constants[id].tensor.data = NULL;
        p->n_constants++;
    }
    c->in_from[c->n_in] = (operand){ .kind = OPERAND_CONSTANT, .id = id };
    c->in_tensor[c->n_in++] = p->constants[id].tensor;
}

static collet_tensor store_tensor(const collet_plan *p, const collet_attention_params *params)
{
    const collet_kv_geometry *g = &p->kv_geometry;
    collet_tensor t = { .size = sizeof t,
                        .n_dims = 4,
                        .format = g->format,
                        .layout = g->layout,
                        .domain = p->device->domain_id,
                        .shape = { g->n_blocks, params->n_kv_heads, g->block_tokens, params->head_dim } };
    int64_t stride = g->format == p->f32_id ? 4 : 2;
    for (uint32_t d = t.n_dims; d-- > 0; stride *= t.shape[d])
        t.stride[d] = stride;
    t.n_bytes = (uint64_t)stride;
    return t;
}

static void add_store(collet_plan *p, operand *from, collet_tensor *t, operand_kind kind, int32_t layer,
                      const collet_attention_params *params)
{
    *from = (operand){ .kind = kind, .id = (uint32_t)layer };
    *t = store_tensor(p, params);
}

// ---- calls ----

static call *new_call(collet_step *s, const char *slot, const char *op)
{
    if (s->status != COLLET_OK)
        return NULL;
    call *c = calloc(1, sizeof *c);
    if (!c) {
        sticky(s, collet_fail(s->err, COLLET_E_NOMEM, "no memory for the plan"));
        return NULL;
    }
    c->slot = slot;
    c->op = op;
    c->tensor = c->format = "";
    c->op_id = collet_runtime_intern(s->plan->rt, op);
    c->layer = s->layer;
    return c;
}

static const char *iface_of(const char *slot)
{
    if (strcmp(slot, "matmul") == 0)
        return COLLET_MATMUL_IFACE;
    return strcmp(slot, "attention") == 0 ? COLLET_ATTENTION_IFACE : COLLET_OPS_IFACE;
}

static collet_status choose(collet_step *s, call *c, bool fused, collet_error *err)
{
    collet_op_desc desc;
    for (uint32_t i = 0; i < c->n_in; i++)
        c->in[i] = &c->in_tensor[i];
    for (uint32_t i = 0; i < c->n_out; i++)
        c->out[i] = &c->out_tensor[i];
    collet_call_desc(s->plan, s->tape, c, &desc);
    const collet_select_query query = {
        .slot = c->slot,
        .iface = iface_of(c->slot),
        .domain = s->plan->device->domain,
        .op = c->op,
        .desc = &desc,
        .optional = fused,
        .rule = { .op = c->op,
                  .format = c->format[0] ? c->format : NULL,
                  .tensor = c->tensor[0] ? c->tensor : NULL,
                  .phase = s->tape->phase,
                  .layer = c->layer,
                  .tokens = collet_plan_count_max(s->plan, s->tape, c->of_rows ? COUNT_ROWS : COUNT_TOKENS) },
    };
    collet_status st = collet_select(s->plan->rt, &query, &c->choice, err);
    for (uint32_t i = 0; st == COLLET_OK && i < COLLET_OP_TENSORS_MAX; i++)
        if (c->choice.caps.layout[i] && (i >= c->n_in || c->in_from[i].kind != OPERAND_WEIGHT))
            st = collet_fail(err, COLLET_E_ABI,
                             "%s: supports() of %s asks for a packed layout of input %u, which is "
                             "no weight",
                             c->choice.module->info->id, c->op, i);
    return st;
}

static void free_call(call *c)
{
    collet_choice_clear(&c->choice);
    free(c);
}

static collet_status append(collet_plan *p, tape *t, call *c, collet_error *err)
{
    if (t->n_calls == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 128;
        call **grown = realloc(t->calls, capacity * sizeof *grown);
        if (!grown)
            return collet_fail(err, COLLET_E_NOMEM, "no memory for the plan");
        t->calls = grown;
        t->capacity = capacity;
    }
    t->calls[t->n_calls++] = c;
    for (uint32_t i = 0; i < c->n_in; i++)
        if (c->in_from[i].kind == OPERAND_ACT)
            p->acts[c->in_from[i].id].used = true;
    for (uint32_t i = 0; i < c->n_out; i++)
        if (c->out_from[i].kind == OPERAND_ACT)
            p->acts[c->out_from[i].id].used = true;
    return COLLET_OK;
}

// Chooses and appends; takes the call, whatever happens.
static void commit(collet_step *s, call *c)
{
    collet_status st = s->status == COLLET_OK ? choose(s, c, false, s->err) : s->status;
    if (st == COLLET_OK && c->choice.fallback)
        s->plan->n_fallbacks++;
    if (st == COLLET_OK)
        st = append(s->plan, s->tape, c, s->err);
    if (st != COLLET_OK) {
        free_call(c);
        sticky(s, st);
    }
}

// The same for a fused op, which nobody has to have: false when nobody does, and the decomposition is next.
// `agrees` (may be NULL) says whether the module chosen is one that the decomposition's own choices leave free.
static bool commit_fused(collet_step *s, call *c, bool (*agrees)(collet_step *s, const call *c))
{
    collet_error why = COLLET_ERROR_INIT;
    collet_status st = choose(s, c, true, &why);
    const bool taken = st == COLLET_OK && (!agrees || agrees(s, c));
    if (taken)
        st = append(s->plan, s->tape, c, &why);
    if (taken && st == COLLET_OK)
        return true;
    free_call(c);
    if (st != COLLET_OK && st != COLLET_E_UNSUPPORTED && st != COLLET_E_INVALID) // refusals are what it is there for
        sticky(s, collet_fail(s->err, st, "%s", why.msg));
    return s->status != COLLET_OK;
}

// ---- ops ----

void collet_embed(collet_step *s, collet_act y, collet_weight *table, float scale)
{
    call *c = new_call(s, "ops", "embed");
    if (!c)
        return;
    in_input(s, c, COLLET_INPUT_TOKENS);
    in_weight(s, c, table);
    out_act(s, c, y, true);
    c->params.embed = (collet_embed_params){ .size = sizeof c->params.embed, .scale = scale };
    c->has_params = true;
    commit(s, c);
}

void collet_rmsnorm(collet_step *s, collet_act y, collet_act x, collet_weight *w, float eps)
{
    call *c = new_call(s, "ops", "rmsnorm");
    if (!c)
        return;
    const bool per_head = w->mapped.shape[0] == (int64_t)x.dim && x.n_heads > 1;
    in_act(s, c, x, !per_head);
    in_weight(s, c, w);
    out_act(s, c, y, !per_head);
    c->params.norm = (collet_norm_params){ .size = sizeof c->params.norm, .eps = eps };
    c->has_params = true;
    commit(s, c);
}

void collet_add(collet_step *s, collet_act x, collet_act d)
{
    call *c = new_call(s, "ops", "add");
    if (!c)
        return;
    in_act(s, c, x, true);
    in_act(s, c, d, true);
    out_act(s, c, x, true);
    commit(s, c);
}

void collet_add_rmsnorm(collet_step *s, collet_act h, collet_act x, collet_act d, collet_weight *w, float eps)
{
    call *c = new_call(s, "ops", "add_rmsnorm");
    if (!c)
        return;
    in_act(s, c, x, true);
    in_act(s, c, d, true);
    in_weight(s, c, w);
    out_act(s, c, x, true);
    out_act(s, c, h, true);
    c->params.norm = (collet_norm_params){ .size = sizeof c->params.norm, .eps = eps };
    c->has_params = true;
    if (commit_fused(s, c, NULL))
        return;
    collet_add(s, x, d);
    collet_rmsnorm(s, h, x, w, eps);
}

static call *matmul_call(collet_step *s, collet_act y, collet_act x, collet_weight *w)
{
    call *c = new_call(s, "matmul", COLLET_OP_MATMUL);
    if (!c)
        return NULL;
    in_act(s, c, x, true);
    in_weight(s, c, w);
    out_act(s, c, y, true);
    c->params.matmul = (collet_matmul_params){ .size = sizeof c->params.matmul, .tensor = w->name };
    c->has_params = true;
    return c;
}

void collet_matmul(collet_step *s, collet_act y, collet_act x, collet_weight *w)
{
    call *c = matmul_call(s, y, x, w);
    if (c)
        commit(s, c);
}

static call *glu_call(collet_step *s, collet_act a, collet_act b, bool gelu)
{
    call *c = new_call(s, "ops", gelu ? "gelu_mul" : "silu_mul");
    if (!c)
        return NULL;
    in_act(s, c, a, true);
    in_act(s, c, b, true);
    out_act(s, c, a, true);
    return c;
}

void collet_glu(collet_step *s, collet_act a, collet_act b, bool gelu)
{
    call *c = glu_call(s, a, b, gelu);
    if (c)
        commit(s, c);
}

// ---- several weights at once ----

static call *fused_call(collet_step *s, const char *op, collet_act x, uint32_t n, collet_weight *const *w)
{
    call *c = new_call(s, "matmul", op);
    if (!c)
        return NULL;
    in_act(s, c, x, true);
    for (uint32_t k = 0; k < n; k++) {
        in_weight(s, c, w[k]);
        c->tensors[k] = w[k]->name;
    }
    c->tensor = w[0]->name;
    c->format = w[0]->format_name;
    for (uint32_t k = 1; k < n; k++)
        if (strcmp(w[k]->format_name, w[0]->format_name) != 0)
            c->format = "mixed";
    c->params.matmul_fused =
        (collet_matmul_fused_params){ .size = sizeof c->params.matmul_fused, .n_weights = n, .tensor = c->tensors };
    c->has_params = true;
    return c;
}

static collet_act act_of(const operand *from, const collet_tensor *t)
{
    return (collet_act){ .id = from->id,
                         .rows = from->count == COUNT_ROWS ? COLLET_ROWS_LOGITS : COLLET_ROWS_TOKENS,
                         .n_heads = 1,
                         .dim = (uint32_t)t->shape[1] };
}

// Each weight alone would get the same module: rules for a format, a tensor or the op matmul are honoured.
static bool weights_agree(collet_step *s, const call *fused)
{
    bool same = true;
    for (uint32_t k = 1; k < fused->n_in && same; k++) {
        const uint32_t out = k - 1 < fused->n_out ? k - 1 : 0;
        const collet_act x = act_of(&fused->in_from[0], &fused->in_tensor[0]);
        const collet_act y = act_of(&fused->out_from[out], &fused->out_tensor[out]);
        call *c = matmul_call(s, y, x, fused->in_from[k].weight);
        collet_error ignored = COLLET_ERROR_INIT;
        same = c && choose(s, c, false, &ignored) == COLLET_OK && c->choice.module == fused->choice.module;
        if (c)
            free_call(c);
    }
    return same;
}

// The same, and no rule of the slot `ops` names a module for the activation.
static bool glu_agrees(collet_step *s, const call *fused)
{
    const collet_act y = act_of(&fused->out_from[0], &fused->out_tensor[0]);
    call *c = glu_call(s, y, y, fused->params.matmul_fused.act == COLLET_GLU_GELU);
    collet_error ignored = COLLET_ERROR_INIT;
    const bool open = c && choose(s, c, false, &ignored) == COLLET_OK && strcmp(c->choice.rule->use[0], "any") == 0;
    if (c)
        free_call(c);
    return open && weights_agree(s, fused);
}

void collet_matmul_group(collet_step *s, uint32_t n, const collet_act *y, collet_act x, collet_weight *const *w)
{
    call *c = fused_call(s, COLLET_OP_MATMUL_GROUP, x, n, w);
    if (!c)
        return;
    for (uint32_t k = 0; k < n; k++)
        out_act(s, c, y[k], true);
    if (commit_fused(s, c, weights_agree))
        return;
    for (uint32_t k = 0; k < n; k++)
        collet_matmul(s, y[k], x, w[k]);
}

void collet_matmul_glu(collet_step *s, collet_act y, collet_act u, collet_act x, const collet_glu_weights *w)
{
    collet_weight *const both[] = { w->gate, w->up };
    call *c = fused_call(s, COLLET_OP_MATMUL_GLU, x, 2, both);
    if (!c)
        return;
    out_act(s, c, y, true);
    c->params.matmul_fused.act = w->gelu ? COLLET_GLU_GELU : COLLET_GLU_SILU;
    if (commit_fused(s, c, glu_agrees))
        return;
    collet_matmul(s, y, x, w->gate);
    collet_matmul(s, u, x, w->up);
    collet_glu(s, y, u, w->gelu);
}

void collet_rope(collet_step *s, collet_act x, const collet_tensor *freq, uint32_t pairs, uint32_t n_rot, float mscale)
{
    call *c = new_call(s, "ops", "rope");
    if (!c)
        return;
    in_act(s, c, x, false);
    in_input(s, c, COLLET_INPUT_POSITIONS);
    in_constant(s, c, freq);
    out_act(s, c, x, false);
    c->params.rope =
        (collet_rope_params){ .size = sizeof c->params.rope, .pairs = pairs, .n_rot = n_rot, .mscale = mscale };
    c->has_params = true;
    commit(s, c);
}

static call *attention_call(collet_step *s, const char *op, const collet_attention_params *params)
{
    call *c = new_call(s, "attention", op);
    if (c) {
        c->params.attention = *params;
        c->params.attention.context_max = s->plan->opts.context;
        c->has_params = true;
    }
    return c;
}

void collet_kv_append(collet_step *s, collet_act k, collet_act v, const collet_attention_params *params)
{
    call *c = attention_call(s, COLLET_OP_KV_APPEND, params);
    if (!c)
        return;
    in_act(s, c, k, false);
    in_act(s, c, v, false);
    in_input(s, c, COLLET_INPUT_SLOTS);
    add_store(s->plan, &c->out_from[0], &c->out_tensor[0], OPERAND_KEYS, s->layer, params);
    add_store(s->plan, &c->out_from[1], &c->out_tensor[1], OPERAND_VALUES, s->layer, params);
    c->n_out = 2;
    commit(s, c);
}

void collet_attention(collet_step *s, collet_act o, collet_act q, const collet_attention_params *params)
{
    call *c = attention_call(s, COLLET_OP_ATTENTION, params);
    if (!c)
        return;
    in_act(s, c, q, false);
    add_store(s->plan, &c->in_from[1], &c->in_tensor[1], OPERAND_KEYS, s->layer, params);
    add_store(s->plan, &c->in_from[2], &c->in_tensor[2], OPERAND_VALUES, s->layer, params);
    c->n_in = 3;
    in_input(s, c, COLLET_INPUT_Q_START);
    in_input(s, c, COLLET_INPUT_KV_LEN);
    in_input(s, c, COLLET_INPUT_BLOCK_TABLE);
    out_act(s, c, o, false);
    commit(s, c);
}

void collet_take_rows(collet_step *s, collet_act r, collet_act x)
{
    call *c = new_call(s, "ops", "take_rows");
    if (!c)
        return;
    in_act(s, c, x, true);
    in_input(s, c, COLLET_INPUT_ROWS);
    out_act(s, c, r, true);
    commit(s, c);
}

void collet_softcap(collet_step *s, collet_act x, float cap)
{
    call *c = new_call(s, "ops", "softcap");
    if (!c)
        return;
    in_act(s, c, x, true);
    out_act(s, c, x, true);
    c->params.softcap = (collet_softcap_params){ .size = sizeof c->params.softcap, .cap = cap };
    c->has_params = true;
    commit(s, c);
}
