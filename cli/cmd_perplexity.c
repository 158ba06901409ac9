// SPDX-License-Identifier: Apache-2.0
// cli/cmd_perplexity.c - how well a model expects a text, measured as llama-perplexity does it.
//
// The text is cut into whole chunks of --chunk tokens; each is read from an empty cache, its first token replaced by
// BOS where the vocabulary adds one. The second half of a chunk is scored: token i > chunk/2 by the logits of token i
// - 1.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/open.h"
#include "cli/print_json.h"
#include "core/base/error.h"
#include "core/base/file.h"

#define TEXT_BYTES_MAX (256u << 20)

typedef struct scorer {
    const uint32_t *ids;   // of the chunk
    uint32_t n_ids, first; // tokens first..n_ids-1 are scored
    double nll;            // sum of -log p
    double nll_squared;
    uint64_t n_scored;
} scorer;

// Row `position` predicts token position + 1.
static void score_row(void *ctx, uint32_t position, const float *logits, uint32_t n_vocab)
{
    scorer *s = ctx;
    if (position + 1 < s->first || position + 1 >= s->n_ids)
        return;
    double top = -INFINITY, sum = 0.0;
    for (uint32_t i = 0; i < n_vocab; i++)
        top = fmax(top, (double)logits[i]);
    for (uint32_t i = 0; i < n_vocab; i++)
        sum += exp((double)logits[i] - top);
    double nll = log(sum) + top - (double)logits[s->ids[position + 1]];
    s->nll += nll;
    s->nll_squared += nll * nll;
    s->n_scored++;
}

static collet_status score_chunk(const collet_opened *o, scorer *s, collet_error *err)
{
    const collet_request_opts opts = { .prompt = s->ids,
                                       .n_prompt = s->n_ids,
                                       .sampling = COLLET_SAMPLING_GREEDY,
                                       .on_logits = score_row,
                                       .on_logits_ctx = s,
                                       .all_logits = true };
    collet_request *r = NULL;
    collet_status st = collet_engine_submit(&r, o->engine, &opts, err);
    const uint32_t *tokens = NULL;
    uint32_t n = 0;
    if (st == COLLET_OK) {
        collet_interrupt_cancels(r);
        st = collet_request_next(&tokens, &n, r, err);
        collet_interrupt_cancels(NULL);
    }
    collet_request_destroy(r);
    return st;
}

static int print_result(const collet_args *args, const scorer *s, uint32_t n_chunks, json_t *running)
{
    double mean = s->nll / (double)s->n_scored;
    double variance = s->nll_squared / (double)s->n_scored - mean * mean;
    double ppl = exp(mean), standard_error = ppl * sqrt(fmax(variance, 0.0) / (double)s->n_scored);
    if (!collet_args_bool(args, "json")) {
        json_decref(running);
        printf("perplexity %.4f +- %.4f over %llu tokens of %u chunks\n", ppl, standard_error,
               (unsigned long long)s->n_scored, n_chunks);
        return collet_cli_finish();
    }
    json_t *object = json_pack("{s:f, s:f, s:I, s:i, s:o}", "ppl", ppl, "stderr", standard_error, "tokens",
                               (json_int_t)s->n_scored, "chunks", (int)n_chunks, "running_ppl_per_chunk", running);
    return collet_cli_print_json(object, JSON_COMPACT);
}

static int run_chunks(const collet_args *args, const collet_opened *o, uint32_t *ids, size_t n_ids)
{
    collet_error err = COLLET_ERROR_INIT;
    const uint32_t chunk = (uint32_t)collet_args_int(args, "chunk");
    uint32_t n_chunks = (uint32_t)(n_ids / chunk), n_max = (uint32_t)collet_args_int(args, "chunks");
    if (n_chunks == 0)
        return collet_cli_error(COLLET_EXIT_USAGE, "the text has %zu tokens, fewer than one chunk of %u", n_ids, chunk);
    if (n_max > 0 && n_max < n_chunks)
        n_chunks = n_max;
    scorer s = { .n_ids = chunk, .first = chunk / 2 + 1 };
    json_t *running = json_array();
    for (uint32_t c = 0; c < n_chunks; c++) {
        s.ids = ids + (size_t)c * chunk;
        if (collet_tokenizer_adds_bos(o->tokenizer))
            ids[(size_t)c * chunk] = (uint32_t)collet_tokenizer_bos(o->tokenizer);
        if (score_chunk(o, &s, &err) != COLLET_OK) {
            json_decref(running);
            return collet_cli_fail(&err, err.code == COLLET_E_INVALID ? COLLET_EXIT_USAGE : 0);
        }
        json_array_append_new(running, json_real(exp(s.nll / (double)s.n_scored)));
    }
    return print_result(args, &s, n_chunks, running);
}

static int run(const collet_args *args)
{
    collet_opened o;
    collet_error err = COLLET_ERROR_INIT;
    char *text = NULL;
    size_t n = 0, n_ids = 0;
    uint32_t *ids = NULL;
    const char *path = collet_args_text(args, "file");
    if (!path)
        return collet_cli_error(COLLET_EXIT_USAGE, "no text: give -f FILE");
    if (collet_file_read(&text, &n, path, TEXT_BYTES_MAX, &err) != COLLET_OK)
        return collet_cli_fail(&err, COLLET_EXIT_FAILED);
    int exit_code =
        collet_open(&o, args, COLLET_OPEN_MODEL | COLLET_OPEN_TOKENIZER | COLLET_OPEN_ENGINE | COLLET_OPEN_REQUESTS(1));
    if (exit_code == COLLET_EXIT_OK) {
        if (collet_tokenizer_encode(&ids, &n_ids, o.tokenizer, text, n, COLLET_ENCODE_ADD_SPECIAL, &err) == COLLET_OK)
            exit_code = run_chunks(args, &o, ids, n_ids);
        else
            exit_code = collet_cli_fail(&err, 0);
        collet_close(&o);
    }
    free(ids);
    free(text);
    return exit_code;
}

static const collet_flag flags[] = {
    { .name = "file", .short_name = 'f', .type = COLLET_OPT_STR, .metavar = "FILE", .help = "the text; - is stdin" },
    { .name = "chunk",
      .type = COLLET_OPT_INT,
      .metavar = "N",
      .dflt = "512",
      .min = 8,
      .max = 1 << 20,
      .help = "tokens that are read together" },
    { .name = "chunks",
      .type = COLLET_OPT_INT,
      .metavar = "N",
      .dflt = "0",
      .min = 0,
      .max = 1 << 30,
      .help = "stop after N chunks; 0: all" },
    { 0 },
};

extern const collet_command collet_cmd_perplexity;
const collet_command collet_cmd_perplexity = {
    .name = "perplexity",
    .summary = "how well a model expects a text",
    .flags = flags,
    .shared = COLLET_FLAGS_JSON | COLLET_FLAGS_PROFILE | COLLET_FLAGS_MODEL,
    .run = run,
};
