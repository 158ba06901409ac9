// SPDX-License-Identifier: Apache-2.0
// core/base/pool.c - one region at a time; a worker that comes late finds its tasks done by the others.
//
// `gate` is all that a region costs: the caller opens it, each worker that sees it open goes in and comes out again,
// and the caller, once no task is left, closes it and waits for those inside. A worker that lost its CPU before it went
// in is not waited for: whoever runs out of tasks takes over the last ones of another share. So on a machine with
// foreign load a region lasts as long as the longest task that was begun, not as long as the operating system likes.
// Idle workers spin for spin_us, yielding in its second half, then sleep on a condition; the lock is taken only when
// somebody sleeps. A caller that waits too long for a worker inside sleeps as well: that frees a CPU for it.
#include "core/base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/error.h"

#define SPIN_US_DEFAULT 50
#define CACHE_LINE 64

#define OPEN ((uint64_t)1 << 31)       // of the gate: workers may go in; below are the bits that count those inside
#define GENERATION ((uint64_t)1 << 32) // of the gate: counts regions, so that nobody goes into one twice
#define N_INSIDE(gate) ((uint32_t)(gate) & 0x7fffffffu)

typedef struct collet_pool_region {
    void (*fn)(void *ctx, uint32_t task, uint32_t worker);
    void *ctx;
} collet_pool_region;

// Tasks [low half, high half) of `range` are not begun; their worker takes the first, others the last.
typedef struct collet_pool_share {
    _Alignas(CACHE_LINE) _Atomic uint64_t range;
} collet_pool_share;

typedef struct collet_pool_thread {
    pthread_t thread;
    collet_pool *pool;
    uint32_t worker;
    bool started;
} collet_pool_thread;

struct collet_pool {
    _Alignas(CACHE_LINE) _Atomic uint64_t gate;
    _Alignas(CACHE_LINE) _Atomic uint32_t n_asleep; // workers
    atomic_bool caller_asleep;
    _Alignas(CACHE_LINE) collet_pool_region region;
    uint32_t n_workers, spin_us;
    atomic_bool stop;
    atomic_bool timed;
    collet_pool_stats stats;
    _Atomic uint64_t n_moved;
    pthread_mutex_t callers; // one region at a time
    pthread_mutex_t sleep_lock;
    pthread_cond_t wake, all_out;
    collet_pool_thread *threads; // n_workers - 1
    collet_pool_share *shares;   // n_workers
};

// The pool whose task this thread is running, and as which worker: nested calls run inline.
static _Thread_local const collet_pool *running_pool;
static _Thread_local uint32_t running_worker;

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// One task of a share, its first or its last; false when none is left.
static bool take(collet_pool_share *share, bool last, uint32_t *task)
{
    uint64_t range = atomic_load_explicit(&share->range, memory_order_relaxed);
    for (;;) {
        const uint32_t begin = (uint32_t)range, end = (uint32_t)(range >> 32);
        if (begin >= end)
            return false;
        const uint64_t rest = last ? (uint64_t)(end - 1) << 32 | begin : (uint64_t)end << 32 | (begin + 1);
        *task = last ? end - 1 : begin;
        if (atomic_compare_exchange_weak_explicit(&share->range, &range, rest, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    }
}

// The worker's own share in order, then what others have not begun.
static void run_tasks(collet_pool *pool, uint32_t worker)
{
    const collet_pool_region *r = &pool->region;
    const collet_pool *outer = running_pool;
    uint32_t outer_worker = running_worker, task, n_moved = 0;
    running_pool = pool;
    running_worker = worker;
    while (take(&pool->shares[worker], false, &task))
        r->fn(r->ctx, task, worker);
    for (uint32_t i = 1; i < pool->n_workers; i++)
        for (uint32_t victim = (worker + i) % pool->n_workers; take(&pool->shares[victim], true, &task); n_moved++)
            r->fn(r->ctx, task, worker);
    if (n_moved > 0)
        atomic_fetch_add_explicit(&pool->n_moved, n_moved, memory_order_relaxed);
    running_pool = outer;
    running_worker = outer_worker;
}

static bool next_region(uint64_t gate, uint32_t seen)
{
    return (uint32_t)(gate >> 32) != seen;
}

static bool all_out(uint64_t gate, uint32_t unused)
{
    (void)unused;
    return N_INSIDE(gate) == 0;
}

// Waits until the gate is as wanted; spins, then yields. False after spin_us.
static bool spin_until(collet_pool *pool, bool (*wanted)(uint64_t gate, uint32_t seen), uint32_t seen)
{
    for (uint32_t i = 0; i < 64; i++) {
        if (wanted(atomic_load_explicit(&pool->gate, memory_order_acquire), seen))
            return true;
        relax();
    }
    uint64_t start = now_ns(), half = (uint64_t)pool->spin_us * 500u;
    for (;;) {
        for (uint32_t i = 0; i < 32; i++) {
            if (wanted(atomic_load_explicit(&pool->gate, memory_order_acquire), seen))
                return true;
            relax();
        }
        uint64_t waited = now_ns() - start;
        if (waited > 2 * half)
            return false;
        if (waited > half)
            sched_yield();
    }
}

static void sleep_until_next(collet_pool *pool, uint32_t seen)
{
    pthread_mutex_lock(&pool->sleep_lock);
    atomic_fetch_add(&pool->n_asleep, 1);
    while (!next_region(atomic_load(&pool->gate), seen))
        pthread_cond_wait(&pool->wake, &pool->sleep_lock);
    atomic_fetch_sub(&pool->n_asleep, 1);
    pthread_mutex_unlock(&pool->sleep_lock);
}

static void sleep_until_all_out(collet_pool *pool)
{
    pthread_mutex_lock(&pool->sleep_lock);
    atomic_store(&pool->caller_asleep, true);
    while (!all_out(atomic_load(&pool->gate), 0))
        pthread_cond_wait(&pool->all_out, &pool->sleep_lock);
    atomic_store(&pool->caller_asleep, false);
    pthread_mutex_unlock(&pool->sleep_lock);
}

static void open_gate(collet_pool *pool)
{
    // Sequentially consistent against n_asleep: either the sleeper sees the new generation or we see the sleeper.
    atomic_fetch_add(&pool->gate, GENERATION + OPEN);
    if (atomic_load(&pool->n_asleep) > 0) {
        pthread_mutex_lock(&pool->sleep_lock);
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->sleep_lock);
    }
}

// Out of the gate; the last one wakes the caller, by the same reasoning as in open_gate().
static void go_out(collet_pool *pool)
{
    if (N_INSIDE(atomic_fetch_sub(&pool->gate, 1)) == 1 && atomic_load(&pool->caller_asleep)) {
        pthread_mutex_lock(&pool->sleep_lock);
        pthread_cond_signal(&pool->all_out);
        pthread_mutex_unlock(&pool->sleep_lock);
    }
}

static void *worker_main(void *arg)
{
    collet_pool_thread *self = arg;
    collet_pool *pool = self->pool;
    uint32_t seen = 0;
    for (;;) {
        if (!spin_until(pool, next_region, seen))
            sleep_until_next(pool, seen);
        const uint64_t gate = atomic_fetch_add(&pool->gate, 1);
        seen = (uint32_t)(gate >> 32);
        // Asked once inside: who was woken by a region and goes in with the last generation would wait for another one.
        if (atomic_load(&pool->stop))
            return NULL;
        if (gate & OPEN)
            run_tasks(pool, self->worker);
        go_out(pool);
    }
}

static uint32_t cpus_of_process(cpu_set_t *set)
{
    if (sched_getaffinity(0, sizeof *set, set) != 0)
        return 1;
    return (uint32_t)CPU_COUNT(set);
}

static void pin_to_nth(pthread_t thread, const cpu_set_t *set, uint32_t nth)
{
    uint32_t seen = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, set) && seen++ == nth) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            pthread_setaffinity_np(thread, sizeof one, &one); // best effort: a refusal costs speed only
            return;
        }
}

static collet_status start_threads(collet_pool *pool, const collet_pool_opts *opts, collet_error *err)
{
    cpu_set_t set;
    uint32_t n_cpus = cpus_of_process(&set);
    for (uint32_t i = 0; i + 1 < pool->n_workers; i++) {
        collet_pool_thread *t = &pool->threads[i];
        *t = (collet_pool_thread){ .pool = pool, .worker = i + 1 };
        int rc = pthread_create(&t->thread, NULL, worker_main, t);
        if (rc != 0)
            return collet_fail(err, COLLET_E_UNAVAILABLE, "cannot start worker thread %u of %u: %s", i + 1,
                               pool->n_workers, strerror(rc));
        t->started = true;
        if (opts->pin && pool->n_workers <= n_cpus)
            pin_to_nth(t->thread, &set, i + 1);
    }
    return COLLET_OK;
}

collet_status collet_pool_create(collet_pool **out, const collet_pool_opts *opts, collet_error *err)
{
    cpu_set_t set;
    uint32_t n_workers = opts->n_workers ? opts->n_workers : cpus_of_process(&set);
    collet_pool *pool = aligned_alloc(CACHE_LINE, (sizeof *pool + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
    if (!pool)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the thread pool");
    memset(pool, 0, sizeof *pool);
    pool->n_workers = n_workers;
    pool->spin_us = opts->spin_us ? opts->spin_us : SPIN_US_DEFAULT;
    pthread_mutex_init(&pool->callers, NULL);
    pthread_mutex_init(&pool->sleep_lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->all_out, NULL);
    pool->threads = calloc(n_workers, sizeof *pool->threads);
    pool->shares = aligned_alloc(CACHE_LINE, n_workers * sizeof *pool->shares);
    for (uint32_t i = 0; pool->shares && i < n_workers; i++)
        atomic_init(&pool->shares[i].range, 0);
    collet_status status = pool->threads && pool->shares
                               ? start_threads(pool, opts, err)
                               : collet_fail(err, COLLET_E_NOMEM, "no memory for %u threads", n_workers);
    if (status == COLLET_OK)
        *out = pool;
    else
        collet_pool_destroy(pool);
    return status;
}

void collet_pool_destroy(collet_pool *pool)
{
    if (!pool)
        return;
    atomic_store(&pool->stop, true);
    open_gate(pool);
    for (uint32_t i = 0; pool->threads && i + 1 < pool->n_workers; i++)
        if (pool->threads[i].started)
            pthread_join(pool->threads[i].thread, NULL);
    free(pool->threads);
    free(pool->shares);
    pthread_cond_destroy(&pool->wake);
    pthread_cond_destroy(&pool->all_out);
    pthread_mutex_destroy(&pool->sleep_lock);
    pthread_mutex_destroy(&pool->callers);
    free(pool);
}

uint32_t collet_pool_workers(const collet_pool *pool)
{
    return pool->n_workers;
}

void collet_pool_run(collet_pool *pool, uint32_t n_tasks, void (*fn)(void *ctx, uint32_t task, uint32_t worker),
                     void *ctx)
{
    if (n_tasks == 0)
        return;
    if (running_pool == pool) { // nested: this worker does it all
        for (uint32_t task = 0; task < n_tasks; task++)
            fn(ctx, task, running_worker);
        return;
    }
    pthread_mutex_lock(&pool->callers);
    const bool timed = atomic_load_explicit(&pool->timed, memory_order_relaxed);
    const uint64_t begin = timed ? now_ns() : 0;
    pool->region = (collet_pool_region){ .fn = fn, .ctx = ctx };
    const uint64_t n = n_tasks, w = pool->n_workers;
    for (uint64_t i = 0; i < w; i++)
        atomic_store_explicit(&pool->shares[i].range, n * (i + 1) / w << 32 | n * i / w, memory_order_relaxed);
    if (w > 1)
        open_gate(pool);
    run_tasks(pool, 0);
    const uint64_t done = timed ? now_ns() : 0;
    if (w > 1) {
        atomic_fetch_sub(&pool->gate, OPEN);
        if (!spin_until(pool, all_out, 0))
            sleep_until_all_out(pool);
    }
    if (timed) {
        pool->stats.n_regions++;
        pool->stats.region_s += 1e-9 * (double)(now_ns() - begin);
        pool->stats.wait_s += 1e-9 * (double)(now_ns() - done);
    }
    pthread_mutex_unlock(&pool->callers);
}

void collet_pool_time(collet_pool *pool, bool on)
{
    pthread_mutex_lock(&pool->callers);
    if (on) {
        pool->stats = (collet_pool_stats){ 0 };
        atomic_store(&pool->n_moved, 0);
    }
    atomic_store(&pool->timed, on);
    pthread_mutex_unlock(&pool->callers);
}

collet_pool_stats collet_pool_stats_of(collet_pool *pool)
{
    pthread_mutex_lock(&pool->callers);
    collet_pool_stats stats = pool->stats;
    stats.n_moved = atomic_load(&pool->n_moved);
    pthread_mutex_unlock(&pool->callers);
    return stats;
}
