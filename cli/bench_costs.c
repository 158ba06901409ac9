// SPDX-License-Identifier: Apache-2.0
// cli/bench_costs.c
#include "cli/bench_costs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct cost_row {
    const collet_plan_group *group;
    collet_op_cost cost;
    collet_peak peak; // what its operations are measured against
    double of_phase;  // fraction of the time of all ops of the phase
} cost_row;

typedef struct cost_table {
    collet_plan_group *groups;
    cost_row *rows;
    size_t n;
} cost_table;

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

// Tiles for a module that says it uses them, bytes for block formats, floats for the rest.
static collet_peak peak_of(const collet_plan_row *row)
{
    const bool dense = strcmp(row->format, "f32") == 0 || strcmp(row->format, "f16") == 0 ||
                       strcmp(row->format, "bf16") == 0 || row->format[0] == '\0';
    if (ends_with(row->choice->module->info->id, ".amx"))
        return COLLET_PEAK_TILE_BF16;
    return dense ? COLLET_PEAK_F32 : COLLET_PEAK_INT8;
}

static int dearest_first(const void *a, const void *b)
{
    const cost_row *x = a, *y = b;
    if (x->group->row.phase != y->group->row.phase)
        return x->group->row.phase < y->group->row.phase ? -1 : 1;
    return (x->cost.seconds < y->cost.seconds) - (x->cost.seconds > y->cost.seconds);
}

static void add_up(cost_table *t, const collet_plan *plan)
{
    for (size_t i = 0; i < collet_plan_n_rows(plan); i++) {
        collet_plan_row row;
        collet_plan_row_at(plan, i, &row);
        size_t k = 0;
        while (k < t->n && !collet_plan_group_has(t->rows[k].group, &row))
            k++;
        if (k == t->n)
            continue; // past the most groups there can be
        const collet_op_cost *c = collet_plan_cost_at(plan, i);
        t->rows[k].cost.n_runs += c->n_runs;
        t->rows[k].cost.seconds += c->seconds;
        t->rows[k].cost.n_bytes += c->n_bytes;
        t->rows[k].cost.n_ops += c->n_ops;
    }
    for (size_t i = 0; i < t->n; i++) {
        double sum = 0.0;
        for (size_t k = 0; k < t->n; k++)
            if (t->rows[k].group->row.phase == t->rows[i].group->row.phase)
                sum += t->rows[k].cost.seconds;
        t->rows[i].of_phase = sum > 0.0 ? t->rows[i].cost.seconds / sum : 0.0;
    }
}

static bool make_table(cost_table *t, const collet_plan *plan)
{
    *t = (cost_table){ .groups = calloc(COLLET_PLAN_GROUPS_MAX, sizeof *t->groups),
                       .rows = calloc(COLLET_PLAN_GROUPS_MAX, sizeof *t->rows) };
    if (!t->groups || !t->rows)
        return false;
    t->n = collet_plan_groups(plan, t->groups, COLLET_PLAN_GROUPS_MAX);
    for (size_t i = 0; i < t->n; i++)
        t->rows[i] = (cost_row){ .group = &t->groups[i], .peak = peak_of(&t->groups[i].row) };
    add_up(t, plan);
    qsort(t->rows, t->n, sizeof *t->rows, dearest_first);
    return true;
}

static void free_table(cost_table *t)
{
    free(t->groups);
    free(t->rows);
}

static double ratio(double value, double of)
{
    return of > 0.0 ? value / of : 0.0;
}

void collet_bench_print_costs(const collet_plan *plan, const collet_bench_ceilings *ceilings)
{
    cost_table t;
    if (make_table(&t, plan)) {
        printf("\n%-8s %-16s %-20s %-7s %-22s %6s %9s %6s %9s %7s %8s %8s %8s\n", "phase", "op", "weight", "format",
               "module", "runs", "us a run", "time", "KB a run", "GB/s", "of read", "GOPS", "of peak");
        for (size_t i = 0; i < t.n; i++) {
            const cost_row *r = &t.rows[i];
            const collet_op_cost *c = &r->cost;
            if (c->n_runs == 0)
                continue;
            const double n = (double)c->n_runs, bytes = (double)c->n_bytes, ops = (double)c->n_ops;
            printf("%-8s %-16s %-20.20s %-7s %-22s %6.0f %9.1f %5.1f%% %9.1f %7.1f %8.2f",
                   collet_phase_name(r->group->row.phase), r->group->row.op,
                   r->group->weight[0] ? r->group->weight : "-", r->group->row.format[0] ? r->group->row.format : "-",
                   r->group->row.choice->module->info->id, n, 1e6 * c->seconds / n, 100.0 * r->of_phase,
                   1e-3 * bytes / n, 1e-9 * bytes / c->seconds, ratio(bytes / c->seconds, ceilings->read));
            if (c->n_ops)
                printf(" %8.1f %8.2f\n", 1e-9 * ops / c->seconds, ratio(ops / c->seconds, ceilings->peak[r->peak]));
            else
                printf(" %8s %8s\n", "-", "-");
        }
        printf("of peak:");
        for (collet_peak p = 0; p < COLLET_N_PEAKS; p++)
            if (ceilings->peak[p] > 0.0)
                printf(" %s %.0f GOPS", collet_peak_name(p), 1e-9 * ceilings->peak[p]);
        printf("; block formats are measured against int8, others against f32, .amx modules against tile_bf16\n");
    }
    free_table(&t);
}

json_t *collet_bench_costs_json(const collet_plan *plan, const collet_bench_ceilings *ceilings)
{
    cost_table t;
    json_t *list = make_table(&t, plan) ? json_array() : NULL;
    for (size_t i = 0; list && i < t.n; i++) {
        const cost_row *r = &t.rows[i];
        const collet_op_cost *c = &r->cost;
        if (c->n_runs == 0)
            continue;
        json_t *row =
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:f, s:f, s:I, s:f, s:f}", "phase",
                      collet_phase_name(r->group->row.phase), "op", r->group->row.op, "weight", r->group->weight,
                      "format", r->group->row.format, "module", r->group->row.choice->module->info->id, "runs",
                      (json_int_t)c->n_runs, "seconds", c->seconds, "fraction_of_phase", r->of_phase, "bytes",
                      (json_int_t)c->n_bytes, "bytes_per_s", (double)c->n_bytes / c->seconds, "fraction_of_read",
                      ratio((double)c->n_bytes / c->seconds, ceilings->read));
        if (row && c->n_ops) {
            json_object_set_new(row, "ops", json_integer((json_int_t)c->n_ops));
            json_object_set_new(row, "ops_per_s", json_real((double)c->n_ops / c->seconds));
            json_object_set_new(row, "peak", json_string(collet_peak_name(r->peak)));
            json_object_set_new(row, "fraction_of_peak",
                                json_real(ratio((double)c->n_ops / c->seconds, ceilings->peak[r->peak])));
        }
        if (json_array_append_new(list, row) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    free_table(&t);
    return list;
}

// ---- the thread pool ----

static const char *const phase_names[COLLET_BENCH_PHASES] = { "prefill", "decode" };

void collet_bench_add_pool(collet_pool_stats *sum, collet_pool_stats stats)
{
    sum->n_regions += stats.n_regions;
    sum->n_moved += stats.n_moved;
    sum->region_s += stats.region_s;
    sum->wait_s += stats.wait_s;
}

void collet_bench_print_pool(const collet_pool_stats stats[COLLET_BENCH_PHASES])
{
    for (int p = 0; p < COLLET_BENCH_PHASES; p++) {
        const collet_pool_stats *s = &stats[p];
        if (s->n_regions > 0)
            printf("pool, %s: %" PRIu64 " regions of %.1f us, %.1f%% of it waiting for other workers; %" PRIu64
                   " tasks moved\n",
                   phase_names[p], s->n_regions, 1e6 * s->region_s / (double)s->n_regions,
                   100.0 * ratio(s->wait_s, s->region_s), s->n_moved);
    }
}

json_t *collet_bench_pool_json(const collet_pool_stats stats[COLLET_BENCH_PHASES])
{
    json_t *object = json_object();
    for (int p = 0; p < COLLET_BENCH_PHASES; p++)
        if (stats[p].n_regions > 0)
            json_object_set_new(object, phase_names[p],
                                json_pack("{s:I, s:I, s:f, s:f}", "regions", (json_int_t)stats[p].n_regions,
                                          "tasks_moved", (json_int_t)stats[p].n_moved, "seconds", stats[p].region_s,
                                          "waiting_s", stats[p].wait_s));
    return object;
}
