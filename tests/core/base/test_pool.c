// SPDX-License-Identifier: Apache-2.0
// tests/core/base/test_pool.c - every task once, nobody held up by another, nested calls inline, whatever the sizes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/base/pool.h"

#define TASKS_MAX 1000

typedef struct job {
    collet_pool *pool;
    atomic_uint runs[TASKS_MAX];
    uint32_t worker_of[TASKS_MAX];
    atomic_uint nested;
} job;

static void count(void *ctx, uint32_t task, uint32_t worker)
{
    job *j = ctx;
    atomic_fetch_add(&j->runs[task], 1);
    j->worker_of[task] = worker;
}

static collet_pool *make_pool(uint32_t n_workers)
{
    collet_pool *pool = NULL;
    const collet_pool_opts opts = { .n_workers = n_workers, .spin_us = 1 }; // parks at once: the slow path too
    assert_int_equal(collet_pool_create(&pool, &opts, NULL), COLLET_OK);
    assert_int_equal(collet_pool_workers(pool), n_workers);
    return pool;
}

static void test_pool__runs_every_task_once(void **state)
{
    (void)state;
    for (uint32_t n_workers = 1; n_workers <= 7; n_workers++) {
        collet_pool *pool = make_pool(n_workers);
        for (uint32_t n_tasks = 0; n_tasks <= 40; n_tasks++) {
            job j = { 0 };
            collet_pool_run(pool, n_tasks, count, &j);
            for (uint32_t i = 0; i < TASKS_MAX; i++)
                assert_int_equal(j.runs[i], i < n_tasks ? 1 : 0);
        }
        collet_pool_destroy(pool);
    }
}

// Nobody is done before everybody has begun, so nobody takes over what is another's.
static void meet(void *ctx, uint32_t task, uint32_t worker)
{
    job *j = ctx;
    count(ctx, task, worker);
    atomic_fetch_add(&j->nested, 1);
    while (atomic_load(&j->nested) < collet_pool_workers(j->pool))
        sched_yield();
}

static void test_pool__deals_contiguous_runs(void **state)
{
    (void)state;
    job j = { .pool = make_pool(3) };
    collet_pool_run(j.pool, 3, meet, &j);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(j.worker_of[i], i);
    collet_pool_destroy(j.pool);
}

// Task 0 ends after all others have: they are done by the second worker, the first one's too.
static void wait_for_others(void *ctx, uint32_t task, uint32_t worker)
{
    job *j = ctx;
    count(ctx, task, worker);
    atomic_fetch_add(&j->nested, 1);
    while (task == 0 && atomic_load(&j->nested) < 10)
        sched_yield();
}

static void test_pool__tasks_of_a_worker_that_is_held_up_are_taken_over(void **state)
{
    (void)state;
    job j = { .pool = make_pool(2) };
    collet_pool_time(j.pool, true);
    collet_pool_run(j.pool, 10, wait_for_others, &j);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(j.runs[i], 1);
    for (uint32_t i = 1; i < 10; i++)
        assert_int_equal(j.worker_of[i], 1);
    const collet_pool_stats stats = collet_pool_stats_of(j.pool);
    assert_int_equal(stats.n_regions, 1);
    assert_true(stats.n_moved >= 4);
    assert_true(stats.wait_s >= 0.0 && stats.region_s >= stats.wait_s);
    collet_pool_destroy(j.pool);
}

static void count_nested(void *ctx, uint32_t task, uint32_t worker)
{
    (void)task;
    (void)worker;
    atomic_fetch_add(&((job *)ctx)->nested, 1);
}

static void call_again(void *ctx, uint32_t task, uint32_t worker)
{
    job *j = ctx;
    count(ctx, task, worker);
    collet_pool_run(j->pool, 5, count_nested, j);
}

static void test_pool__nested_regions_run_inline(void **state)
{
    (void)state;
    job j = { .pool = make_pool(3) };
    collet_pool_run(j.pool, 9, call_again, &j);
    assert_int_equal(j.nested, 45);
    collet_pool_destroy(j.pool);
}

static void test_pool__survives_many_regions_and_pauses(void **state)
{
    (void)state;
    collet_pool *pool = make_pool(4);
    job j = { 0 };
    for (int i = 0; i < 2000; i++) {
        collet_pool_run(pool, 4, count, &j);
        if (i % 500 == 0)
            usleep(2000); // everybody sleeps
    }
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(j.runs[i], 2000);
    collet_pool_destroy(pool);
}

static void *call_from_thread(void *arg)
{
    job *j = arg;
    for (int i = 0; i < 200; i++)
        collet_pool_run(j->pool, 8, count, j);
    return NULL;
}

static void test_pool__two_callers_wait_for_each_other(void **state)
{
    (void)state;
    job j = { .pool = make_pool(2) };
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, call_from_thread, &j), 0);
    for (int i = 0; i < 200; i++)
        collet_pool_run(j.pool, 8, count_nested, &j);
    pthread_join(other, NULL);
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(j.runs[i], 200);
    assert_int_equal(j.nested, 1600);
    collet_pool_destroy(j.pool);
}

// A worker that was late for the last region may go into the one with which the pool ends: it must end too. The test
// passes when it comes to its end.
static void test_pool__ends_while_workers_are_late(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 2000; i++) {
        job j = { 0 };
        collet_pool *pool = make_pool(2 + i % 4);
        for (uint32_t n = 0; n < i % 3; n++)
            collet_pool_run(pool, 1 + i % 5, count, &j);
        for (uint32_t n = 0; n < i % 7; n++)
            sched_yield();
        collet_pool_destroy(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool__runs_every_task_once),
        cmocka_unit_test(test_pool__deals_contiguous_runs),
        cmocka_unit_test(test_pool__tasks_of_a_worker_that_is_held_up_are_taken_over),
        cmocka_unit_test(test_pool__nested_regions_run_inline),
        cmocka_unit_test(test_pool__survives_many_regions_and_pauses),
        cmocka_unit_test(test_pool__two_callers_wait_for_each_other),
        cmocka_unit_test(test_pool__ends_while_workers_are_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
