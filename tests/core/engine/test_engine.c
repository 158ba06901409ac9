// SPDX-License-Identifier: Apache-2.0
// tests/core/engine/test_engine.c - what a request may rely on, whoever else is in the batch.
//
// The reference modules compute a row without looking at its neighbours, so here "the same" means the same bits.
#include <math.h>
#include <pthread.h>

#include "tests/core/engine/rig.h"

#define LLAMA "hf/llama-tied/llama-tied-bf16.gguf"
#define ROPE3 "hf/llama-rope3/llama-rope3-f32.gguf"
#define GEMMA "hf/gemma3/gemma3-bf16.gguf"
#define IDS_MAX 128

static void open_or_fail(rig *r, const rig_opts *opts)
{
    rig_need(opts->model);
    if (rig_open(r, opts) != COLLET_OK)
        fail_msg("%s", r->err.msg);
}

// One thread computes: the models are tiny, and a busy machine would spend the test handing rows over.
static void open_rig(rig *r, const char *model, collet_engine_opts engine)
{
    open_or_fail(r, &(rig_opts){ .model = model, .sets = { "engine.threads=1" }, .engine = engine });
}

// For tests of one thread that compute much: there is nothing in them for it to see, and it takes minutes.
static void not_under_thread_sanitizer(void)
{
    if (COLLET_SANITIZER != COLLET_SANITIZER_THREAD)
        return;
    fprintf(stderr, "skipped: one thread alone shows the thread sanitizer nothing\n");
    skip();
}

// ---- batches ----

enum { N_TOGETHER = 5 };

static void together_is_as_alone(const char *model)
{
    static const uint32_t n_prompt[N_TOGETHER] = { 1, 37, 5, 70, 2 }, n_answer[N_TOGETHER] = { 9, 4, 12, 6, 7 };
    uint32_t prompt[N_TOGETHER][IDS_MAX], alone[N_TOGETHER][IDS_MAX], ids[IDS_MAX], n_alone[N_TOGETHER], n;
    collet_request_opts opts[N_TOGETHER];
    collet_request *requests[N_TOGETHER];
    rig r;
    open_rig(&r, model, (collet_engine_opts){ .context = 128, .max_requests = 8, .step_tokens = 16 });
    for (uint32_t i = 0; i < N_TOGETHER; i++) {
        rig_prompt(prompt[i], n_prompt[i], i + 1, &r);
        opts[i] = (collet_request_opts){
            .prompt = prompt[i], .n_prompt = n_prompt[i], .max_tokens = n_answer[i], .sampling = COLLET_SAMPLING_GREEDY
        };
        n_alone[i] = rig_answer(alone[i], IDS_MAX, &r, &opts[i]);
        assert_int_equal(n_alone[i], n_answer[i]);
    }
    for (uint32_t i = 0; i < N_TOGETHER; i++)
        assert_int_equal(collet_engine_submit(&requests[i], r.engine, &opts[i], &r.err), COLLET_OK);
    for (uint32_t i = N_TOGETHER; i-- > 0;) { // the last first: the others' tokens wait for their turn
        assert_int_equal(rig_finish(ids, &n, IDS_MAX, requests[i], &r.err), COLLET_OK);
        assert_int_equal(n, n_alone[i]);
        assert_memory_equal(ids, alone[i], n * sizeof *ids);
        collet_request_destroy(requests[i]);
    }
    rig_close(&r);
}

static void test_engine__together_gives_what_each_gives_alone(void **state)
{
    (void)state;
    not_under_thread_sanitizer();
    together_is_as_alone(LLAMA);
    together_is_as_alone(ROPE3);
}

static void test_engine__together_is_as_alone_with_windows_and_head_norms(void **state)
{
    (void)state;
    not_under_thread_sanitizer();
    together_is_as_alone(GEMMA);
}

// ---- logits ----

typedef struct rows {
    float *values; // (n, n_vocab)
    uint32_t n, n_max, first;
} rows;

static void keep_row(void *ctx, uint32_t position, const float *logits, uint32_t n_vocab)
{
    rows *kept = ctx;
    assert_true(kept->n < kept->n_max);
    assert_int_equal(position, kept->first + kept->n); // in order, each once
    memcpy(kept->values + (size_t)kept->n * n_vocab, logits, n_vocab * sizeof *logits);
    kept->n++;
}

static void test_engine__all_logits_are_in_order_and_those_of_token_by_token(void **state)
{
    (void)state;
    not_under_thread_sanitizer();
    enum { N = 90 }; // more than one step's rows of logits
    uint32_t prompt[N], ids[N];
    rig r;
    open_rig(&r, LLAMA, (collet_engine_opts){ .context = 128, .max_requests = 2, .step_tokens = 80 });
    const uint32_t n_vocab = collet_model_hparams(r.model)->n_vocab;
    rows all = { .values = malloc(N * n_vocab * sizeof(float)), .n_max = N };
    rows one = { .values = malloc(n_vocab * sizeof(float)), .n_max = 1 };
    assert_true(all.values && one.values);
    rig_prompt(prompt, N, 3, &r);
    collet_request_opts o = { .prompt = prompt,
                              .n_prompt = N,
                              .sampling = COLLET_SAMPLING_GREEDY,
                              .on_logits = keep_row,
                              .on_logits_ctx = &all,
                              .all_logits = true };
    assert_int_equal(rig_answer(ids, N, &r, &o), 0);
    assert_int_equal(all.n, N);
    for (uint32_t n = 1; n <= N; n += 11) {
        one.n = 0;
        one.first = n - 1;
        o = (collet_request_opts){ .prompt = prompt,
                                   .n_prompt = n,
                                   .sampling = COLLET_SAMPLING_GREEDY,
                                   .on_logits = keep_row,
                                   .on_logits_ctx = &one };
        rig_answer(ids, N, &r, &o);
        assert_int_equal(one.n, 1);
        assert_memory_equal(one.values, all.values + (size_t)(n - 1) * n_vocab, n_vocab * sizeof(float));
    }
    free(all.values);
    free(one.values);
    rig_close(&r);
}

// The row that a token of the answer is drawn from is the one that reading it as a prompt gives.
static void test_engine__decoding_continues_what_a_prompt_would_have_said(void **state)
{
    (void)state;
    not_under_thread_sanitizer();
    enum { N_PROMPT = 7, N_ANSWER = 20 };
    uint32_t ids[N_PROMPT + N_ANSWER], again[N_ANSWER];
    rig r;
    open_rig(&r, GEMMA, (collet_engine_opts){ .context = 64, .max_requests = 2, .step_tokens = 8 });
    rig_prompt(ids, N_PROMPT, 11, &r);
    collet_request_opts o = {
        .prompt = ids, .n_prompt = N_PROMPT, .max_tokens = N_ANSWER, .sampling = COLLET_SAMPLING_GREEDY
    };
    assert_int_equal(rig_answer(ids + N_PROMPT, N_ANSWER, &r, &o), N_ANSWER);
    for (uint32_t n = N_PROMPT; n < N_PROMPT + N_ANSWER; n += 4) {
        o = (collet_request_opts){ .prompt = ids, .n_prompt = n, .max_tokens = 1, .sampling = COLLET_SAMPLING_GREEDY };
        assert_int_equal(rig_answer(again, N_ANSWER, &r, &o), 1);
        assert_int_equal(again[0], ids[n]);
    }
    rig_close(&r);
}

// ---- the scheduler ----

static void test_engine__more_requests_than_places_queue_and_all_finish(void **state)
{
    (void)state;
    enum { N = 11 };
    uint32_t prompt[N], first[IDS_MAX], ids[IDS_MAX], n;
    collet_request *requests[N];
    rig r;
    open_rig(&r, ROPE3, (collet_engine_opts){ .context = 64, .max_requests = 3, .step_tokens = 16 });
    rig_prompt(prompt, N, 5, &r);
    const collet_request_opts o = {
        .prompt = prompt, .n_prompt = N, .max_tokens = 6, .sampling = COLLET_SAMPLING_GREEDY
    };
    assert_int_equal(rig_answer(first, IDS_MAX, &r, &o), 6);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(collet_engine_submit(&requests[i], r.engine, &o, &r.err), COLLET_OK);
    for (uint32_t i = 0; i < N; i++) {
        uint32_t which = (i * 7 + 3) % N; // not in order of arrival
        assert_int_equal(rig_finish(ids, &n, IDS_MAX, requests[which], &r.err), COLLET_OK);
        assert_int_equal(n, 6);
        assert_memory_equal(ids, first, sizeof *ids * 6);
    }
    for (uint32_t i = 0; i < N; i++)
        collet_request_destroy(requests[i]);
    rig_close(&r);
}

typedef struct waiter {
    collet_request *request;
    uint32_t ids[IDS_MAX], n;
    collet_status status;
    collet_error err;
} waiter;

static void *wait_all(void *arg)
{
    waiter *w = arg;
    w->status = rig_finish(w->ids, &w->n, IDS_MAX, w->request, &w->err);
    return NULL;
}

static void test_engine__two_threads_wait_on_their_own_requests(void **state)
{
    (void)state;
    uint32_t prompt[40], alone[2][IDS_MAX];
    waiter waiters[2] = { { .err = COLLET_ERROR_INIT }, { .err = COLLET_ERROR_INIT } };
    pthread_t threads[2];
    rig r;
    open_or_fail(&r, &(rig_opts){ .model = ROPE3,
                                  .sets = { "engine.threads=2" },
                                  .engine = { .context = 128, .max_requests = 2, .step_tokens = 16 } });
    rig_prompt(prompt, 40, 6, &r);
    collet_request_opts o[2];
    for (uint32_t i = 0; i < 2; i++) {
        o[i] = (collet_request_opts){
            .prompt = prompt, .n_prompt = 40 - 19 * i, .max_tokens = 24, .sampling = COLLET_SAMPLING_GREEDY
        };
        assert_int_equal(rig_answer(alone[i], IDS_MAX, &r, &o[i]), 24);
    }
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(collet_engine_submit(&waiters[i].request, r.engine, &o[i], &r.err), COLLET_OK);
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wait_all, &waiters[i]), 0);
    for (uint32_t i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(waiters[i].status, COLLET_OK);
        assert_int_equal(collet_request_finish(waiters[i].request), COLLET_FINISH_LENGTH);
        assert_int_equal(waiters[i].n, 24);
        assert_memory_equal(waiters[i].ids, alone[i], 24 * sizeof *alone[i]);
        collet_request_destroy(waiters[i].request);
    }
    rig_close(&r);
}

// ---- cancel ----

static void *cancel(void *arg)
{
    collet_request_cancel(arg);
    return NULL;
}

static void test_engine__cancel_from_another_thread_ends_within_a_step_and_gives_its_place_back(void **state)
{
    (void)state;
    uint32_t prompt[8], ids[IDS_MAX], n_tokens;
    const uint32_t *tokens = NULL;
    collet_request *running = NULL, *waiting = NULL;
    pthread_t thread;
    rig r;
    open_rig(&r, ROPE3, (collet_engine_opts){ .context = 128, .max_requests = 1, .step_tokens = 8 });
    rig_prompt(prompt, 8, 7, &r);
    const collet_request_opts o = {
        .prompt = prompt, .n_prompt = 8, .max_tokens = 100, .sampling = COLLET_SAMPLING_GREEDY
    };
    const collet_request_opts small = {
        .prompt = prompt, .n_prompt = 8, .max_tokens = 3, .sampling = COLLET_SAMPLING_GREEDY
    };
    assert_int_equal(collet_engine_submit(&running, r.engine, &o, &r.err), COLLET_OK);
    assert_int_equal(collet_engine_submit(&waiting, r.engine, &small, &r.err), COLLET_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(collet_request_next(&tokens, &n_tokens, running, &r.err), COLLET_OK);
        assert_int_equal(n_tokens, 1);
    }
    assert_int_equal(pthread_create(&thread, NULL, cancel, running), 0);
    pthread_join(thread, NULL);
    n_tokens = 77;
    assert_int_equal(collet_request_next(&tokens, &n_tokens, running, &r.err), COLLET_E_CANCELLED);
    assert_int_equal(n_tokens, 77); // untouched
    assert_int_equal(collet_request_finish(running), COLLET_FINISH_CANCELLED);
    // The one place is free although the cancelled request still exists.
    assert_int_equal(rig_finish(ids, &n_tokens, IDS_MAX, waiting, &r.err), COLLET_OK);
    assert_int_equal(n_tokens, 3);
    assert_int_equal(collet_request_next(&tokens, &n_tokens, running, &r.err), COLLET_E_CANCELLED);
    collet_request_destroy(running);
    collet_request_destroy(waiting);
    rig_close(&r);
}

static void test_engine__destroying_a_running_request_gives_its_place_back(void **state)
{
    (void)state;
    uint32_t prompt[8], ids[IDS_MAX], n_tokens;
    const uint32_t *tokens = NULL;
    collet_request *running = NULL;
    rig r;
    open_rig(&r, ROPE3, (collet_engine_opts){ .context = 32, .max_requests = 1, .step_tokens = 8 });
    rig_prompt(prompt, 8, 7, &r);
    const collet_request_opts o = {
        .prompt = prompt, .n_prompt = 8, .max_tokens = 5, .sampling = COLLET_SAMPLING_GREEDY
    };
    for (int i = 0; i < 3; i++) {
        assert_int_equal(collet_engine_submit(&running, r.engine, &o, &r.err), COLLET_OK);
        assert_int_equal(collet_request_next(&tokens, &n_tokens, running, &r.err), COLLET_OK);
        collet_request_destroy(running);
    }
    assert_int_equal(rig_answer(ids, IDS_MAX, &r, &o), 5);
    rig_close(&r);
}

// ---- ends ----

static collet_finish how_it_ends(uint32_t *ids, uint32_t *n, rig *r, const collet_request_opts *o)
{
    collet_request *request = NULL;
    assert_int_equal(collet_engine_submit(&request, r->engine, o, &r->err), COLLET_OK);
    assert_int_equal(rig_finish(ids, n, IDS_MAX, request, &r->err), COLLET_OK);
    collet_finish how = collet_request_finish(request);
    collet_request_destroy(request);
    return how;
}

static void test_engine__an_answer_ends_at_a_stop_id_max_tokens_or_the_context(void **state)
{
    (void)state;
    not_under_thread_sanitizer();
    uint32_t prompt[30], free_run[IDS_MAX], ids[IDS_MAX], n;
    rig r;
    open_rig(&r, LLAMA, (collet_engine_opts){ .context = 32, .max_requests = 2, .step_tokens = 8 });
    rig_prompt(prompt, 30, 8, &r);
    collet_request_opts o = { .prompt = prompt, .n_prompt = 8, .max_tokens = 9, .sampling = COLLET_SAMPLING_GREEDY };
    assert_int_equal(how_it_ends(free_run, &n, &r, &o), COLLET_FINISH_LENGTH);
    assert_int_equal(n, 9);

    const uint32_t stops[] = { 100000, free_run[4] };
    uint32_t first = 0;
    while (free_run[first] != stops[1])
        first++;
    o.stop_ids = stops;
    o.n_stop_ids = 2;
    assert_int_equal(how_it_ends(ids, &n, &r, &o), COLLET_FINISH_STOP);
    assert_int_equal(n, first + 1); // the stop is the last id
    assert_int_equal(ids[first], stops[1]);

    o = (collet_request_opts){ .prompt = prompt, .n_prompt = 8, .sampling = COLLET_SAMPLING_GREEDY };
    assert_int_equal(how_it_ends(ids, &n, &r, &o), COLLET_FINISH_LENGTH); // max_tokens 0: the prompt is only read
    assert_int_equal(n, 0);

    o = (collet_request_opts){
        .prompt = prompt, .n_prompt = 30, .max_tokens = 100, .sampling = COLLET_SAMPLING_GREEDY
    };
    assert_int_equal(how_it_ends(ids, &n, &r, &o), COLLET_FINISH_LENGTH);
    assert_int_equal(n, 3); // two places, and a last token that needs none
    rig_close(&r);
}

// ---- sampling ----

static void test_engine__same_seed_same_text_another_seed_another(void **state)
{
    (void)state;
    not_under_thread_sanitizer();
    uint32_t prompt[8], a[IDS_MAX], b[IDS_MAX];
    rig r;
    open_rig(&r, LLAMA, (collet_engine_opts){ .context = 64, .max_requests = 2, .step_tokens = 8 });
    rig_prompt(prompt, 8, 9, &r);
    collet_request_opts o = { .prompt = prompt, .n_prompt = 8, .max_tokens = 32, .sampling = COLLET_SAMPLING_GREEDY };
    o.sampling.temperature = 1.5f;
    o.sampling.seed = 1;
    uint32_t n = rig_answer(a, IDS_MAX, &r, &o);
    assert_int_equal(rig_answer(b, IDS_MAX, &r, &o), n);
    assert_memory_equal(a, b, n * sizeof *a);
    o.sampling.seed = 2;
    assert_int_equal(rig_answer(b, IDS_MAX, &r, &o), n);
    assert_memory_not_equal(a, b, n * sizeof *a);
    rig_close(&r);
}

// ---- refusals ----

static void refused(rig *r, const collet_request_opts *o, const char *one, const char *other)
{
    collet_request *request = NULL;
    assert_int_equal(collet_engine_submit(&request, r->engine, o, &r->err), COLLET_E_INVALID);
    assert_null(request);
    assert_holds(r->err.msg, one);
    assert_holds(r->err.msg, other);
}

static void test_engine__what_cannot_be_meant_is_refused_with_both_numbers(void **state)
{
    (void)state;
    uint32_t prompt[40];
    rig r;
    open_rig(&r, LLAMA, (collet_engine_opts){ .context = 32, .max_requests = 2, .step_tokens = 8 });
    rig_prompt(prompt, 40, 1, &r);
    collet_request_opts o = { .prompt = prompt, .max_tokens = 1, .sampling = COLLET_SAMPLING_GREEDY };
    refused(&r, &o, "no tokens", "");
    o.n_prompt = 33;
    refused(&r, &o, "33 tokens", "context 32");
    o.n_prompt = 5;
    prompt[3] = 512;
    refused(&r, &o, "token 3 of the prompt is 512", "vocabulary has 512");
    prompt[3] = 511;
    o.sampling.top_p = 1.5f;
    refused(&r, &o, "1.5", "top_p");
    rig_close(&r);
}

// ---- weights that are not finite ----

// A copy of the model with one NaN in the middle of a tensor.
static void spoil(char path[600], const char *model, const char *tensor)
{
    char original[4096];
    collet_gguf *g = NULL;
    snprintf(path, 600, "%s/tests/nan-XXXXXX", getenv("COLLET_BUILD_DIR"));
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *out = fdopen(fd, "wb");
    size_t n_bytes = 0;
    uint8_t *data = golden_read(&n_bytes, ".", model);
    assert_int_equal(collet_gguf_open(&g, golden_path(original, ".", model), NULL), COLLET_OK);
    const collet_gguf_tensor *t = collet_gguf_find_tensor(g, tensor);
    assert_non_null(t);
    // The data's place in the file: its first bytes are looked for, since the reader only lends an address.
    size_t at = 0;
    while (memcmp(data + at, t->data, t->n_bytes) != 0)
        at += 32;                         // gguf alignment
    const uint32_t nan_bits = 0x7fc07fc0; // f32 and bf16 alike
    memcpy(data + at + t->n_bytes / 8 * 4, &nan_bits, sizeof nan_bits);
    collet_gguf_close(g);
    assert_int_equal(fwrite(data, 1, n_bytes, out), n_bytes);
    assert_int_equal(fclose(out), 0);
    free(data);
}

static void test_engine__a_weight_that_is_not_finite_is_named(void **state)
{
    (void)state;
    static const char *const tensors[] = { "blk.1.ffn_down.weight", "output_norm.weight" };
    uint32_t prompt[8], ids[IDS_MAX], n;
    rig_need(LLAMA);
    for (size_t i = 0; i < COLLET_COUNT(tensors); i++) {
        char path[600];
        collet_request *request = NULL;
        rig r;
        spoil(path, LLAMA, tensors[i]);
        open_rig(&r, path, (collet_engine_opts){ .context = 32 });
        rig_prompt(prompt, 8, 1, &r);
        const collet_request_opts o = {
            .prompt = prompt, .n_prompt = 8, .max_tokens = 4, .sampling = COLLET_SAMPLING_GREEDY
        };
        assert_int_equal(collet_engine_submit(&request, r.engine, &o, &r.err), COLLET_OK);
        assert_int_equal(rig_finish(ids, &n, IDS_MAX, request, &r.err), COLLET_E_FORMAT);
        assert_int_equal(collet_request_finish(request), COLLET_FINISH_ERROR);
        assert_int_equal(n, 0);
        assert_holds(r.err.msg, path);
        assert_holds(r.err.msg, tensors[i]);
        collet_request_destroy(request);
        rig_close(&r);
        remove(path);
    }
}

// ---- other modules ----

static void answer_two(uint32_t ids[2][IDS_MAX], const rig_opts *opts)
{
    uint32_t prompt[20], n;
    collet_request *requests[2];
    rig r;
    open_or_fail(&r, opts);
    rig_prompt(prompt, 20, 2, &r);
    for (uint32_t i = 0; i < 2; i++) {
        const collet_request_opts o = {
            .prompt = prompt, .n_prompt = 20 - 9 * i, .max_tokens = 12, .sampling = COLLET_SAMPLING_GREEDY
        };
        assert_int_equal(collet_engine_submit(&requests[i], r.engine, &o, &r.err), COLLET_OK);
    }
    for (uint32_t i = 0; i < 2; i++) {
        if (rig_finish(ids[i], &n, IDS_MAX, requests[i], &r.err) != COLLET_OK)
            fail_msg("%s", r.err.msg);
        assert_int_equal(n, 12);
        collet_request_destroy(requests[i]);
    }
    rig_close(&r);
}

// sim's kernels are the reference's, but its memory, queue and recordings are not: whatever the core forgets to send,
// to wait for or to update between replays changes an id or is reported.
static void test_engine__a_device_with_its_own_memory_and_replays_gives_the_same(void **state)
{
    (void)state;
    static const char *const models[] = { LLAMA, GEMMA };
    uint32_t cpu[2][IDS_MAX], sim[2][IDS_MAX];
    for (size_t i = 0; i < COLLET_COUNT(models); i++) {
        answer_two(cpu, &(rig_opts){ .model = models[i], .sets = { "engine.threads=1" } });
        answer_two(sim, &(rig_opts){ .model = models[i],
                                     .sets = { "engine.threads=1", "slots.device=sim.device" },
                                     .plugins = true });
        for (uint32_t k = 0; k < 2; k++)
            assert_memory_equal(cpu[k], sim[k], 12 * sizeof(uint32_t));
    }
}

// Rounding may differ between a batch and a single row there, so only the run itself is held to repeat.
static void test_engine__tuned_modules_repeat_themselves(void **state)
{
    (void)state;
    static const char *const models[] = { LLAMA, ROPE3, GEMMA };
    uint32_t a[2][IDS_MAX], b[2][IDS_MAX];
    for (size_t i = 0; i < COLLET_COUNT(models); i++) {
        const rig_opts opts = { .model = models[i], .sets = { "engine.threads=2" }, .plugins = true };
        answer_two(a, &opts);
        answer_two(b, &opts);
        for (uint32_t k = 0; k < 2; k++)
            assert_memory_equal(a[k], b[k], 12 * sizeof(uint32_t));
    }
}

// ---- two of everything ----

static void test_engine__two_runtimes_of_one_process_share_nothing(void **state)
{
    (void)state;
    uint32_t prompt[8], a[IDS_MAX], b[IDS_MAX];
    rig one, two;
    open_rig(&one, LLAMA, (collet_engine_opts){ .context = 64 });
    open_rig(&two, GEMMA, (collet_engine_opts){ .context = 64 });
    rig_prompt(prompt, 8, 4, &one);
    const collet_request_opts o = {
        .prompt = prompt, .n_prompt = 8, .max_tokens = 10, .sampling = COLLET_SAMPLING_GREEDY
    };
    assert_int_equal(rig_answer(a, IDS_MAX, &one, &o), 10);
    assert_int_equal(rig_answer(b, IDS_MAX, &two, &o), 10);
    assert_memory_not_equal(a, b, 10 * sizeof *a);
    rig_close(&two);
    assert_int_equal(rig_answer(b, IDS_MAX, &one, &o), 10); // the other's end is not this one's
    assert_memory_equal(a, b, 10 * sizeof *a);
    rig_close(&one);
}

static void test_engine__two_engines_share_a_model_and_its_weights(void **state)
{
    (void)state;
    uint32_t prompt[8], a[IDS_MAX], b[IDS_MAX];
    collet_engine *second = NULL;
    rig r;
    open_rig(&r, ROPE3, (collet_engine_opts){ .context = 64 });
    const collet_engine_opts opts = { .context = 32, .max_requests = 1, .step_tokens = 4 };
    assert_int_equal(collet_engine_create(&second, r.model, &opts, &r.err), COLLET_OK);
    rig_prompt(prompt, 8, 4, &r);
    const collet_request_opts o = {
        .prompt = prompt, .n_prompt = 8, .max_tokens = 10, .sampling = COLLET_SAMPLING_GREEDY
    };
    assert_int_equal(rig_answer(a, IDS_MAX, &r, &o), 10);
    collet_engine_destroy(r.engine);
    r.engine = second;
    assert_int_equal(rig_answer(b, IDS_MAX, &r, &o), 10);
    assert_memory_equal(a, b, 10 * sizeof *a);
    rig_close(&r);
}

#define TEST(name) cmocka_unit_test(test_engine__##name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(together_gives_what_each_gives_alone),
        TEST(together_is_as_alone_with_windows_and_head_norms),
        TEST(all_logits_are_in_order_and_those_of_token_by_token),
        TEST(decoding_continues_what_a_prompt_would_have_said),
        TEST(more_requests_than_places_queue_and_all_finish),
        TEST(two_threads_wait_on_their_own_requests),
        TEST(cancel_from_another_thread_ends_within_a_step_and_gives_its_place_back),
        TEST(destroying_a_running_request_gives_its_place_back),
        TEST(an_answer_ends_at_a_stop_id_max_tokens_or_the_context),
        TEST(same_seed_same_text_another_seed_another),
        TEST(what_cannot_be_meant_is_refused_with_both_numbers),
        TEST(a_weight_that_is_not_finite_is_named),
        TEST(a_device_with_its_own_memory_and_replays_gives_the_same),
        TEST(tuned_modules_repeat_themselves),
        TEST(two_runtimes_of_one_process_share_nothing),
        TEST(two_engines_share_a_model_and_its_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
