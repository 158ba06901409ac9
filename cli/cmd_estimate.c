// SPDX-License-Identifier: Apache-2.0
// cli/cmd_estimate.c - the memory that a model will need here, told from its header: no weight is read.
//
// Weights, caches and workspaces are what a load under the same profile allocates, to the byte: the plan is chosen and
// bound as then, on address space instead of memory (plan_memory.c). `program` is measured: this process, which has
// opened the same plugins, header and tokenizer.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/memory.h"
#include "cli/print_json.h"
#include "core/base/memory.h"
#include "core/base/text.h"

typedef struct estimate {
    collet_opened o;
    collet_plan *plan;
    collet_owners owners;
    uint64_t loading, program, available;
    uint64_t total; // when every token of every context is in use
    uint64_t peak;  // the larger of `total` and what loading needs
} estimate;

// While loading, caches and activations are address space that nobody has touched yet.
static uint64_t peak_of(const estimate *e)
{
    uint64_t n_bytes = e->program + e->loading;
    for (size_t i = 0; i < e->owners.n; i++)
        if (strncmp(e->owners.rows[i].name, "weights", strlen("weights")) == 0 ||
            strcmp(e->owners.rows[i].name, "tokenizer") == 0)
            n_bytes += e->owners.rows[i].n_bytes;
    return n_bytes > e->total ? n_bytes : e->total;
}

static collet_status measure(estimate *e, collet_error *err)
{
    collet_engine_opts opts;
    collet_plan_opts limits;
    collet_open_engine_opts(&e->o, COLLET_OPEN_MODEL, &opts);
    collet_engine_limits(&opts, e->o.model, &limits);
    const collet_plan_memory_row *rows = NULL;
    size_t n = 0;
    collet_status st = collet_plan_select(&e->plan, e->o.model, &limits, err);
    if (st == COLLET_OK)
        st = collet_plan_estimate(e->plan, &rows, &n, &e->loading, err);
    if (st != COLLET_OK)
        return st;
    collet_owners_gather(&e->owners, &e->o);
    for (size_t i = 0; i < n; i++)
        collet_owners_add(&e->owners, rows[i].tag, rows[i].n_bytes);
    collet_memory_use use;
    collet_memory_use_get(&use);
    const uint64_t tokenizer = collet_tokenizer_bytes(e->o.tokenizer);
    e->program = use.resident > tokenizer ? use.resident - tokenizer : 0;
    e->total = collet_owners_sum(&e->owners) + e->program;
    e->peak = peak_of(e);
    e->available = collet_memory_available();
    return COLLET_OK;
}

static int print_json(const estimate *e)
{
    char hash[24];
    const collet_plan_opts *limits = collet_plan_limits(e->plan);
    snprintf(hash, sizeof hash, "%016" PRIx64, collet_plan_hash(e->plan));
    json_t *memory = json_object();
    for (size_t i = 0; i < e->owners.n; i++)
        json_object_set_new(memory, e->owners.rows[i].name, json_integer((json_int_t)e->owners.rows[i].n_bytes));
    json_t *object =
        json_pack("{s:s, s:s, s:i, s:i, s:o, s:I, s:I, s:I, s:I}", "model", collet_model_path(e->o.model), "plan", hash,
                  "context", (int)limits->context, "max_requests", (int)limits->n_seqs_max, "memory", memory,
                  "program_bytes", (json_int_t)e->program, "loading_bytes", (json_int_t)e->loading, "total_bytes",
                  (json_int_t)e->total, "peak_bytes", (json_int_t)e->peak);
    json_object_set_new(object, "available_bytes", e->available ? json_integer((json_int_t)e->available) : json_null());
    json_object_set_new(object, "fits", e->available ? json_boolean(e->peak <= e->available) : json_null());
    return collet_cli_print_json(object, JSON_INDENT(1));
}

static void print_row(const char *name, uint64_t n_bytes)
{
    char text[32];
    printf("%-32s %12s\n", name, collet_format_bytes(text, sizeof text, n_bytes));
}

static int print_table(const estimate *e)
{
    const collet_plan_opts *limits = collet_plan_limits(e->plan);
    char peak[32], available[32];
    printf("%s, %u tokens of context, %u request%s\n\n", collet_model_path(e->o.model), limits->context,
           limits->n_seqs_max, limits->n_seqs_max == 1 ? "" : "s");
    for (size_t i = 0; i < e->owners.n; i++)
        print_row(e->owners.rows[i].name, e->owners.rows[i].n_bytes);
    print_row("program, plugins, file header", e->program);
    print_row("total, every context full", e->total);
    print_row("beside weights while loading", e->loading);
    collet_format_bytes(peak, sizeof peak, e->peak);
    collet_format_bytes(available, sizeof available, e->available);
    if (e->available == 0)
        printf("\nneeds %s; how much this machine has left is not known\n", peak);
    else if (e->peak <= e->available)
        printf("\nfits: needs %s of the %s that are left\n", peak, available);
    else
        printf("\ndoes not fit: needs %s, %s are left; a smaller --context, --max-requests or --isq needs less\n", peak,
               available);
    return collet_cli_finish();
}

static int run(const collet_args *args)
{
    estimate *e = calloc(1, sizeof *e);
    if (!e)
        return collet_cli_error(COLLET_EXIT_MEMORY, "no memory for the estimate");
    int exit_code = collet_open(&e->o, args, COLLET_OPEN_MODEL | COLLET_OPEN_TOKENIZER);
    if (exit_code == COLLET_EXIT_OK) {
        collet_error err = COLLET_ERROR_INIT;
        collet_status st = measure(e, &err);
        if (st != COLLET_OK)
            exit_code = collet_cli_fail(&err, st == COLLET_E_UNSUPPORTED ? COLLET_EXIT_MODEL : 0);
        else
            exit_code = collet_args_bool(args, "json") ? print_json(e) : print_table(e);
        collet_plan_destroy(e->plan);
        collet_close(&e->o);
    }
    free(e);
    return exit_code;
}

static const collet_flag flags[] = {
    { .name = "max-requests", .type = COLLET_OPT_STR, .metavar = "N", .key = "engine.max_requests" },
    { 0 },
};

extern const collet_command collet_cmd_estimate;
const collet_command collet_cmd_estimate = {
    .name = "estimate",
    .summary = "the memory that a model will need here, from its header alone",
    .details = "Whether it fits is an answer, not an error: the exit code is 0 either way, and \"fits\" in the JSON\n"
               "says which. `generate` runs one request: compare with --max-requests 1.\n",
    .flags = flags,
    .shared = COLLET_FLAGS_JSON | COLLET_FLAGS_PROFILE | COLLET_FLAGS_MODEL,
    .run = run,
};
