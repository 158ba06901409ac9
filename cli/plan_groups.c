// SPDX-License-Identifier: Apache-2.0
// cli/plan_groups.c
#include "cli/plan_groups.h"

#include <stdio.h>
#include <string.h>

#include "collet/plugin/op.h"

const char *collet_phase_name(uint32_t phase)
{
    return phase == COLLET_PHASE_DECODE ? "decode" : phase == COLLET_PHASE_VERIFY ? "verify" : "prefill";
}

// "blk.7.attn_q.weight" -> "attn_q.weight"
static const char *without_layer(const char *tensor)
{
    if (strncmp(tensor, "blk.", 4) != 0)
        return tensor;
    const char *dot = strchr(tensor + 4, '.');
    return dot ? dot + 1 : tensor;
}

// "attn_q.weight", or "attn_q attn_k attn_v" of a fused one.
static void name_weights(const collet_plan_row *row, char *out, size_t n_out)
{
    if (row->n_weights < 2) {
        snprintf(out, n_out, "%s", without_layer(row->tensor));
        return;
    }
    size_t at = 0;
    for (uint32_t k = 0; k < row->n_weights && at < n_out; k++) {
        const char *name = without_layer(row->weights[k].tensor);
        at += (size_t)snprintf(out + at, n_out - at, "%s%.*s", k ? " " : "", (int)strcspn(name, "."), name);
    }
}

bool collet_plan_group_has(const collet_plan_group *g, const collet_plan_row *row)
{
    char weight[sizeof g->weight];
    name_weights(row, weight, sizeof weight);
    return g->row.phase == row->phase && strcmp(g->row.op, row->op) == 0 && strcmp(g->row.format, row->format) == 0 &&
           g->row.choice->module == row->choice->module && strcmp(g->weight, weight) == 0 &&
           (g->row.layer < 0) == (row->layer < 0);
}

size_t collet_plan_groups(const collet_plan *plan, collet_plan_group *groups, size_t n_max)
{
    size_t n = 0;
    for (size_t i = 0; i < collet_plan_n_rows(plan); i++) {
        collet_plan_row row;
        collet_plan_row_at(plan, i, &row);
        size_t k = 0;
        while (k < n && !collet_plan_group_has(&groups[k], &row))
            k++;
        if (k == n_max)
            break;
        if (k == n) {
            groups[n] = (collet_plan_group){ .row = row };
            name_weights(&row, groups[n].weight, sizeof groups[n].weight);
            n++;
        }
        collet_plan_group *g = &groups[k];
        bool again = g->n_layers > 0 && g->layers[g->n_layers - 1] == row.layer; // q and k of one layer
        if (!again && g->n_layers < COLLET_COUNT(g->layers))
            g->layers[g->n_layers++] = row.layer;
    }
    return n;
}
