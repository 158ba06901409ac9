// SPDX-License-Identifier: Apache-2.0
// cli/plan_groups.h - a plan's rows as people read them: those that differ in the layer only are one.
#ifndef COLLET_CLI_PLAN_GROUPS_H
#define COLLET_CLI_PLAN_GROUPS_H

#include "core/model/plan.h"

#define COLLET_PLAN_GROUPS_MAX 4096

// Rows of one kind: same phase, op, weight name without its layer, format, module.
typedef struct collet_plan_group {
    collet_plan_row row; // the first
    char weight[64];     // "attn_q.weight", "attn_q attn_k attn_v"; "" without
    int32_t layers[1024];
    uint32_t n_layers;
} collet_plan_group;

// Returns how many groups there are, at most n_max, in the order of their first rows.
size_t collet_plan_groups(const collet_plan *plan, collet_plan_group *groups, size_t n_max);
bool collet_plan_group_has(const collet_plan_group *g, const collet_plan_row *row);

const char *collet_phase_name(uint32_t phase);

#endif
