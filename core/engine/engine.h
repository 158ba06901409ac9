// SPDX-License-Identifier: Apache-2.0
// core/engine/engine.h - requests in, tokens out: one scheduler for the program, the server and the benchmark.
//
// runtime -> model -> engine -> request. A step forms one ragged batch: a token of every running request, then chunks
// of prompts in order of arrival, up to step_tokens. collet_request_next() runs steps while it has nothing to return,
// so one thread is enough; several threads may wait on their own requests, one of them runs the step.
//
// Invariant: tokens of a request come in order, each exactly once; none come after it has finished.
#ifndef COLLET_CORE_ENGINE_ENGINE_H
#define COLLET_CORE_ENGINE_ENGINE_H

#include "core/engine/sample.h"
#include "core/model/plan.h"

typedef struct collet_engine collet_engine;
typedef struct collet_request collet_request;

typedef struct collet_engine_opts {
    uint32_t context;      // tokens per sequence; 0: the model's own, at most COLLET_CONTEXT_AUTO_MAX
    uint32_t max_requests; // that run at the same time
    uint32_t step_tokens;
} collet_engine_opts;
#define COLLET_CONTEXT_AUTO_MAX 8192u

// What an engine of these options plans for this model: also what explain shows.
void collet_engine_limits(const collet_engine_opts *opts, const collet_model *m, collet_plan_opts *out);

// Selects, packs, binds. Errors: of collet_plan_select and collet_plan_bind.
// Ownership: gives; destroy frees (after its requests), accepts NULL; borrows the model until then.
collet_status collet_engine_create(collet_engine **out, collet_model *m, const collet_engine_opts *opts,
                                   collet_error *err);
void collet_engine_destroy(collet_engine *e);
collet_plan *collet_engine_plan(collet_engine *e);

typedef enum collet_finish {
    COLLET_FINISH_NONE = 0, // still running
    COLLET_FINISH_STOP,     // end of text
    COLLET_FINISH_LENGTH,   // max_tokens or the context's end
    COLLET_FINISH_CANCELLED,
    COLLET_FINISH_ERROR
} collet_finish;

// Called for every row of logits of a request: position is that of the token which was fed. Lent for the call.
typedef void (*collet_logits_fn)(void *ctx, uint32_t position, const float *logits, uint32_t n_vocab);

typedef struct collet_request_opts {
    const uint32_t *prompt;   // copied
    uint32_t n_prompt;        // at least 1
    uint32_t max_tokens;      // 0: the prompt is only read
    const uint32_t *stop_ids; // tokens that end the answer (they are returned, as the last one); borrowed
    uint32_t n_stop_ids;
    collet_sampling sampling;
    collet_logits_fn on_logits; // NULL: none
    void *on_logits_ctx;
    bool all_logits; // for every token of the prompt, not the last only
} collet_request_opts;

// Errors: INVALID (empty prompt, an id outside the vocabulary, sampling out of range, prompt longer than the context:
// the message has both numbers), NOMEM.
// Ownership: gives; destroy cancels and frees, accepts NULL.  Threads: [any-thread]
collet_status collet_engine_submit(collet_request **out, collet_engine *e, const collet_request_opts *opts,
                                   collet_error *err);
void collet_request_destroy(collet_request *r);

// Waits for the request's next tokens, running steps meanwhile. *n_tokens is 0 once it has finished.
// Ownership: lends *tokens until the next call on r
// Errors:    CANCELLED, DEVICE, FORMAT (weights that are not finite), INTERNAL; outputs untouched
// Threads:   [one-caller] per request
collet_status collet_request_next(const uint32_t **tokens, uint32_t *n_tokens, collet_request *r, collet_error *err);

// Ends the request within one step.  Threads: [any-thread], async-signal-safe
void collet_request_cancel(collet_request *r);

collet_finish collet_request_finish(const collet_request *r);

// Time spent in steps of this request, for reports.
typedef struct collet_request_timing {
    double prefill_s, decode_s, first_token_s; // first_token_s from submit
    uint32_t prefill_tokens, decode_tokens;
} collet_request_timing;
void collet_request_timing_get(const collet_request *r, collet_request_timing *out);

#endif
