// SPDX-License-Identifier: Apache-2.0
// core/model/plan_memory.c - what a plan would need: binding, with every buffer counted and none allocated.
//
// Buffers are address space that reads as zeros and is never charged to anybody (private, read-only, no reserve), so a
// model of any size can be asked about. create() and prepare() of the chosen modules run, because only they know their
// workspace; op.h says that they write to no tensor.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/error.h"
#include "core/model/plan_internal.h"

#define TAGS_MAX 16

typedef struct reservation {
    void *data;
    uint64_t n_bytes;
} reservation;

typedef struct plan_estimate {
    collet_plan_memory_row rows[TAGS_MAX]; // but for weights
    size_t n_rows;
    reservation *reserved;
    size_t n_reserved, capacity;
} plan_estimate;

static void count_bytes(plan_estimate *e, const char *tag, uint64_t n_bytes)
{
    size_t i = 0;
    if (strncmp(tag, "weights", strlen("weights")) == 0)
        return; // the model counts its weights by format
    while (i < e->n_rows && strcmp(e->rows[i].tag, tag) != 0)
        i++;
    if (i == TAGS_MAX)
        i--; // the last row takes what is too many
    else if (i == e->n_rows)
        e->rows[e->n_rows++] = (collet_plan_memory_row){ .tag = tag };
    e->rows[i].n_bytes += n_bytes;
}

collet_status collet_plan_estimate_buffer(collet_plan *p, uint64_t n_bytes, const char *tag, void **data,
                                          collet_error *err)
{
    plan_estimate *e = p->estimate;
    if (e->n_reserved == e->capacity) {
        const size_t capacity = e->capacity ? 2 * e->capacity : 256;
        reservation *grown = realloc(e->reserved, capacity * sizeof *grown);
        if (!grown)
            return collet_fail(err, COLLET_E_NOMEM, "no memory for the estimate");
        e->reserved = grown;
        e->capacity = capacity;
    }
    const uint64_t n = n_bytes ? n_bytes : 64; // what buf_alloc makes of nothing
    void *at = MAP_FAILED;
    if (n <= SIZE_MAX)
        at = mmap(NULL, n, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return collet_fail_errno(err, COLLET_E_NOMEM, "%s: no address space for %llu bytes", tag,
                                 (unsigned long long)n);
    e->reserved[e->n_reserved++] = (reservation){ at, n };
    count_bytes(e, tag, n);
    *data = at;
    return COLLET_OK;
}

void collet_plan_estimate_destroy(collet_plan *p)
{
    plan_estimate *e = p->estimate;
    if (!e)
        return;
    collet_model_forget_estimate(p->model);
    for (size_t i = 0; i < e->n_reserved; i++)
        munmap(e->reserved[i].data, e->reserved[i].n_bytes);
    free(e->reserved);
    free(e);
    p->estimate = NULL;
}

collet_status collet_plan_estimate(collet_plan *p, const collet_plan_memory_row **rows, size_t *n_rows,
                                   uint64_t *loading_bytes, collet_error *err)
{
    p->estimate = calloc(1, sizeof *p->estimate);
    if (!p->estimate)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the estimate");
    collet_status st = collet_plan_bind_all(p, err);
    if (st != COLLET_OK)
        return st;
    *rows = p->estimate->rows;
    *n_rows = p->estimate->n_rows;
    *loading_bytes = collet_plan_loading_bytes(p);
    return COLLET_OK;
}
