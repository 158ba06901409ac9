// SPDX-License-Identifier: Apache-2.0
// cli/cmd_explain.c - what would run and why everything else lost: the plan, without packing or running anything.
//
// Rows that differ in the layer only are shown as one with a range: "0-29". Layers whose choice differs stand apart.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/open.h"
#include "cli/plan_groups.h"
#include "cli/print_json.h"
#include "collet/plugin/op.h"
#include "core/base/text.h"

static void layer_ranges(const collet_plan_group *g, collet_text *out)
{
    if (g->row.layer < 0) {
        collet_text_printf(out, "-");
        return;
    }
    for (uint32_t i = 0; i < g->n_layers;) {
        uint32_t k = i;
        while (k + 1 < g->n_layers && g->layers[k + 1] == g->layers[k] + 1)
            k++;
        collet_text_printf(out, k > i ? "%s%d-%d" : "%s%d", i ? "," : "", g->layers[i], g->layers[k]);
        i = k + 1;
    }
}

static void print_head(const collet_opened *o, const collet_plan *plan)
{
    const collet_hparams *h = collet_model_hparams(o->model);
    const collet_kv_geometry *kv = collet_plan_kv(plan);
    const collet_plan_opts *limits = collet_plan_limits(plan);
    char bytes[32], kv_bytes[32];
    printf("model    %s (%s, %u layers, %s)\n", collet_model_path(o->model), collet_model_arch(o->model)->name,
           h->n_layers, collet_format_bytes(bytes, sizeof bytes, collet_model_weight_bytes(o->model)));
    printf("device   %s\n", collet_plan_device_choice(plan)->module->info->id);
    printf("kvcache  %s: %s, %u blocks of %u tokens, %s\n", collet_plan_kv_choice(plan)->module->info->id,
           collet_runtime_name(o->runtime, kv->format), kv->n_blocks, kv->block_tokens,
           collet_format_bytes(kv_bytes, sizeof kv_bytes, kv->n_bytes));
    printf("limits   context %u, %u requests, %u tokens a step\n", limits->context, limits->n_seqs_max,
           limits->step_tokens);
    printf("plan     %016" PRIx64 ", %u fallbacks\n", collet_plan_hash(plan), collet_plan_n_fallbacks(plan));
}

// One line per slot and module: which modules make an answer of this model.
static void print_brief(const collet_plan *plan)
{
    const char *const slots[] = { "matmul", "attention", "ops" };
    for (size_t s = 0; s < COLLET_COUNT(slots); s++)
        for (size_t i = 0; i < collet_plan_n_rows(plan); i++) {
            collet_plan_row row, other;
            collet_plan_row_at(plan, i, &row);
            if (strcmp(row.slot, slots[s]) != 0)
                continue;
            size_t n = 0, first = i;
            for (size_t k = 0; k < collet_plan_n_rows(plan); k++) {
                collet_plan_row_at(plan, k, &other);
                if (strcmp(other.slot, slots[s]) != 0 || other.choice->module != row.choice->module)
                    continue;
                n++;
                first = k < first ? k : first;
            }
            if (first == i)
                printf("%-9s %s (%zu ops)\n", slots[s], row.choice->module->info->id, n);
        }
}

static void print_group(const collet_plan_group *g, bool why)
{
    collet_text layers = { 0 };
    layer_ranges(g, &layers);
    printf("%-8s %-8s %-12s %-28s %-7s %s%s\n", collet_phase_name(g->row.phase), layers.data ? layers.data : "",
           g->row.op, g->weight[0] ? g->weight : "-", g->row.format[0] ? g->row.format : "-",
           g->row.choice->module->info->id, g->row.choice->fallback ? " (fallback)" : "");
    collet_text_free(&layers);
    for (size_t i = 0; why && i < g->row.choice->n_candidates; i++)
        if (!g->row.choice->candidates[i].chosen)
            printf("         not %s: %s\n", g->row.choice->candidates[i].module->id, g->row.choice->candidates[i].why);
}

static json_t *candidates_json(const collet_choice *choice)
{
    json_t *list = json_array();
    for (size_t i = 0; i < choice->n_candidates; i++)
        if (!choice->candidates[i].chosen)
            json_array_append_new(list, json_pack("{s:s, s:s}", "module", choice->candidates[i].module->id, "why",
                                                  choice->candidates[i].why));
    return list;
}

static json_t *rule_json(const collet_rule *rule)
{
    char where[512];
    if (rule->line > 0)
        snprintf(where, sizeof where, "%s:%d:%d", rule->file, rule->line, rule->column);
    else
        snprintf(where, sizeof where, "%s", rule->file);
    return json_string(where);
}

static json_t *weights_json(const collet_plan_row *row)
{
    json_t *weights = json_array();
    for (uint32_t k = 0; k < row->n_weights; k++)
        json_array_append_new(
            weights, json_pack("{s:s, s:s}", "tensor", row->weights[k].tensor, "format", row->weights[k].format));
    return weights;
}

static json_t *rows_json(const collet_plan *plan)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < collet_plan_n_rows(plan); i++) {
        collet_plan_row row;
        collet_plan_row_at(plan, i, &row);
        json_t *layer = row.layer < 0 ? json_null() : json_integer(row.layer);
        json_array_append_new(rows,
                              json_pack("{s:s, s:o, s:s, s:s, s:s, s:s, s:o, s:s, s:b, s:o, s:o}", "phase",
                                        collet_phase_name(row.phase), "layer", layer, "slot", row.slot, "op", row.op,
                                        "tensor", row.tensor, "format", row.format, "weights", weights_json(&row),
                                        "module", row.choice->module->info->id, "fallback", row.choice->fallback,
                                        "rule", rule_json(row.choice->rule), "rejected", candidates_json(row.choice)));
    }
    return rows;
}

static int print_json(const collet_opened *o, const collet_plan *plan)
{
    char hash[24];
    snprintf(hash, sizeof hash, "%016" PRIx64, collet_plan_hash(plan));
    const collet_kv_geometry *kv = collet_plan_kv(plan);
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:{s:s, s:s, s:i, s:i, s:I}, s:i, s:o}", "model", collet_model_path(o->model), "arch",
        collet_model_arch(o->model)->name, "plan", hash, "device", collet_plan_device_choice(plan)->module->info->id,
        "kvcache", "module", collet_plan_kv_choice(plan)->module->info->id, "format",
        collet_runtime_name(o->runtime, kv->format), "blocks", (int)kv->n_blocks, "block_tokens", (int)kv->block_tokens,
        "bytes", (json_int_t)kv->n_bytes, "fallbacks", (int)collet_plan_n_fallbacks(plan), "rows", rows_json(plan));
    return collet_cli_print_json(object, JSON_INDENT(1));
}

static int print_plan(const collet_args *args, const collet_opened *o, const collet_plan *plan)
{
    if (collet_args_bool(args, "json"))
        return print_json(o, plan);
    print_head(o, plan);
    if (collet_args_bool(args, "brief")) {
        print_brief(plan);
        return collet_cli_finish();
    }
    collet_plan_group *groups = calloc(COLLET_PLAN_GROUPS_MAX, sizeof *groups);
    if (!groups)
        return collet_cli_error(COLLET_EXIT_MEMORY, "no memory for the plan");
    size_t n = collet_plan_groups(plan, groups, COLLET_PLAN_GROUPS_MAX);
    printf("\n%-8s %-8s %-12s %-28s %-7s %s\n", "phase", "layers", "op", "weight", "format", "module");
    for (size_t i = 0; i < n; i++)
        print_group(&groups[i], !collet_args_bool(args, "no-why"));
    free(groups);
    return collet_cli_finish();
}

static int run(const collet_args *args)
{
    collet_opened o;
    int exit_code = collet_open(&o, args, COLLET_OPEN_MODEL);
    if (exit_code != COLLET_EXIT_OK)
        return exit_code;
    collet_error err = COLLET_ERROR_INIT;
    collet_engine_opts opts;
    collet_plan_opts limits;
    collet_plan *plan = NULL;
    collet_open_engine_opts(&o, COLLET_OPEN_MODEL, &opts);
    collet_engine_limits(&opts, o.model, &limits);
    collet_status st = collet_plan_select(&plan, o.model, &limits, &err);
    exit_code = st == COLLET_OK ? print_plan(args, &o, plan)
                                : collet_cli_fail(&err, st == COLLET_E_UNSUPPORTED ? COLLET_EXIT_MODEL : 0);
    collet_plan_destroy(plan);
    collet_close(&o);
    return exit_code;
}

static const collet_flag flags[] = {
    { .name = "brief", .type = COLLET_OPT_BOOL, .help = "one line per module that is used" },
    { .name = "no-why", .type = COLLET_OPT_BOOL, .help = "leave out why the other candidates lost" },
    { 0 },
};

extern const collet_command collet_cmd_explain;
const collet_command collet_cmd_explain = {
    .name = "explain",
    .summary = "the plan: op, layer and phase to module, and why each other candidate lost",
    .flags = flags,
    .shared = COLLET_FLAGS_JSON | COLLET_FLAGS_PROFILE | COLLET_FLAGS_MODEL,
    .run = run,
};
