// SPDX-License-Identifier: Apache-2.0
// cli/cmd_quantize.c - a model file in another format: a new GGUF that llama.cpp loads too.
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/open.h"
#include "cli/print_json.h"
#include "core/base/clock.h"
#include "core/base/text.h"
#include "core/model/ggml_types.h"
#include "core/model/quantize.h"

#define FORMATS_MAX 64
#define RULES_MAX 64

// What a command line opens, in this order.
typedef struct quantize {
    const collet_args *args;
    collet_opened o;
    collet_gguf *source;
    collet_imatrix *imatrix; // NULL: none given
    collet_recipe *recipe;
    collet_recipe_rule rules[RULES_MAX];
    char *patterns[RULES_MAX]; // of the rules; own memory
    bool json, dry_run;
    double last_shown;
} quantize;

// ---- signals ----

static atomic_bool interrupted; // a handler has no other way to reach the work

static void on_signal(int number)
{
    atomic_store(&interrupted, true);
    signal(number, SIG_DFL); // the second one ends the program at once
}

static void catch_signals(void)
{
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    signal(SIGHUP, on_signal);
    signal(SIGXFSZ, SIG_IGN); // a limit on file sizes is an error with a message
}

// ---- opening ----

// GLOB=TYPE, each a rule. Patterns may hold '=' too: the last one divides.
static int read_rules(quantize *q)
{
    size_t n = collet_args_count(q->args, "tensor-type");
    if (n > RULES_MAX)
        return collet_cli_error(COLLET_EXIT_USAGE, "more than %d --tensor-type", RULES_MAX);
    for (size_t i = 0; i < n; i++) {
        const char *text = collet_args_nth(q->args, "tensor-type", i), *divider = strrchr(text, '=');
        if (!divider || divider == text || !divider[1])
            return collet_cli_error(
                COLLET_EXIT_USAGE, "--tensor-type '%s': PATTERN=TYPE was wanted, as in '*.ffn_down.weight=q6_k'", text);
        q->patterns[i] = strndup(text, (size_t)(divider - text));
        if (!q->patterns[i])
            return collet_cli_error(COLLET_EXIT_MEMORY, "no memory for the command line");
        q->rules[i] = (collet_recipe_rule){
            .layer_begin = -1, .layer_end = -1, .tensor = q->patterns[i], .use = divider + 1, .where = "--tensor-type"
        };
    }
    return COLLET_EXIT_OK;
}

static int open_recipe(quantize *q)
{
    collet_error err = COLLET_ERROR_INIT;
    const collet_recipe_opts opts = { .type = collet_args_text(q->args, "type"),
                                      .type_where = "--type",
                                      .rules = q->rules,
                                      .n_rules = (uint32_t)collet_args_count(q->args, "tensor-type"),
                                      .has_imatrix = q->imatrix != NULL,
                                      .pure = collet_args_bool(q->args, "pure"),
                                      .output_type = collet_args_text(q->args, "output-type"),
                                      .embedding_type = collet_args_text(q->args, "embedding-type") };
    return collet_recipe_create(&q->recipe, q->source, &opts, &err) == COLLET_OK ? COLLET_EXIT_OK
                                                                                 : collet_cli_fail(&err, 0);
}

static int open_files(quantize *q)
{
    collet_error err = COLLET_ERROR_INIT;
    const char *imatrix = collet_args_text(q->args, "imatrix");
    if (collet_gguf_open(&q->source, q->args->operands[0], &err) != COLLET_OK)
        return collet_cli_fail(&err, COLLET_EXIT_MODEL);
    if (imatrix && collet_imatrix_open(&q->imatrix, imatrix, &err) != COLLET_OK) // one that is not there: as with --isq
        return collet_cli_fail(&err, err.code == COLLET_E_IO || err.code == COLLET_E_NOT_FOUND ? COLLET_EXIT_USAGE : 0);
    if (imatrix && collet_imatrix_check(q->imatrix, q->source, &err) != COLLET_OK)
        return collet_cli_fail(&err, 0);
    return COLLET_EXIT_OK;
}

static void close_all(quantize *q)
{
    collet_recipe_destroy(q->recipe);
    collet_imatrix_close(q->imatrix);
    collet_gguf_close(q->source);
    for (size_t i = 0; i < RULES_MAX; i++)
        free(q->patterns[i]);
    collet_close(&q->o);
}

// ---- what is said while it works ----

// One line per reason, however many tensors have it.
static void warn_fallbacks(const quantize *q)
{
    uint64_t n_tensors = collet_gguf_n_tensors(q->source);
    for (uint64_t i = 0; i < n_tensors; i++) {
        const collet_recipe_choice *c = collet_recipe_at(q->recipe, i);
        uint64_t n_before = 0, n = 0;
        for (uint64_t k = 0; k < n_tensors && c->is_fallback; k++) {
            const collet_recipe_choice *other = collet_recipe_at(q->recipe, k);
            if (!other->is_fallback || strcmp(other->because, c->because) != 0)
                continue;
            n_before += k < i;
            n++;
        }
        if (n > 0 && n_before == 0)
            collet_log_line(&q->o.session.log, COLLET_LOG_WARN, NULL, "%llu of %llu tensors: %s (%s first)",
                            (unsigned long long)n, (unsigned long long)n_tensors, c->because,
                            collet_gguf_tensor_at(q->source, i)->name);
    }
}

static void warn_no_importance(const quantize *q, const collet_quantize_result *r)
{
    if (r->n_no_importance > 0)
        collet_log_line(&q->o.session.log, COLLET_LOG_WARN, NULL,
                        "%s has nothing for %llu of the tensors to be quantized (%s first): they are quantized without",
                        collet_imatrix_path(q->imatrix), (unsigned long long)r->n_no_importance, r->no_importance);
}

static void show_progress(void *ctx, uint64_t n_done, uint64_t n_all)
{
    quantize *q = ctx;
    double now = collet_now_s();
    if (now - q->last_shown < 0.1)
        return;
    q->last_shown = now;
    fprintf(stderr, "\rquantizing: %3llu %%", (unsigned long long)(n_done * 100 / (n_all ? n_all : 1)));
}

// ---- results ----

typedef struct format_row {
    const char *format;
    uint64_t n_before, n_after, before, after; // tensors, bytes
} format_row;

static uint64_t bytes_as(const collet_gguf_tensor *t, const char *format)
{
    const collet_ggml_type *type = collet_ggml_type_named(format);
    return t->dims[0] / type->block_elems * type->block_bytes * t->dims[1] * t->dims[2] * t->dims[3];
}

static format_row *row_of(format_row *rows, size_t *n, const char *format)
{
    size_t k = 0;
    while (k < *n && strcmp(rows[k].format, format) != 0)
        k++;
    if (k == *n && *n < FORMATS_MAX) // more than there are types
        rows[(*n)++] = (format_row){ .format = format };
    return &rows[k];
}

static size_t count_formats(const quantize *q, format_row *rows)
{
    size_t n = 0;
    for (uint64_t i = 0; i < collet_gguf_n_tensors(q->source); i++) {
        const collet_gguf_tensor *t = collet_gguf_tensor_at(q->source, i);
        const char *format = collet_recipe_at(q->recipe, i)->format;
        format_row *r = row_of(rows, &n, t->format);
        r->n_before++;
        r->before += t->n_bytes;
        r = row_of(rows, &n, format);
        r->n_after++;
        r->after += bytes_as(t, format);
    }
    return n;
}

static double bits_per_weight(uint64_t n_bytes, const collet_quantize_result *r)
{
    return r->n_elements ? 8.0 * (double)n_bytes / (double)r->n_elements : 0.0;
}

static double weights_per_s(const collet_quantize_result *r)
{
    return r->work_s > 0.0 ? (double)r->n_quantized / r->work_s : 0.0;
}

static void print_tensors(const quantize *q)
{
    char name[256];
    printf("%-40s %22s %-8s %-8s %12s %12s  %s\n", "tensor", "shape", "from", "to", "bytes", "to bytes", "because");
    for (uint64_t i = 0; i < collet_gguf_n_tensors(q->source); i++) {
        const collet_gguf_tensor *t = collet_gguf_tensor_at(q->source, i);
        const collet_recipe_choice *c = collet_recipe_at(q->recipe, i);
        char shape[96] = "";
        for (uint32_t d = t->n_dims; d-- > 0;) {
            size_t n = strlen(shape);
            snprintf(shape + n, sizeof shape - n, "%llu%s", (unsigned long long)t->dims[d], d ? " x " : "");
        }
        printf("%-40s %22s %-8s %-8s %12llu %12llu  %s\n", collet_escape(name, sizeof name, t->name, strlen(t->name)),
               shape, t->format, c->format, (unsigned long long)t->n_bytes, (unsigned long long)bytes_as(t, c->format),
               c->because);
    }
    printf("\n");
}

static int print_text(const quantize *q, const collet_quantize_result *r)
{
    format_row rows[FORMATS_MAX];
    size_t n = count_formats(q, rows);
    char before[32], after[32];
    if (q->dry_run)
        print_tensors(q);
    printf("%-10s %8s %12s %8s %12s\n", "format", "tensors", "bytes", "become", "bytes");
    for (size_t i = 0; i < n; i++)
        printf("%-10s %8llu %12s %8llu %12s\n", rows[i].format, (unsigned long long)rows[i].n_before,
               collet_format_bytes(before, sizeof before, rows[i].before), (unsigned long long)rows[i].n_after,
               collet_format_bytes(after, sizeof after, rows[i].after));
    printf("\n%s -> %s, %.2f -> %.2f bits per weight\n", collet_format_bytes(before, sizeof before, r->in_bytes),
           collet_format_bytes(after, sizeof after, r->out_bytes), bits_per_weight(r->in_bytes, r),
           bits_per_weight(r->out_bytes, r));
    if (!q->dry_run)
        printf("%s: %llu weights quantized in %.2f s, %.1f million/s; %.2f s until it was on the disk\n",
               q->args->operands[1], (unsigned long long)r->n_quantized, r->work_s, weights_per_s(r) / 1e6, r->sync_s);
    return collet_cli_finish();
}

static json_t *tensors_json(const quantize *q)
{
    json_t *list = json_array();
    for (uint64_t i = 0; i < collet_gguf_n_tensors(q->source); i++) {
        const collet_gguf_tensor *t = collet_gguf_tensor_at(q->source, i);
        const collet_recipe_choice *c = collet_recipe_at(q->recipe, i);
        char name[256];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:b}", "name",
                                              collet_escape(name, sizeof name, t->name, strlen(t->name)), "from",
                                              t->format, "to", c->format, "bytes", (json_int_t)t->n_bytes, "to_bytes",
                                              (json_int_t)bytes_as(t, c->format), "because", c->because, "fallback",
                                              c->is_fallback));
    }
    return list;
}

static int print_json(const quantize *q, const collet_quantize_result *r)
{
    json_t *object =
        json_pack("{s:s, s:b, s:I, s:I, s:f, s:f, s:I, s:I, s:o}", "in", q->args->operands[0], "dry_run", q->dry_run,
                  "bytes", (json_int_t)r->in_bytes, "to_bytes", (json_int_t)r->out_bytes, "bits_per_weight",
                  bits_per_weight(r->in_bytes, r), "to_bits_per_weight", bits_per_weight(r->out_bytes, r), "weights",
                  (json_int_t)r->n_elements, "quantized", (json_int_t)r->n_quantized, "tensors", tensors_json(q));
    if (!q->dry_run)
        json_object_update_new(object,
                               json_pack("{s:s, s:I, s:f, s:f, s:f, s:i}", "out", q->args->operands[1], "file_bytes",
                                         (json_int_t)r->file_bytes, "seconds", r->work_s, "sync_seconds", r->sync_s,
                                         "weights_per_s", weights_per_s(r), "threads",
                                         (int)collet_pool_workers(collet_runtime_pool(q->o.runtime))));
    return collet_cli_print_json(object, JSON_INDENT(1));
}

// ---- the command ----

// A format that has lost something is not made better by losing more.
static int check_requantize(const quantize *q, const collet_quantize_result *r)
{
    static const char text[] =
        "%s: %llu tensors to be quantized are quantized already, and each time loses more; start "
        "from F16 or BF16, or pass --allow-requantize";
    const char *path = q->args->operands[0];
    if (r->n_requantized == 0 || collet_args_bool(q->args, "allow-requantize"))
        return COLLET_EXIT_OK;
    if (!q->dry_run)
        return collet_cli_error(COLLET_EXIT_USAGE, text, path, (unsigned long long)r->n_requantized);
    collet_log_line(&q->o.session.log, COLLET_LOG_WARN, NULL, text, path, (unsigned long long)r->n_requantized);
    return COLLET_EXIT_OK;
}

static int run_opened(quantize *q)
{
    collet_error err = COLLET_ERROR_INIT;
    collet_quantize_result r = { 0 };
    bool shows = isatty(STDERR_FILENO) && q->args->log_level >= COLLET_LOG_WARN;
    const collet_quantize_opts opts = { .rt = q->o.runtime,
                                        .source = q->source,
                                        .recipe = q->recipe,
                                        .imatrix = q->imatrix,
                                        .imatrix_name = collet_args_text(q->args, "imatrix"),
                                        .out_path = q->args->operands[1],
                                        .allow_nonfinite = collet_args_bool(q->args, "allow-nonfinite"),
                                        .cancel = &interrupted,
                                        .progress = shows ? show_progress : NULL,
                                        .progress_ctx = q };
    if (collet_quantize_plan(&opts, &r, &err) != COLLET_OK)
        return collet_cli_fail(&err, 0);
    int exit_code = check_requantize(q, &r);
    if (exit_code != COLLET_EXIT_OK)
        return exit_code;
    warn_fallbacks(q);
    warn_no_importance(q, &r);
    if (!q->dry_run) {
        catch_signals();
        collet_status st = collet_quantize(&opts, &r, &err);
        if (shows)
            fprintf(stderr, "\r\033[K");
        if (st != COLLET_OK)
            return collet_cli_fail(&err, 0);
    }
    return q->json ? print_json(q, &r) : print_text(q, &r);
}

static int run(const collet_args *args)
{
    quantize q = { .args = args, .json = collet_args_bool(args, "json"), .dry_run = collet_args_bool(args, "dry-run") };
    if (args->n_operands < 2 && !q.dry_run)
        return collet_cli_error(COLLET_EXIT_USAGE, "quantize needs IN and OUT (--dry-run needs no OUT)");
    if (!collet_args_given(args, "type") && !collet_args_given(args, "tensor-type"))
        return collet_cli_error(COLLET_EXIT_USAGE, "quantize needs --type NAME, as in --type q4_k_m");
    int exit_code = collet_open(&q.o, args, COLLET_OPEN_RUNTIME);
    if (exit_code != COLLET_EXIT_OK)
        return exit_code;
    exit_code = open_files(&q);
    if (exit_code == COLLET_EXIT_OK)
        exit_code = read_rules(&q);
    if (exit_code == COLLET_EXIT_OK)
        exit_code = open_recipe(&q);
    if (exit_code == COLLET_EXIT_OK)
        exit_code = run_opened(&q);
    close_all(&q);
    return exit_code;
}

static const collet_flag flags[] = {
    { .name = "type",
      .type = COLLET_OPT_STR,
      .metavar = "NAME",
      .help = "a format or a recipe: q4_k_m, q6_k, q8_0, f16, ..." },
    { .name = "imatrix",
      .type = COLLET_OPT_STR,
      .metavar = "FILE",
      .help = "importance matrix of llama-imatrix, .dat or .gguf" },
    { .name = "dry-run", .type = COLLET_OPT_BOOL, .help = "show what each tensor would become, write nothing" },
    { .name = "pure", .type = COLLET_OPT_BOOL, .help = "the type alone, for embedding and output matrix too" },
    { .name = "output-type", .type = COLLET_OPT_STR, .metavar = "NAME", .help = "format of output.weight" },
    { .name = "embedding-type", .type = COLLET_OPT_STR, .metavar = "NAME", .help = "format of token_embd.weight" },
    { .name = "tensor-type",
      .type = COLLET_OPT_STR,
      .metavar = "PATTERN=NAME",
      .repeatable = true,
      .help = "format of tensors whose name matches; * and ? stand for others" },
    { .name = "allow-requantize", .type = COLLET_OPT_BOOL, .help = "take a file that is quantized already" },
    { .name = "allow-nonfinite", .type = COLLET_OPT_BOOL, .help = "let NaN and infinity through" },
    { 0 },
};

extern const collet_command collet_cmd_quantize;
const collet_command collet_cmd_quantize = {
    .name = "quantize",
    .summary = "a model file in another weight format",
    .operands = "IN OUT",
    .details =
        "Recipes have llama-quantize's names and choose tensor by tensor as it does. Rows that do not divide into\n"
        "a format's blocks get the next format that fits; a warning says which. OUT appears when it is whole, or\n"
        "not at all.",
    .flags = flags,
    .shared = COLLET_FLAGS_JSON | COLLET_FLAGS_PROFILE,
    .n_operands_min = 1,
    .n_operands_max = 2,
    .run = run,
};
