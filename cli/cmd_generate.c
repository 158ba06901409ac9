// SPDX-License-Identifier: Apache-2.0
// cli/cmd_generate.c - one prompt to stdout, streamed.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/memory.h"
#include "cli/open.h"
#include "cli/print_json.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/engine/stop_text.h"

#define PROMPT_BYTES_MAX (64u << 20)
#define STOPS_MAX 16

typedef struct answer {
    const collet_args *args;
    collet_opened o;
    uint32_t *prompt;
    size_t n_prompt;
    collet_text text;   // what was written, for --json
    json_t *ids;        // --json
    json_t *top_logits; // --json --top-logits
    uint32_t n_top;
    uint32_t *top_ids;
    float *top_values;
    bool failed; // of memory, inside a callback
    const char *finish_reason;
} answer;

static collet_status read_prompt(answer *a, collet_error *err)
{
    const collet_args *args = a->args;
    const char *ids = collet_args_text(args, "ids"), *file = collet_args_text(args, "file");
    const char *prompt = collet_args_text(args, "prompt");
    if (!!ids + !!file + !!prompt != 1)
        return collet_fail(err, COLLET_E_INVALID, "give the prompt once: -p TEXT, -f FILE or --ids 1,2,3");
    if (ids)
        return collet_args_ids(&a->prompt, &a->n_prompt, ids, err);
    uint32_t flags = COLLET_ENCODE_ADD_SPECIAL;
    if (!collet_args_bool(args, "no-special"))
        flags |= COLLET_ENCODE_PARSE_SPECIAL;
    if (prompt)
        return collet_tokenizer_encode(&a->prompt, &a->n_prompt, a->o.tokenizer, prompt, strlen(prompt), flags, err);
    char *text = NULL;
    size_t n = 0;
    collet_status st = collet_file_read(&text, &n, file, PROMPT_BYTES_MAX, err);
    if (st == COLLET_OK)
        st = collet_tokenizer_encode(&a->prompt, &a->n_prompt, a->o.tokenizer, text, n, flags, err);
    free(text);
    return st;
}

static void keep_top(void *ctx, uint32_t position, const float *logits, uint32_t n_vocab)
{
    (void)position;
    answer *a = ctx;
    uint32_t n = a->n_top < n_vocab ? a->n_top : n_vocab;
    collet_top_logits(logits, n_vocab, n, a->top_ids, a->top_values);
    json_t *row = json_array();
    for (uint32_t i = 0; i < n; i++)
        if (json_array_append_new(row, json_pack("[I, f]", (json_int_t)a->top_ids[i], (double)a->top_values[i])) != 0)
            a->failed = true;
    if (json_array_append_new(a->top_logits, row) != 0)
        a->failed = true;
}

static uint32_t stop_tokens(const answer *a, uint32_t *ids, uint32_t n_max)
{
    if (collet_args_bool(a->args, "ignore-eos"))
        return 0;
    uint32_t n = 0, n_vocab = collet_tokenizer_n_tokens(a->o.tokenizer);
    for (uint32_t id = 0; id < n_vocab && n < n_max; id++)
        if (collet_tokenizer_is_eog(a->o.tokenizer, id))
            ids[n++] = id;
    return n;
}

static collet_status submit(answer *a, collet_request **out, collet_error *err)
{
    const collet_args *args = a->args;
    uint32_t stops[32];
    const collet_request_opts opts = {
        .prompt = a->prompt,
        .n_prompt = (uint32_t)a->n_prompt,
        .max_tokens = (uint32_t)collet_args_int(args, "max-tokens"),
        .stop_ids = stops,
        .n_stop_ids = stop_tokens(a, stops, COLLET_COUNT(stops)),
        .sampling = { .temperature = (float)collet_args_float(args, "temperature"),
                      .top_k = (uint32_t)collet_args_int(args, "top-k"),
                      .top_p = (float)collet_args_float(args, "top-p"),
                      .min_p = (float)collet_args_float(args, "min-p"),
                      .repetition_penalty = (float)collet_args_float(args, "repetition-penalty"),
                      .presence_penalty = (float)collet_args_float(args, "presence-penalty"),
                      .frequency_penalty = (float)collet_args_float(args, "frequency-penalty"),
                      .seed = (uint64_t)collet_args_int(args, "seed") },
        .on_logits = a->n_top ? keep_top : NULL,
        .on_logits_ctx = a,
    };
    return collet_engine_submit(out, a->o.engine, &opts, err);
}

// Text goes out as it comes, or is kept for the one JSON object.
static void write_text(answer *a, const char *text, size_t n)
{
    if (a->ids) {
        collet_text_add(&a->text, text, n);
        return;
    }
    fwrite(text, 1, n, stdout);
    fflush(stdout);
}

static collet_status write_token(answer *a, collet_detokenizer *d, collet_stop_text *stop, uint32_t id,
                                 collet_error *err)
{
    const char *text = NULL, *out = NULL;
    size_t n = 0, n_out = 0;
    if (a->ids && json_array_append_new(a->ids, json_integer(id)) != 0)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the answer");
    collet_status st = collet_detokenizer_feed(&text, &n, d, id, err);
    if (st == COLLET_OK)
        st = collet_stop_text_feed(&out, &n_out, stop, text, n, err);
    if (st == COLLET_OK)
        write_text(a, out, n_out);
    return st;
}

static collet_status stream(answer *a, collet_request *r, collet_detokenizer *d, collet_stop_text *stop,
                            collet_error *err)
{
    for (;;) {
        const uint32_t *tokens = NULL;
        uint32_t n = 0;
        collet_status st = collet_request_next(&tokens, &n, r, err);
        if (st != COLLET_OK)
            return st;
        if (n == 0)
            break;
        for (uint32_t i = 0; i < n && !stop->stopped; i++)
            if ((st = write_token(a, d, stop, tokens[i], err)) != COLLET_OK)
                return st;
        if (stop->stopped || ferror(stdout)) // nobody reads any more: do not go on for nothing
            break;
    }
    const char *text = NULL, *out = NULL;
    size_t n = 0, n_out = 0;
    collet_detokenizer_flush(&text, &n, d);
    collet_status st = collet_stop_text_feed(&out, &n_out, stop, text, n, err);
    if (st != COLLET_OK)
        return st;
    write_text(a, out, n_out);
    collet_stop_text_flush(&out, &n_out, stop);
    write_text(a, out, n_out);
    a->finish_reason = stop->stopped || collet_request_finish(r) == COLLET_FINISH_STOP ? "stop" : "length";
    return COLLET_OK;
}

static collet_status answer_prompt(answer *a, collet_request *r, collet_error *err)
{
    const char *stops[STOPS_MAX];
    collet_stop_text stop = { .stops = stops };
    for (size_t i = 0; i < collet_args_count(a->args, "stop") && stop.n_stops < STOPS_MAX; i++) {
        const char *text = collet_args_nth(a->args, "stop", i);
        if (text[0])
            stops[stop.n_stops++] = text;
    }
    collet_detokenizer d = { 0 };
    collet_status st = collet_detokenizer_init(&d, a->o.tokenizer, COLLET_DECODE_CONTINUES, err);
    if (st == COLLET_OK)
        st = stream(a, r, &d, &stop, err);
    collet_detokenizer_finish(&d);
    collet_stop_text_free(&stop);
    return st;
}

static json_t *memory_json(answer *a)
{
    collet_owners owners = { 0 };
    collet_owners_gather(&owners, &a->o);
    json_t *memory = json_object();
    for (size_t i = 0; i < owners.n; i++)
        json_object_set_new(memory, owners.rows[i].name, json_integer((json_int_t)owners.rows[i].n_bytes));
    return memory;
}

static json_t *resident_json(void)
{
    collet_memory_use use;
    collet_memory_use_get(&use);
    return json_pack("{s:I, s:I, s:I}", "bytes", (json_int_t)use.resident, "file_bytes", (json_int_t)use.resident_file,
                     "peak_bytes", (json_int_t)use.peak);
}

static int print_json(answer *a, const collet_request *r)
{
    collet_request_timing t;
    char hash[24];
    collet_request_timing_get(r, &t);
    snprintf(hash, sizeof hash, "%016" PRIx64, collet_plan_hash(collet_engine_plan(a->o.engine)));
    json_t *prompt = json_array();
    for (size_t i = 0; i < a->n_prompt; i++)
        json_array_append_new(prompt, json_integer(a->prompt[i]));
    json_t *text = collet_cli_json_text(a->text.data ? a->text.data : "", a->text.n_bytes, NULL);
    json_t *timing = json_pack("{s:f, s:f, s:i, s:f, s:i, s:f}", "load_s", a->o.load_s, "prefill_s", t.prefill_s,
                               "prefill_tokens", (int)t.prefill_tokens, "decode_s", t.decode_s, "decode_tokens",
                               (int)t.decode_tokens, "first_token_s", t.first_token_s);
    uint64_t n_replays = 0, n_captures = 0;
    collet_plan_replays(collet_engine_plan(a->o.engine), &n_replays, &n_captures);
    json_t *object = json_pack("{s:o, s:O, s:o, s:s, s:o, s:o, s:o, s:s, s:{s:I, s:I}}", "prompt_ids", prompt, "ids",
                               a->ids, "text", text, "finish_reason", a->finish_reason, "timing", timing, "memory",
                               memory_json(a), "resident", resident_json(), "plan", hash, "capture", "recorded",
                               (json_int_t)n_captures, "replayed", (json_int_t)n_replays);
    if (object && a->n_top)
        json_object_set(object, "top_logits", a->top_logits);
    if (a->failed) {
        json_decref(object);
        object = NULL;
    }
    return collet_cli_print_json(object, JSON_COMPACT);
}

static int finish_answer(answer *a, collet_request *r, collet_status st, const collet_error *err)
{
    if (st == COLLET_E_CANCELLED) { // what was printed stays
        if (!a->ids)
            fputc('\n', stdout);
        fflush(stdout);
        return COLLET_EXIT_INTERRUPTED;
    }
    if (st != COLLET_OK)
        return collet_cli_fail(err, 0);
    if (a->ids)
        return print_json(a, r);
    fputc('\n', stdout);
    return collet_cli_finish();
}

static bool prepare_json(answer *a)
{
    a->n_top = (uint32_t)collet_args_int(a->args, "top-logits");
    if (!collet_args_bool(a->args, "json")) {
        a->n_top = 0;
        return true;
    }
    a->ids = json_array();
    a->top_logits = json_array();
    a->top_ids = malloc((a->n_top + 1) * sizeof *a->top_ids);
    a->top_values = malloc((a->n_top + 1) * sizeof *a->top_values);
    return a->ids && a->top_logits && a->top_ids && a->top_values;
}

static int run_opened(answer *a)
{
    collet_error err = COLLET_ERROR_INIT;
    collet_request *r = NULL;
    collet_status st = read_prompt(a, &err);
    if (st == COLLET_OK && !prepare_json(a))
        st = collet_fail(&err, COLLET_E_NOMEM, "no memory for the answer");
    if (st == COLLET_OK)
        st = submit(a, &r, &err);
    if (st != COLLET_OK)
        return collet_cli_fail(&err, st == COLLET_E_INVALID ? COLLET_EXIT_USAGE : 0);
    collet_interrupt_cancels(r);
    st = answer_prompt(a, r, &err);
    collet_interrupt_cancels(NULL);
    int exit_code = finish_answer(a, r, st, &err);
    collet_request_destroy(r);
    return exit_code;
}

static int run(const collet_args *args)
{
    answer a = { .args = args };
    if (collet_args_given(args, "top-logits") && !collet_args_bool(args, "json"))
        return collet_cli_error(COLLET_EXIT_USAGE, "--top-logits needs --json");
    int exit_code = collet_open(
        &a.o, args, COLLET_OPEN_MODEL | COLLET_OPEN_TOKENIZER | COLLET_OPEN_ENGINE | COLLET_OPEN_REQUESTS(1));
    if (exit_code != COLLET_EXIT_OK)
        return exit_code;
    exit_code = run_opened(&a);
    json_decref(a.ids);
    json_decref(a.top_logits);
    free(a.top_ids);
    free(a.top_values);
    free(a.prompt);
    collet_text_free(&a.text);
    collet_close(&a.o);
    return exit_code;
}

static const collet_flag flags[] = {
    { .name = "prompt", .short_name = 'p', .type = COLLET_OPT_STR, .metavar = "TEXT", .help = "the prompt" },
    { .name = "file",
      .short_name = 'f',
      .type = COLLET_OPT_STR,
      .metavar = "FILE",
      .help = "read the prompt from a file; - is stdin" },
    { .name = "ids", .type = COLLET_OPT_STR, .metavar = "1,2,3", .help = "the prompt as token ids" },
    { .name = "max-tokens",
      .short_name = 'n',
      .type = COLLET_OPT_INT,
      .metavar = "N",
      .dflt = "128",
      .min = 0,
      .max = 1 << 24,
      .help = "end the answer after N tokens" },
    { .name = "temperature",
      .type = COLLET_OPT_FLOAT,
      .metavar = "T",
      .dflt = "0",
      .min = 0,
      .max = 100,
      .help = "0 takes the likeliest token, 1 draws as the model says" },
    { .name = "top-k",
      .type = COLLET_OPT_INT,
      .metavar = "K",
      .dflt = "0",
      .min = 0,
      .max = 1 << 24,
      .help = "draw among the K likeliest; 0: all" },
    { .name = "top-p",
      .type = COLLET_OPT_FLOAT,
      .metavar = "P",
      .dflt = "1",
      .min = 0,
      .max = 1,
      .help = "draw among the likeliest that hold P of the probability" },
    { .name = "min-p",
      .type = COLLET_OPT_FLOAT,
      .metavar = "P",
      .dflt = "0",
      .min = 0,
      .max = 1,
      .help = "drop what is less likely than P times the likeliest" },
    { .name = "repetition-penalty",
      .type = COLLET_OPT_FLOAT,
      .metavar = "R",
      .dflt = "1",
      .min = 0.001,
      .max = 1000,
      .help = "divide logits of tokens that occurred; 1: off" },
    { .name = "presence-penalty",
      .type = COLLET_OPT_FLOAT,
      .metavar = "X",
      .dflt = "0",
      .min = -1000,
      .max = 1000,
      .help = "subtract X from tokens that the answer has" },
    { .name = "frequency-penalty",
      .type = COLLET_OPT_FLOAT,
      .metavar = "X",
      .dflt = "0",
      .min = -1000,
      .max = 1000,
      .help = "subtract X for each time that the answer has a token" },
    { .name = "seed",
      .type = COLLET_OPT_INT,
      .metavar = "N",
      .dflt = "0",
      .min = 0,
      .max = 9007199254740991.0,
      .help = "the same seed, plan and settings draw the same text" },
    { .name = "stop",
      .type = COLLET_OPT_STR,
      .metavar = "TEXT",
      .repeatable = true,
      .help = "end the answer before TEXT" },
    { .name = "ignore-eos", .type = COLLET_OPT_BOOL, .help = "go on after the model's end of text" },
    { .name = "no-special", .type = COLLET_OPT_BOOL, .help = "read <|...|> in the prompt as plain text" },
    { .name = "top-logits",
      .type = COLLET_OPT_INT,
      .metavar = "N",
      .dflt = "0",
      .min = 0,
      .max = 1000,
      .help = "with --json: the N largest logits of every position" },
    { 0 },
};

extern const collet_command collet_cmd_generate;
const collet_command collet_cmd_generate = {
    .name = "generate",
    .summary = "continue one prompt, streamed to stdout",
    .flags = flags,
    .shared = COLLET_FLAGS_JSON | COLLET_FLAGS_PROFILE | COLLET_FLAGS_MODEL,
    .run = run,
};
