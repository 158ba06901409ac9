// SPDX-License-Identifier: Apache-2.0
// core/base/pool.h - the one CPU thread pool: pinned workers that spin briefly, then park.
#ifndef COLLET_CORE_BASE_POOL_H
#define COLLET_CORE_BASE_POOL_H

#include <stdbool.h>

#include "collet/base.h"

typedef struct collet_pool collet_pool;

typedef struct collet_pool_opts {
    uint32_t n_workers; // caller included; 0: one per CPU this process may use
    uint32_t pin;       // 1: worker i stays on the i-th CPU of the process's affinity mask (the caller is not moved)
    uint32_t spin_us;   // how long an idle worker spins before it parks; 0: the default, 50 us
} collet_pool_opts;

// Ownership: gives; destroy joins the threads, accepts NULL.  Errors: NOMEM, UNAVAILABLE (no thread).
collet_status collet_pool_create(collet_pool **out, const collet_pool_opts *opts, collet_error *err);
void collet_pool_destroy(collet_pool *pool);

uint32_t collet_pool_workers(const collet_pool *pool);

// host->parallel (host.h): fn(ctx, task, worker) for every task, returns when all are done. Worker w has a run of its
// own, [n w / W, n (w + 1) / W), which it does in order; who is done takes over tasks that another has not begun, last
// first.
// One region at a time per pool: concurrent callers wait for each other. Nested calls run inline.
void collet_pool_run(collet_pool *pool, uint32_t n_tasks, void (*fn)(void *ctx, uint32_t task, uint32_t worker),
                     void *ctx);

// What regions cost, counted from the last collet_pool_time(pool, true) on: two readings of the clock for each.
typedef struct collet_pool_stats {
    uint64_t n_regions;
    uint64_t n_moved; // tasks that were done by another worker than they were dealt to
    double region_s;  // from a region's begin to its end
    double wait_s;    // of it: the caller had nothing to do and waited for others
} collet_pool_stats;
void collet_pool_time(collet_pool *pool, bool on);
collet_pool_stats collet_pool_stats_of(collet_pool *pool);

#endif
