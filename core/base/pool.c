// SPDX-License-Identifier: Apache-2.0
// core/base/pool.c - one region at a time; workers wait on a generation number.
//
// A region costs two cache-line handovers: the caller publishes the task and bumps `generation`, each worker does its
// run and bumps `n_done`. Idle workers spin for spin_us, then sleep on a futex-backed condition; the caller takes the
// lock only when somebody sleeps. On a machine with foreign load spinning turns into yielding after the first half, so
// that a worker which lost its CPU is not waited for by a thread that keeps it from running.
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

typedef struct collet_pool_region {
    void (*fn)(void *ctx, uint32_t task, uint32_t worker);
    void *ctx;
    uint32_t n_tasks;
} collet_pool_region;

typedef struct collet_pool_thread {
    pthread_t thread;
    collet_pool *pool;
    uint32_t worker;
    bool started;
} collet_pool_thread;

struct collet_pool {
    _Alignas(CACHE_LINE) _Atomic uint32_t generation; // changes when a region starts, and once at the end
    _Alignas(CACHE_LINE) _Atomic uint32_t n_done;     // workers that finished the current region
    _Alignas(CACHE_LINE) _Atomic uint32_t n_asleep;
    _Alignas(CACHE_LINE) collet_pool_region region;
    uint32_t n_workers, spin_us;
    atomic_bool stop;
    pthread_mutex_t callers; // one region at a time
    pthread_mutex_t sleep_lock;
    pthread_cond_t wake;
    collet_pool_thread *threads; // n_workers - 1
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

// Contiguous runs: worker w does tasks [n w / W, n (w+1) / W).
static void run_share(collet_pool *pool, uint32_t worker)
{
    const collet_pool_region *r = &pool->region;
    uint64_t n = r->n_tasks, w = pool->n_workers;
    uint32_t begin = (uint32_t)(n * worker / w), end = (uint32_t)(n * (worker + 1) / w);
    const collet_pool *outer = running_pool;
    uint32_t outer_worker = running_worker;
    running_pool = pool;
    running_worker = worker;
    for (uint32_t task = begin; task < end; task++)
        r->fn(r->ctx, task, worker);
    running_pool = outer;
    running_worker = outer_worker;
}

// Waits until *counter differs from `seen` (wanted == NULL) or equals *wanted; spins, then yields. False after spin_us.
static bool spin_while_equal(_Atomic uint32_t *counter, uint32_t seen, uint32_t spin_us)
{
    for (uint32_t i = 0; i < 64; i++) {
        if (atomic_load_explicit(counter, memory_order_acquire) != seen)
            return true;
        relax();
    }
    uint64_t start = now_ns(), half = (uint64_t)spin_us * 500u;
    for (;;) {
        for (uint32_t i = 0; i < 32; i++) {
            if (atomic_load_explicit(counter, memory_order_acquire) != seen)
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

static void sleep_while_equal(collet_pool *pool, uint32_t seen)
{
    pthread_mutex_lock(&pool->sleep_lock);
    atomic_fetch_add(&pool->n_asleep, 1);
    while (atomic_load(&pool->generation) == seen)
        pthread_cond_wait(&pool->wake, &pool->sleep_lock);
    atomic_fetch_sub(&pool->n_asleep, 1);
    pthread_mutex_unlock(&pool->sleep_lock);
}

static void publish(collet_pool *pool)
{
    // Sequentially consistent against n_asleep: either the sleeper sees the new generation or we see the sleeper.
    atomic_fetch_add(&pool->generation, 1);
    if (atomic_load(&pool->n_asleep) > 0) {
        pthread_mutex_lock(&pool->sleep_lock);
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->sleep_lock);
    }
}

static void *worker_main(void *arg)
{
    collet_pool_thread *self = arg;
    collet_pool *pool = self->pool;
    uint32_t seen = 0;
    for (;;) {
        if (!spin_while_equal(&pool->generation, seen, pool->spin_us))
            sleep_while_equal(pool, seen);
        seen = atomic_load_explicit(&pool->generation, memory_order_acquire);
        if (atomic_load(&pool->stop))
            return NULL;
        run_share(pool, self->worker);
        atomic_fetch_add_explicit(&pool->n_done, 1, memory_order_release);
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
    pool->threads = calloc(n_workers, sizeof *pool->threads);
    collet_status status = pool->threads ? start_threads(pool, opts, err)
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
    publish(pool);
    for (uint32_t i = 0; pool->threads && i + 1 < pool->n_workers; i++)
        if (pool->threads[i].started)
            pthread_join(pool->threads[i].thread, NULL);
    free(pool->threads);
    pthread_cond_destroy(&pool->wake);
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
    pool->region = (collet_pool_region){ .fn = fn, .ctx = ctx, .n_tasks = n_tasks };
    uint32_t n_others = pool->n_workers - 1;
    if (n_others > 0) {
        atomic_store_explicit(&pool->n_done, 0, memory_order_relaxed);
        publish(pool);
    }
    run_share(pool, 0);
    for (;;) {
        uint32_t done = atomic_load_explicit(&pool->n_done, memory_order_acquire);
        if (done == n_others)
            break;
        spin_while_equal(&pool->n_done, done, pool->spin_us);
    }
    pthread_mutex_unlock(&pool->callers);
}
