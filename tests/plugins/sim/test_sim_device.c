// SPDX-License-Identifier: Apache-2.0
// tests/plugins/sim/test_sim_device.c - the device contract of device.h, and that breaking it is noticed.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/plugins/sim/sim_fixture.h"

static int begin(void **state)
{
    static sim_fixture f;
    sim_begin(&f);
    *state = &f;
    return 0;
}

static int end(void **state)
{
    sim_end(*state);
    return 0;
}

static void copy(sim_fixture *f, int32_t kind, void *dst, const void *src, size_t n_bytes)
{
    assert_int_equal(f->vt->copy(f->dev, f->q, kind, dst, src, n_bytes, NULL), COLLET_OK);
}

// ---- memory ----

static void test_sim_device__memory_is_zeroed_aligned_and_not_the_hosts(void **state)
{
    sim_fixture *f = *state;
    collet_device_info info = { .size = sizeof info };
    assert_int_equal(f->vt->info(f->dev, 0, &info, NULL), COLLET_OK);
    assert_int_equal(info.host_visible, 0);

    char got[100];
    memset(got, 1, sizeof got);
    void *data = sim_put(f, NULL, sizeof got);
    assert_int_equal((uintptr_t)data % 64, 0);
    sim_get(f, got, data, sizeof got);
    for (size_t i = 0; i < sizeof got; i++)
        assert_int_equal(got[i], 0);

    // The kernel follows the address for us, and finds nothing there; the C library's write() would be checked by the
    // address sanitizer first.
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(syscall(SYS_write, ends[1], data, 1), -1);
    assert_int_equal(errno, EFAULT);
    close(ends[0]);
    close(ends[1]);
    f->vt->mem_free(f->dev, 0, data, sizeof got);
}

static void test_sim_device__copies_outside_an_allocation_are_errors(void **state)
{
    sim_fixture *f = *state;
    char host[64] = "collet";
    char *a = sim_put(f, host, sizeof host), *b = sim_put(f, NULL, sizeof host);
    copy(f, COLLET_COPY_TO_HOST, host, a + 1, sizeof host); // one byte too far
    sim_assert_sync_fails(f, "copy", "not within an allocation");
    copy(f, COLLET_COPY_ON_DEVICE, b, host, sizeof host);
    sim_assert_sync_fails(f, "copy", "is host memory");
    copy(f, COLLET_COPY_TO_DEVICE, a, b, sizeof host);
    sim_assert_sync_fails(f, "copy", "address of the device");
    f->vt->mem_free(f->dev, 0, a, sizeof host);
    copy(f, COLLET_COPY_TO_HOST, host, a, 1); // freed
    sim_assert_sync_fails(f, "copy", "not within an allocation");
    f->vt->mem_free(f->dev, 0, b + 8, 8);
    sim_assert_sync_fails(f, "mem_free", "no allocation");
    f->vt->mem_free(f->dev, 0, NULL, 0);
    sim_assert_sync_succeeds(f);
    f->vt->mem_free(f->dev, 0, b, sizeof host);
}

// ---- queue ----

static void test_sim_device__work_waits_for_its_turn_and_reads_host_memory_then(void **state)
{
    sim_fixture *f = *state;
    char from = 1, to = 0;
    char *data = sim_put(f, NULL, 1);
    sim_close_gate(f);
    copy(f, COLLET_COPY_TO_DEVICE, data, &from, 1);
    copy(f, COLLET_COPY_TO_HOST, &to, data, 1);
    from = 2; // too early: what the host may not do, and what real hardware would punish the same way
    assert_int_equal(to, 0);
    sim_open_gate(f);
    sim_assert_sync_succeeds(f);
    assert_int_equal(to, 2);
    f->vt->mem_free(f->dev, 0, data, 1);
}

static void test_sim_device__order_is_kept_through_pauses_and_a_full_ring(void **state)
{
    enum { N = 4 * SIM_RING_ITEMS };
    static uint32_t from[N], to[N]; // stay where they are until the queue has passed them
    sim_fixture *f = *state;
    uint32_t *data = sim_put(f, NULL, sizeof *data);
    for (uint32_t i = 0; i < N; i++) {
        from[i] = i + 1;
        copy(f, COLLET_COPY_TO_DEVICE, data, &from[i], sizeof *data);
        copy(f, COLLET_COPY_TO_HOST, &to[i], data, sizeof *data);
    }
    sim_assert_sync_succeeds(f);
    assert_memory_equal(to, from, sizeof to);
    f->vt->mem_free(f->dev, 0, data, sizeof *data);
}

static void test_sim_device__nothing_runs_after_an_error_until_it_is_reported(void **state)
{
    sim_fixture *f = *state;
    char host = 1;
    char *data = sim_put(f, NULL, 1);
    sim_close_gate(f);
    copy(f, COLLET_COPY_ON_DEVICE, data, &host, 1); // the error
    copy(f, COLLET_COPY_TO_HOST, &host, data, 1);
    copy(f, COLLET_COPY_ON_DEVICE, data + 9, data, 1); // a second error: the first one is told
    sim_open_gate(f);
    sim_assert_sync_fails(f, "copy", "is host memory");
    assert_int_equal(host, 1);
    copy(f, COLLET_COPY_TO_HOST, &host, data, 1);
    sim_assert_sync_succeeds(f);
    assert_int_equal(host, 0);
    f->vt->mem_free(f->dev, 0, data, 1);
}

static void test_sim_device__events_are_tickets_of_the_queue(void **state)
{
    sim_fixture *f = *state;
    uint64_t before = 0, after = 0;
    char *data = sim_put(f, "x", 1);
    assert_int_equal(f->vt->event_record(f->dev, f->q, &before, NULL), COLLET_OK);
    copy(f, COLLET_COPY_ON_DEVICE, data, data, 1);
    assert_int_equal(f->vt->event_record(f->dev, f->q, &after, NULL), COLLET_OK);
    assert_true(after > before);
    assert_int_equal(f->vt->event_wait(f->dev, f->q, after, NULL), COLLET_OK);
    collet_error err = COLLET_ERROR_INIT;
    assert_int_equal(f->vt->event_wait(f->dev, f->q, after + 100, &err), COLLET_E_INTERNAL);
    sim_assert_sync_succeeds(f);
    f->vt->mem_free(f->dev, 0, data, 1);
}

static void test_sim_device__has_one_queue_whose_end_waits_for_the_work(void **state)
{
    sim_fixture *f = *state;
    static uint32_t from[64], to[64];
    collet_queue *second = NULL;
    collet_error err = COLLET_ERROR_INIT;
    assert_int_equal(f->vt->queue_create(f->dev, 0, &second, &err), COLLET_E_UNSUPPORTED);
    uint32_t *data = sim_put(f, NULL, sizeof *data);
    for (uint32_t i = 0; i < 64; i++) {
        from[i] = i;
        copy(f, COLLET_COPY_TO_DEVICE, data, &from[i], sizeof *data);
        copy(f, COLLET_COPY_TO_HOST, &to[i], data, sizeof *data);
    }
    f->vt->queue_destroy(f->dev, f->q);
    f->q = NULL;
    assert_memory_equal(to, from, sizeof to);
    f->vt->mem_free(f->dev, 0, data, sizeof *data);
}

// ---- capture ----

static void test_sim_device__recording_runs_nothing_and_replays_with_new_contents(void **state)
{
    sim_fixture *f = *state;
    char from = 1, to = 0;
    char *data = sim_put(f, NULL, 1);
    void *graph = NULL;
    assert_int_equal(f->vt->capture_begin(f->dev, f->q, NULL), COLLET_OK);
    assert_true(f->q->flags & COLLET_QUEUE_CAPTURING);
    copy(f, COLLET_COPY_TO_DEVICE, data, &from, 1);
    copy(f, COLLET_COPY_TO_HOST, &to, data, 1);
    assert_int_equal(f->vt->capture_end(f->dev, f->q, &graph, NULL), COLLET_OK);
    assert_false(f->q->flags & COLLET_QUEUE_CAPTURING);
    sim_assert_sync_succeeds(f);
    assert_int_equal(to, 0);
    for (char i = 1; i <= 5; i++) {
        from = (char)(10 * i);
        assert_int_equal(f->vt->graph_launch(f->dev, f->q, graph, NULL), COLLET_OK);
        sim_assert_sync_succeeds(f);
        assert_int_equal(to, 10 * i);
    }
    f->vt->graph_destroy(f->dev, graph);
    f->vt->mem_free(f->dev, 0, data, 1);
}

static void test_sim_device__a_graph_may_end_while_it_is_enqueued(void **state)
{
    sim_fixture *f = *state;
    char to = 0;
    char *data = sim_put(f, "z", 1);
    void *graph = NULL;
    assert_int_equal(f->vt->capture_begin(f->dev, f->q, NULL), COLLET_OK);
    for (int i = 0; i < 100; i++)
        copy(f, COLLET_COPY_ON_DEVICE, data, data, 0);
    copy(f, COLLET_COPY_TO_HOST, &to, data, 1);
    assert_int_equal(f->vt->capture_end(f->dev, f->q, &graph, NULL), COLLET_OK);
    assert_int_equal(f->vt->graph_launch(f->dev, f->q, graph, NULL), COLLET_OK);
    f->vt->graph_destroy(f->dev, graph);
    sim_assert_sync_succeeds(f);
    assert_int_equal(to, 'z');
    f->vt->mem_free(f->dev, 0, data, 1);
}

static void test_sim_device__what_capture_forbids_is_named(void **state)
{
    sim_fixture *f = *state;
    collet_error err = COLLET_ERROR_INIT;
    void *p = NULL, *graph = NULL;
    char *data = sim_put(f, NULL, 1);
    assert_int_equal(f->vt->capture_end(f->dev, f->q, &graph, &err), COLLET_E_INTERNAL);
    assert_string_equal(err.msg, "capture_end without capture_begin");
    assert_int_equal(f->vt->capture_begin(f->dev, f->q, NULL), COLLET_OK);
    assert_int_equal(f->vt->sync(f->dev, f->q, &err), COLLET_E_INTERNAL);
    assert_string_equal(err.msg, "sync during capture");
    assert_int_equal(f->vt->mem_alloc(f->dev, 0, 64, &p, &err), COLLET_E_INTERNAL);
    assert_string_equal(err.msg, "mem_alloc during capture");
    assert_int_equal(f->vt->graph_launch(f->dev, f->q, NULL, &err), COLLET_E_INTERNAL);
    assert_string_equal(err.msg, "graph_launch during capture");
    assert_int_equal(f->vt->capture_begin(f->dev, f->q, &err), COLLET_E_INTERNAL);
    assert_string_equal(err.msg, "capture_begin during capture");
    f->vt->mem_free(f->dev, 0, data, 1);
    assert_int_equal(f->vt->capture_end(f->dev, f->q, &graph, NULL), COLLET_OK);
    sim_assert_sync_fails(f, "mem_free", "during capture");
    f->vt->graph_destroy(f->dev, graph);
    f->vt->mem_free(f->dev, 0, data, 1);
}

static void test_sim_device__a_recording_that_nobody_ended_is_no_leak(void **state)
{
    sim_fixture *f = *state;
    char *data = sim_put(f, NULL, 1);
    assert_int_equal(f->vt->capture_begin(f->dev, f->q, NULL), COLLET_OK);
    copy(f, COLLET_COPY_ON_DEVICE, data, data, 1);
    f->vt->queue_destroy(f->dev, f->q);
    f->q = NULL;
    f->vt->mem_free(f->dev, 0, data, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_sim_device__##name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(memory_is_zeroed_aligned_and_not_the_hosts),
        TEST(copies_outside_an_allocation_are_errors),
        TEST(work_waits_for_its_turn_and_reads_host_memory_then),
        TEST(order_is_kept_through_pauses_and_a_full_ring),
        TEST(nothing_runs_after_an_error_until_it_is_reported),
        TEST(events_are_tickets_of_the_queue),
        TEST(has_one_queue_whose_end_waits_for_the_work),
        TEST(recording_runs_nothing_and_replays_with_new_contents),
        TEST(a_graph_may_end_while_it_is_enqueued),
        TEST(what_capture_forbids_is_named),
        TEST(a_recording_that_nobody_ended_is_no_leak),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
