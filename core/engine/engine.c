// SPDX-License-Identifier: Apache-2.0
// core/engine/engine.c
#include "core/engine/engine.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/error.h"

#define LOGIT_ROWS 64u // rows of logits per step: what a prompt read with all its logits is cut into

struct collet_request {
    collet_engine *engine;
    collet_request *next; // in engine order
    uint32_t *ids;        // prompt and answer, room for capacity
    uint32_t n_ids, n_prompt, capacity;
    uint32_t n_fed;   // tokens whose K and V are in the cache
    uint32_t n_given; // tokens of the answer that next() has returned
    int32_t *blocks;  // n_blocks_max, -1 where none
    uint32_t n_blocks;
    uint32_t chunk;     // tokens in the step being made
    uint32_t row_first; // its first row of logits in that step
    uint32_t n_rows;
    uint32_t *stop_ids, n_stop_ids;
    collet_logit_bias *bias;
    collet_sampling sampling;
    collet_rng rng;
    collet_logits_fn on_logits;
    void *on_logits_ctx;
    bool all_logits;
    atomic_bool cancelled;
    collet_finish finish;
    collet_status status;
    collet_error err;
    double submitted_at;
    collet_request_timing timing;
};

struct collet_engine {
    collet_model *model;
    collet_plan *plan;
    collet_sampler *sampler;
    uint32_t n_vocab;
    collet_plan_opts limits;
    uint32_t block_tokens, n_blocks_max;
    int32_t *free_blocks; // a stack
    uint32_t n_free;
    pthread_mutex_t lock;
    collet_request *requests; // oldest first
};

// ---- engine ----

void collet_engine_limits(const collet_engine_opts *opts, const collet_model *m, collet_plan_opts *out)
{
    uint32_t train = collet_model_hparams(m)->context_train;
    uint32_t context = opts->context;
    if (context == 0)
        context = train < COLLET_CONTEXT_AUTO_MAX ? train : COLLET_CONTEXT_AUTO_MAX;
    *out = (collet_plan_opts){ .context = context,
                               .n_seqs_max = opts->max_requests,
                               .step_tokens = opts->step_tokens < context ? opts->step_tokens : context,
                               .rows_max = opts->max_requests > LOGIT_ROWS ? opts->max_requests : LOGIT_ROWS };
}

static collet_status create_into(collet_engine *e, collet_error *err)
{
    collet_status st = collet_plan_select(&e->plan, e->model, &e->limits, err);
    if (st == COLLET_OK)
        st = collet_plan_bind(e->plan, err);
    if (st != COLLET_OK)
        return st;
    e->limits = *collet_plan_limits(e->plan);
    const collet_kv_geometry *g = collet_plan_kv(e->plan);
    e->block_tokens = g->block_tokens;
    e->n_blocks_max = collet_plan_batch(e->plan)->n_blocks_max;
    e->free_blocks = malloc(g->n_blocks * sizeof *e->free_blocks);
    e->sampler = collet_sampler_create(e->n_vocab);
    if (!e->free_blocks || !e->sampler)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the engine");
    for (uint32_t i = g->n_blocks; i-- > 0;)
        e->free_blocks[e->n_free++] = (int32_t)i;
    return COLLET_OK;
}

collet_status collet_engine_create(collet_engine **out, collet_model *m, const collet_engine_opts *opts,
                                   collet_error *err)
{
    collet_engine *e = calloc(1, sizeof *e);
    if (!e)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the engine");
    e->model = m;
    e->n_vocab = collet_model_hparams(m)->n_vocab;
    pthread_mutex_init(&e->lock, NULL);
    collet_engine_limits(opts, m, &e->limits);
    collet_status st = create_into(e, err);
    if (st == COLLET_OK)
        *out = e;
    else
        collet_engine_destroy(e);
    return st;
}

void collet_engine_destroy(collet_engine *e)
{
    if (!e)
        return;
    collet_plan_destroy(e->plan);
    collet_sampler_destroy(e->sampler);
    free(e->free_blocks);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

collet_plan *collet_engine_plan(collet_engine *e)
{
    return e->plan;
}

// ---- requests ----

static void free_request(collet_request *r)
{
    free(r->ids);
    free(r->blocks);
    free(r->stop_ids);
    free(r->bias);
    free(r);
}

static collet_status check_request(const collet_engine *e, const collet_request_opts *o, collet_error *err)
{
    if (o->n_prompt == 0)
        return collet_fail(err, COLLET_E_INVALID, "the prompt has no tokens");
    if (o->n_prompt > e->limits.context)
        return collet_fail(err, COLLET_E_INVALID,
                           "the prompt has %u tokens, the context %u; shorten it or raise "
                           "engine.context (--context)",
                           o->n_prompt, e->limits.context);
    for (uint32_t i = 0; i < o->n_prompt; i++)
        if (o->prompt[i] >= e->n_vocab)
            return collet_fail(err, COLLET_E_INVALID, "token %u of the prompt is %u, the vocabulary has %u", i,
                               o->prompt[i], e->n_vocab);
    return collet_sampling_check(&o->sampling, e->n_vocab, err);
}

static bool copy_arrays(collet_request *r, const collet_request_opts *o, uint32_t n_blocks_max)
{
    r->ids = malloc(r->capacity * sizeof *r->ids);
    r->blocks = malloc(n_blocks_max * sizeof *r->blocks);
    r->stop_ids = malloc((o->n_stop_ids + 1) * sizeof *r->stop_ids);
    r->bias = malloc((o->sampling.n_bias + 1) * sizeof *r->bias);
    if (!r->ids || !r->blocks || !r->stop_ids || !r->bias)
        return false;
    memcpy(r->ids, o->prompt, o->n_prompt * sizeof *r->ids);
    if (o->n_stop_ids)
        memcpy(r->stop_ids, o->stop_ids, o->n_stop_ids * sizeof *r->stop_ids);
    if (o->sampling.n_bias)
        memcpy(r->bias, o->sampling.bias, o->sampling.n_bias * sizeof *r->bias);
    memset(r->blocks, 0xff, n_blocks_max * sizeof *r->blocks); // -1
    return true;
}

collet_status collet_engine_submit(collet_request **out, collet_engine *e, const collet_request_opts *opts,
                                   collet_error *err)
{
    collet_status st = check_request(e, opts, err);
    if (st != COLLET_OK)
        return st;
    collet_request *r = calloc(1, sizeof *r);
    if (!r)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for a request");
    uint32_t room = e->limits.context - opts->n_prompt;
    // The last token of an answer needs no place in the cache, so an answer may be one longer than the room.
    uint32_t n_answer = opts->max_tokens < room + 1 ? opts->max_tokens : room + 1;
    r->engine = e;
    r->n_ids = r->n_prompt = opts->n_prompt;
    r->capacity = opts->n_prompt + n_answer;
    r->sampling = opts->sampling;
    r->on_logits = opts->on_logits;
    r->on_logits_ctx = opts->on_logits_ctx;
    r->all_logits = opts->all_logits;
    r->n_stop_ids = opts->n_stop_ids;
    r->err.size = sizeof r->err;
    r->submitted_at = collet_now_s();
    if (!copy_arrays(r, opts, e->n_blocks_max)) {
        free_request(r);
        return collet_fail(err, COLLET_E_NOMEM, "no memory for a request of %u tokens", opts->n_prompt);
    }
    r->sampling.bias = r->bias;
    collet_rng_seed(&r->rng, opts->sampling.seed);
    pthread_mutex_lock(&e->lock);
    collet_request **last = &e->requests;
    while (*last)
        last = &(*last)->next;
    *last = r;
    pthread_mutex_unlock(&e->lock);
    *out = r;
    return COLLET_OK;
}

static void release_blocks(collet_engine *e, collet_request *r)
{
    while (r->n_blocks > 0)
        e->free_blocks[e->n_free++] = r->blocks[--r->n_blocks];
}

static void finish(collet_engine *e, collet_request *r, collet_finish how)
{
    r->finish = how;
    release_blocks(e, r);
}

void collet_request_destroy(collet_request *r)
{
    if (!r)
        return;
    collet_engine *e = r->engine;
    pthread_mutex_lock(&e->lock);
    collet_request **at = &e->requests;
    while (*at && *at != r)
        at = &(*at)->next;
    if (*at)
        *at = r->next;
    release_blocks(e, r);
    pthread_mutex_unlock(&e->lock);
    free_request(r);
}

void collet_request_cancel(collet_request *r)
{
    atomic_store(&r->cancelled, true);
}

collet_finish collet_request_finish(const collet_request *r)
{
    pthread_mutex_lock(&r->engine->lock); // another request's thread may be running the step that finishes it
    collet_finish how = r->finish;
    pthread_mutex_unlock(&r->engine->lock);
    return how;
}

void collet_request_timing_get(const collet_request *r, collet_request_timing *out)
{
    pthread_mutex_lock(&r->engine->lock);
    *out = r->timing;
    pthread_mutex_unlock(&r->engine->lock);
}

// ---- the step ----

// Blocks for n_tokens tokens of the sequence; false when the pool has none left for now.
static bool reserve(collet_engine *e, collet_request *r, uint32_t n_tokens)
{
    uint32_t need = (n_tokens + e->block_tokens - 1) / e->block_tokens;
    if (need > e->n_free + r->n_blocks)
        return false;
    while (r->n_blocks < need)
        r->blocks[r->n_blocks++] = e->free_blocks[--e->n_free];
    return true;
}

static void add_to_batch(collet_engine *e, collet_batch *b, collet_request *r, uint32_t n)
{
    r->chunk = n;
    r->row_first = b->n_rows;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t position = r->n_fed + i, t = b->n_tokens + i;
        b->tokens[t] = (int32_t)r->ids[position];
        b->positions[t] = (int32_t)position;
        b->slots[t] =
            r->blocks[position / e->block_tokens] * (int32_t)e->block_tokens + (int32_t)(position % e->block_tokens);
        bool last = position + 1 == r->n_ids && (r->capacity > r->n_prompt || r->on_logits);
        if (r->all_logits || last)
            b->rows[b->n_rows++] = (int32_t)t;
    }
    r->n_rows = b->n_rows - r->row_first;
    memcpy(b->block_table + (size_t)b->n_seqs * e->n_blocks_max, r->blocks, e->n_blocks_max * sizeof *r->blocks);
    b->q_start[b->n_seqs] = (int32_t)b->n_tokens;
    b->kv_len[b->n_seqs] = (int32_t)(r->n_fed + n);
    b->n_tokens += n;
    b->n_seqs++;
    b->q_start[b->n_seqs] = (int32_t)b->n_tokens;
}

static uint32_t wanted(const collet_request *r)
{
    return r->finish == COLLET_FINISH_NONE ? r->n_ids - r->n_fed : 0;
}

// Decodes first, so that a long prompt does not stop those who are answering; then prompts, oldest first.
static void form_batch(collet_engine *e, collet_batch *b)
{
    b->n_tokens = b->n_seqs = b->n_rows = 0;
    for (collet_request *r = e->requests; r; r = r->next) {
        r->chunk = 0;
        if (r->finish == COLLET_FINISH_NONE && atomic_load(&r->cancelled))
            finish(e, r, COLLET_FINISH_CANCELLED);
    }
    for (int prompts = 0; prompts <= 1; prompts++)
        for (collet_request *r = e->requests; r; r = r->next) {
            uint32_t n = wanted(r), left = e->limits.step_tokens - b->n_tokens;
            uint32_t rows_left = e->limits.rows_max - b->n_rows;
            if (n == 0 || r->chunk || (n == 1) == (prompts == 1) || b->n_seqs == e->limits.n_seqs_max)
                continue;
            n = n < left ? n : left;
            if (r->all_logits)
                n = n < rows_left ? n : rows_left;
            if (n > 0 && rows_left > 0 && reserve(e, r, r->n_fed + n))
                add_to_batch(e, b, r, n);
        }
}

static bool is_stop(const collet_request *r, uint32_t id)
{
    for (uint32_t i = 0; i < r->n_stop_ids; i++)
        if (r->stop_ids[i] == id)
            return true;
    return false;
}

static void blame_weights(collet_engine *e, collet_request *r)
{
    const char *weight = collet_model_find_nonfinite(e->model);
    r->status = collet_fail(&r->err, COLLET_E_FORMAT, "%s: logits are not finite%s%s%s", collet_model_path(e->model),
                            weight ? ": tensor '" : " though every weight is: report it with `collet explain`",
                            weight ? weight : "", weight ? "' holds NaN or infinity" : "");
    finish(e, r, COLLET_FINISH_ERROR);
}

// What the step brought for one request: rows for whoever asked, a token when its text was read to the end.
static void take_results(collet_engine *e, collet_request *r, const float *logits)
{
    uint32_t first = r->n_fed;
    r->n_fed += r->chunk;
    for (uint32_t i = 0; r->on_logits && i < r->n_rows; i++)
        r->on_logits(r->on_logits_ctx, r->n_fed - r->n_rows + i, logits + (size_t)(r->row_first + i) * e->n_vocab,
                     e->n_vocab);
    bool was_prompt = first < r->n_prompt;
    if (r->n_fed < r->n_ids)
        return; // more prompt to read
    if (r->n_ids == r->capacity) {
        finish(e, r, COLLET_FINISH_LENGTH); // max_tokens 0: the prompt was only read
        return;
    }
    uint32_t token = 0;
    const collet_history history = { .ids = r->ids, .n_prompt = r->n_prompt, .n = r->n_ids };
    const float *row = logits + (size_t)(r->row_first + r->n_rows - 1) * e->n_vocab;
    if (collet_sampler_draw(e->sampler, row, &r->sampling, &history, &r->rng, &token) != COLLET_OK) {
        blame_weights(e, r);
        return;
    }
    r->ids[r->n_ids++] = token;
    if (was_prompt)
        r->timing.first_token_s = collet_now_s() - r->submitted_at;
    if (is_stop(r, token))
        finish(e, r, COLLET_FINISH_STOP);
    else if (r->n_ids == r->capacity)
        finish(e, r, COLLET_FINISH_LENGTH);
}

static void count_time(collet_request *r, double seconds)
{
    if (r->n_fed < r->n_prompt) {
        r->timing.prefill_s += seconds;
        r->timing.prefill_tokens += r->chunk;
    } else {
        r->timing.decode_s += seconds;
        r->timing.decode_tokens += r->chunk;
    }
}

static void fail_all(collet_engine *e, collet_status st, const collet_error *err)
{
    for (collet_request *r = e->requests; r; r = r->next)
        if (r->finish == COLLET_FINISH_NONE && r->chunk) {
            r->status = st;
            r->err = *err;
            finish(e, r, COLLET_FINISH_ERROR);
        }
}

// Runs one step; false when nobody can go on.
static bool step(collet_engine *e)
{
    collet_batch *b = collet_plan_batch(e->plan);
    form_batch(e, b);
    if (b->n_tokens == 0)
        return false;
    collet_error err = COLLET_ERROR_INIT;
    double begin = collet_now_s();
    collet_status st = collet_plan_run(e->plan, &err);
    double seconds = collet_now_s() - begin;
    if (st != COLLET_OK) {
        fail_all(e, st, &err);
        return true;
    }
    const float *logits = collet_plan_logits(e->plan);
    for (collet_request *r = e->requests; r; r = r->next)
        if (r->chunk && r->finish == COLLET_FINISH_NONE) {
            count_time(r, seconds);
            take_results(e, r, logits);
        }
    return true;
}

collet_status collet_request_next(const uint32_t **tokens, uint32_t *n_tokens, collet_request *r, collet_error *err)
{
    collet_engine *e = r->engine;
    collet_status st = COLLET_OK;
    pthread_mutex_lock(&e->lock);
    while (r->n_prompt + r->n_given == r->n_ids && r->finish == COLLET_FINISH_NONE)
        if (!step(e) && r->finish == COLLET_FINISH_NONE) {
            r->status = collet_fail(&r->err, COLLET_E_INTERNAL, "the scheduler has no place for this request");
            finish(e, r, COLLET_FINISH_ERROR);
        }
    uint32_t first = r->n_prompt + r->n_given;
    if (first < r->n_ids) {
        *tokens = r->ids + first;
        *n_tokens = r->n_ids - first;
        r->n_given += *n_tokens;
    } else if (r->finish == COLLET_FINISH_ERROR) {
        st = collet_fail_text(err, r->status, r->err.native, r->err.msg);
    } else if (r->finish == COLLET_FINISH_CANCELLED) {
        st = collet_fail(err, COLLET_E_CANCELLED, "the request was cancelled");
    } else {
        *n_tokens = 0;
    }
    pthread_mutex_unlock(&e->lock);
    return st;
}
