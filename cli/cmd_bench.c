// SPDX-License-Identifier: Apache-2.0
// cli/cmd_bench.c - tokens per second, and the fraction of the memory's read bandwidth that decoding reaches.
//
// Repetitions interleave prefill, the read probe, decode and the probe again, so that a noisy minute touches all alike;
// medians are printed with the smallest and the largest. The fraction of read bandwidth is taken within a repetition,
// of the mean of the probe before and after. One repetition in front warms up and is not counted.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench_costs.h"
#include "cli/open.h"
#include "cli/print_json.h"
#include "core/base/error.h"
#include "core/measure/probe.h"
#include "core/measure/stats.h"

#define PROBE_BYTES (1u << 30) // of all workers: several times any cache
#define REPS_MAX 64
#define BATCH_MAX 256

typedef struct bench {
    collet_opened o;
    uint32_t n_prompt, n_gen, n_batch, n_reps;
    uint32_t *prompt;
    collet_read_probe *probe;
    double prefill[REPS_MAX], decode[REPS_MAX], read[REPS_MAX]; // tokens/s, tokens/s, bytes/s
    double fraction[REPS_MAX];                                  // of read bandwidth that decode reached
    collet_pool_stats pool[COLLET_BENCH_PHASES];                // of all repetitions; with `ops` only
    double peaks[COLLET_N_PEAKS][REPS_MAX];                     // operations/s
    bool ops;
} bench;

typedef struct figure {
    double median, min, max;
} figure;

static figure figure_of(const double *values, uint32_t n)
{
    double sorted[REPS_MAX];
    memcpy(sorted, values, n * sizeof *sorted);
    figure f = { .median = collet_median(sorted, n) };
    f.min = sorted[0];
    f.max = sorted[n - 1];
    return f;
}

// Random tokens, the same every time: their values do not matter to the speed, their repetition might to a cache.
static collet_status make_prompt(bench *b, collet_error *err)
{
    uint32_t n = (b->n_prompt ? b->n_prompt : 1) + b->n_batch, n_vocab = collet_model_hparams(b->o.model)->n_vocab;
    b->prompt = malloc(n * sizeof *b->prompt);
    if (!b->prompt)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for a prompt of %u tokens", n);
    collet_rng rng;
    collet_rng_seed(&rng, 1);
    for (uint32_t i = 0; i < n; i++)
        b->prompt[i] = (uint32_t)(collet_rng_next(&rng) * n_vocab);
    return COLLET_OK;
}

// n requests at once, the same but for their first token; the timing is that of the first of them, which is in every
// step from the first to its last.
static collet_status run_requests(bench *b, uint32_t n, uint32_t n_prompt, uint32_t n_gen,
                                  collet_request_timing *timing, collet_error *err)
{
    collet_request *requests[BATCH_MAX] = { 0 };
    collet_status st = COLLET_OK;
    for (uint32_t i = 0; i < n && st == COLLET_OK; i++) {
        const collet_request_opts opts = {
            .prompt = b->prompt + i, .n_prompt = n_prompt, .max_tokens = n_gen, .sampling = COLLET_SAMPLING_GREEDY
        };
        st = collet_engine_submit(&requests[i], b->o.engine, &opts, err);
    }
    collet_interrupt_cancels(requests[0]);
    const uint32_t *tokens = NULL;
    uint32_t n_tokens = 1;
    while (st == COLLET_OK && n_tokens > 0)
        st = collet_request_next(&tokens, &n_tokens, requests[0], err);
    collet_interrupt_cancels(NULL);
    if (st == COLLET_OK)
        collet_request_timing_get(requests[0], timing);
    for (uint32_t i = 0; i < n; i++)
        collet_request_destroy(requests[i]);
    return st;
}

// run_requests() with the pool's statistics of the phase: two readings of the clock for each parallel region, so only
// where ops are timed as well.
static collet_status run_phase(bench *b, collet_bench_phase phase, uint32_t n, uint32_t n_prompt, uint32_t n_gen,
                               collet_request_timing *timing, collet_error *err)
{
    collet_pool *pool = collet_runtime_pool(b->o.runtime);
    collet_pool_time(pool, b->ops);
    collet_status st = run_requests(b, n, n_prompt, n_gen, timing, err);
    collet_pool_time(pool, false);
    if (b->ops)
        collet_bench_add_pool(&b->pool[phase], collet_pool_stats_of(pool));
    return st;
}

static collet_status run_once(bench *b, uint32_t rep, collet_error *err)
{
    collet_request_timing t = { 0 };
    collet_pool *pool = collet_runtime_pool(b->o.runtime);
    for (collet_peak p = 0; b->ops && p < COLLET_N_PEAKS; p++)
        b->peaks[p][rep] = collet_peak_run(pool, p, collet_runtime_isa(b->o.runtime)->mask);
    collet_status st = COLLET_OK;
    if (b->n_prompt) {
        st = run_phase(b, COLLET_BENCH_PREFILL, 1, b->n_prompt, 1, &t, err);
        double prefill_s = t.prefill_s + t.decode_s; // the step that read the prompt's last token is either
        b->prefill[rep] = st == COLLET_OK ? (double)b->n_prompt / prefill_s : 0.0;
    }
    b->read[rep] = collet_read_probe_run(b->probe);
    if (st == COLLET_OK && b->n_gen) {
        st = run_phase(b, COLLET_BENCH_DECODE, b->n_batch, 1, b->n_gen, &t, err);
        b->decode[rep] = st == COLLET_OK ? b->n_batch * (double)t.decode_tokens / t.decode_s : 0.0;
        b->read[rep] = 0.5 * (b->read[rep] + collet_read_probe_run(b->probe));
        b->fraction[rep] = b->decode[rep] / b->n_batch *
                           (double)collet_plan_decode_bytes(collet_engine_plan(b->o.engine)) / b->read[rep];
    }
    return st;
}

static collet_bench_ceilings ceilings_of(const bench *b)
{
    collet_bench_ceilings c = { .read = figure_of(b->read, b->n_reps).median };
    for (collet_peak p = 0; b->ops && p < COLLET_N_PEAKS; p++)
        c.peak[p] = figure_of(b->peaks[p], b->n_reps).median;
    return c;
}

static int print_json(const bench *b, figure prefill, figure decode, figure read, double fraction)
{
    char hash[24];
    collet_plan *plan = collet_engine_plan(b->o.engine);
    const double step_bytes = (double)collet_plan_decode_bytes(plan);
    snprintf(hash, sizeof hash, "%016" PRIx64, collet_plan_hash(plan));
    json_t *object = json_object();
    json_object_set_new(object, "model", json_string(collet_model_path(b->o.model)));
    json_object_set_new(object, "threads", json_integer(collet_pool_workers(collet_runtime_pool(b->o.runtime))));
    json_object_set_new(object, "plan", json_string(hash));
    json_object_set_new(object, "repetitions", json_integer(b->n_reps));
    if (b->n_prompt)
        json_object_set_new(object, "prefill",
                            json_pack("{s:i, s:f, s:f, s:f}", "tokens", (int)b->n_prompt, "tokens_per_s",
                                      prefill.median, "min", prefill.min, "max", prefill.max));
    if (b->n_gen)
        json_object_set_new(object, "decode",
                            json_pack("{s:i, s:i, s:f, s:f, s:f, s:I, s:f, s:f}", "tokens", (int)b->n_gen, "batch",
                                      (int)b->n_batch, "tokens_per_s", decode.median, "min", decode.min, "max",
                                      decode.max, "bytes_per_step", (json_int_t)collet_plan_decode_bytes(plan),
                                      "bytes_per_s", step_bytes * decode.median / b->n_batch, "fraction_of_read",
                                      fraction));
    json_object_set_new(object, "read",
                        json_pack("{s:f, s:f, s:f}", "bytes_per_s", read.median, "min", read.min, "max", read.max));
    if (b->ops) {
        const collet_bench_ceilings ceilings = ceilings_of(b);
        json_t *peaks = json_object();
        for (collet_peak p = 0; p < COLLET_N_PEAKS; p++)
            if (ceilings.peak[p] > 0.0)
                json_object_set_new(peaks, collet_peak_name(p), json_real(ceilings.peak[p]));
        json_object_set_new(object, "peak_ops_per_s", peaks);
        json_object_set_new(object, "ops", collet_bench_costs_json(plan, &ceilings));
        json_object_set_new(object, "pool", collet_bench_pool_json(b->pool));
    }
    return collet_cli_print_json(object, JSON_INDENT(1));
}

static int print_result(const collet_args *args, const bench *b)
{
    figure prefill = figure_of(b->prefill, b->n_reps), decode = figure_of(b->decode, b->n_reps);
    figure read = figure_of(b->read, b->n_reps);
    double fraction = figure_of(b->fraction, b->n_reps).median;
    double step_bytes = (double)collet_plan_decode_bytes(collet_engine_plan(b->o.engine));
    if (collet_args_bool(args, "json"))
        return print_json(b, prefill, decode, read, fraction);
    printf("%s, %u threads, median of %u [min..max]\n", collet_model_path(b->o.model),
           collet_pool_workers(collet_runtime_pool(b->o.runtime)), b->n_reps);
    if (b->n_prompt)
        printf("prefill %5u  %9.1f tokens/s  [%.1f..%.1f]\n", b->n_prompt, prefill.median, prefill.min, prefill.max);
    if (b->n_gen)
        printf("decode  %5u  %9.1f tokens/s  [%.1f..%.1f]  %.1f GB/s of weights, %.2f of read bandwidth\n", b->n_gen,
               decode.median, decode.min, decode.max, 1e-9 * step_bytes * decode.median / b->n_batch, fraction);
    printf("read           %9.1f GB/s      [%.1f..%.1f]\n", 1e-9 * read.median, 1e-9 * read.min, 1e-9 * read.max);
    if (b->ops) {
        const collet_bench_ceilings ceilings = ceilings_of(b);
        collet_bench_print_costs(collet_engine_plan(b->o.engine), &ceilings);
        collet_bench_print_pool(b->pool);
    }
    return collet_cli_finish();
}

static int run_opened(const collet_args *args, bench *b)
{
    collet_error err = COLLET_ERROR_INIT;
    b->n_prompt = (uint32_t)collet_args_int(args, "prompt");
    b->n_gen = (uint32_t)collet_args_int(args, "gen");
    b->n_batch = (uint32_t)collet_args_int(args, "batch");
    b->n_reps = (uint32_t)collet_args_int(args, "repetitions");
    b->ops = collet_args_bool(args, "ops");
    collet_status st = make_prompt(b, &err);
    if (st == COLLET_OK)
        st = collet_read_probe_create(&b->probe, collet_runtime_pool(b->o.runtime),
                                      PROBE_BYTES / collet_pool_workers(collet_runtime_pool(b->o.runtime)),
                                      collet_runtime_isa(b->o.runtime)->mask, &err);
    if (st == COLLET_OK)
        st = run_once(b, 0, &err); // warm-up: overwritten
    memset(b->pool, 0, sizeof b->pool);
    collet_plan_time_ops(collet_engine_plan(b->o.engine), b->ops);
    for (uint32_t rep = 0; rep < b->n_reps && st == COLLET_OK; rep++)
        st = run_once(b, rep, &err);
    if (st != COLLET_OK)
        return collet_cli_fail(&err, 0);
    return print_result(args, b);
}

static int run(const collet_args *args)
{
    bench b = { 0 };
    int exit_code = collet_open(
        &b.o, args, COLLET_OPEN_MODEL | COLLET_OPEN_ENGINE | COLLET_OPEN_REQUESTS(collet_args_int(args, "batch")));
    if (exit_code != COLLET_EXIT_OK)
        return exit_code;
    exit_code = run_opened(args, &b);
    collet_read_probe_destroy(b.probe);
    free(b.prompt);
    collet_close(&b.o);
    return exit_code;
}

static const collet_flag flags[] = {
    { .name = "prompt",
      .type = COLLET_OPT_INT,
      .metavar = "N",
      .dflt = "512",
      .min = 0,
      .max = 1 << 20,
      .help = "tokens of the prompt to read; 0: do not measure prefill" },
    { .name = "gen",
      .type = COLLET_OPT_INT,
      .metavar = "N",
      .dflt = "64",
      .min = 0,
      .max = 1 << 20,
      .help = "tokens to generate; 0: do not measure decode" },
    { .name = "batch",
      .type = COLLET_OPT_INT,
      .metavar = "N",
      .dflt = "1",
      .min = 1,
      .max = BATCH_MAX,
      .help = "sequences that decode side by side; tokens/s are of all of them" },
    { .name = "repetitions",
      .short_name = 'r',
      .type = COLLET_OPT_INT,
      .metavar = "N",
      .dflt = "5",
      .min = 1,
      .max = REPS_MAX,
      .help = "repetitions after one that is not counted" },
    { .name = "ops",
      .type = COLLET_OPT_BOOL,
      .help = "also a table of each kind of op: time, bytes, operations, fractions of the measured peaks; and what "
              "the thread pool's parallel regions cost" },
    { 0 },
};

extern const collet_command collet_cmd_bench;
const collet_command collet_cmd_bench = {
    .name = "bench",
    .summary = "tokens per second, beside the read bandwidth measured in the same run",
    .flags = flags,
    .shared = COLLET_FLAGS_JSON | COLLET_FLAGS_PROFILE | COLLET_FLAGS_MODEL,
    .run = run,
};
