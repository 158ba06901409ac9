// SPDX-License-Identifier: Apache-2.0
// core/measure/probe.c - plain loads, eight streams of additions: bound by memory long before it is bound by them.
#include "core/measure/probe.h"

#include <stdbool.h>
#include <stdlib.h>

#include "core/base/error.h"
#include "core/measure/stats.h"

#define LANES 8

struct collet_read_probe {
    collet_pool *pool;
    uint64_t n_words; // per worker
    uint64_t **data;
    uint64_t *sums; // keeps the loads alive
};

static void fill(void *ctx, uint32_t task, uint32_t worker)
{
    (void)worker;
    collet_read_probe *p = ctx;
    for (uint64_t i = 0; i < p->n_words; i++)
        p->data[task][i] = i * 0x9e3779b97f4a7c15u;
}

static void read_all(void *ctx, uint32_t task, uint32_t worker)
{
    (void)worker;
    collet_read_probe *p = ctx;
    const uint64_t *data = p->data[task];
    uint64_t sum[LANES] = { 0 };
    for (uint64_t i = 0; i < p->n_words; i += LANES)
        for (int lane = 0; lane < LANES; lane++)
            sum[lane] += data[i + (uint64_t)lane];
    for (int lane = 1; lane < LANES; lane++)
        sum[0] += sum[lane];
    p->sums[task] = sum[0];
}

collet_status collet_read_probe_create(collet_read_probe **out, collet_pool *pool, uint64_t n_bytes, collet_error *err)
{
    uint32_t n = collet_pool_workers(pool);
    collet_read_probe *p = calloc(1, sizeof *p);
    bool complete = p != NULL;
    if (p) {
        p->pool = pool;
        p->n_words = n_bytes / sizeof(uint64_t) / LANES * LANES;
        p->data = calloc(n, sizeof *p->data);
        p->sums = calloc(n, sizeof *p->sums);
        complete = p->data && p->sums;
        for (uint32_t i = 0; complete && i < n; i++)
            complete = (p->data[i] = aligned_alloc(64, p->n_words * sizeof(uint64_t))) != NULL;
    }
    if (!complete) {
        collet_read_probe_destroy(p);
        return collet_fail(err, COLLET_E_NOMEM, "no memory to measure the read bandwidth");
    }
    collet_pool_run(pool, n, fill, p);
    *out = p;
    return COLLET_OK;
}

void collet_read_probe_destroy(collet_read_probe *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; p->data && i < collet_pool_workers(p->pool); i++)
        free(p->data[i]);
    free(p->data);
    free(p->sums);
    free(p);
}

double collet_read_probe_run(collet_read_probe *p)
{
    uint32_t n = collet_pool_workers(p->pool);
    double begin = collet_now_s();
    collet_pool_run(p->pool, n, read_all, p);
    double seconds = collet_now_s() - begin;
    return (double)n * (double)p->n_words * sizeof(uint64_t) / seconds;
}
