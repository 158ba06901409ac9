// SPDX-License-Identifier: Apache-2.0
// cli/bench_costs.h - `bench --ops`: what each kind of op costs, and what fraction of the machine it uses meanwhile.
#ifndef COLLET_CLI_BENCH_COSTS_H
#define COLLET_CLI_BENCH_COSTS_H

#include <jansson.h>

#include "cli/plan_groups.h"
#include "core/measure/probe.h"

// Ceilings of the same run; 0.0: the machine lacks the unit.
typedef struct collet_bench_ceilings {
    double read; // bytes/s
    double peak[COLLET_N_PEAKS];
} collet_bench_ceilings;

// Tables of prefill and decode, the dearest ops first, from the costs that the plan has counted. NULL from the second:
// no memory.
void collet_bench_print_costs(const collet_plan *plan, const collet_bench_ceilings *ceilings);
json_t *collet_bench_costs_json(const collet_plan *plan, const collet_bench_ceilings *ceilings);

// What the thread pool's regions cost in each phase.
typedef enum collet_bench_phase { COLLET_BENCH_PREFILL, COLLET_BENCH_DECODE, COLLET_BENCH_PHASES } collet_bench_phase;
void collet_bench_add_pool(collet_pool_stats *sum, collet_pool_stats stats);
void collet_bench_print_pool(const collet_pool_stats stats[COLLET_BENCH_PHASES]);
json_t *collet_bench_pool_json(const collet_pool_stats stats[COLLET_BENCH_PHASES]);

#endif
