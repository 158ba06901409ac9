// SPDX-License-Identifier: Apache-2.0
// cli/memory.c
#include "cli/memory.h"

#include <string.h>

void collet_owners_add(collet_owners *owners, const char *name, uint64_t n_bytes)
{
    size_t i = 0;
    while (i < owners->n && strcmp(owners->rows[i].name, name) != 0)
        i++;
    if (i == COLLET_OWNERS_MAX)
        i--; // the last row takes what is too many
    else if (i == owners->n)
        snprintf(owners->rows[owners->n++].name, sizeof owners->rows[0].name, "%s", name);
    owners->rows[i].n_bytes += n_bytes;
}

static void add_weights(collet_owners *owners, const collet_model *m)
{
    collet_weight_memory rows[64];
    const size_t n = collet_model_memory(m, rows, COLLET_COUNT(rows));
    for (size_t i = 0; i < n; i++) {
        char name[96];
        snprintf(name, sizeof name, "weights, %s %s%s", rows[i].format, rows[i].layout ? "as " : rows[i].how,
                 rows[i].layout ? rows[i].layout : "");
        collet_owners_add(owners, name, rows[i].n_bytes);
    }
}

void collet_owners_gather(collet_owners *owners, const collet_opened *o)
{
    collet_memory_row rows[64];
    const size_t n = collet_runtime_memory(o->runtime, rows, COLLET_COUNT(rows));
    add_weights(owners, o->model);
    for (size_t i = 0; i < n; i++)
        if (strncmp(rows[i].tag, "weights", strlen("weights")) != 0) // by format already
            collet_owners_add(owners, rows[i].tag, rows[i].n_bytes);
    if (o->tokenizer)
        collet_owners_add(owners, "tokenizer", collet_tokenizer_bytes(o->tokenizer));
}

uint64_t collet_owners_sum(const collet_owners *owners)
{
    uint64_t n_bytes = 0;
    for (size_t i = 0; i < owners->n; i++)
        n_bytes += owners->rows[i].n_bytes;
    return n_bytes;
}
