// SPDX-License-Identifier: Apache-2.0
// tests/plugins/reference/test_device_cpu.c - cpu.device: the device contract where the device is the host.
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/reference/reference.h"
#include "tests/support/test_host.h"

static const collet_device_vt *vt;

static int set_up(void **state)
{
    static collet_test_host h;
    collet_test_host_init(&h, 1);
    vt = collet_cpu_device.vt;
    return collet_cpu_device.open(&h.host, NULL, 0, state, NULL);
}

static void test_device_cpu__is_host_memory_and_one_device(void **state)
{
    collet_device_info info = { .size = sizeof info };
    assert_int_equal(vt->info(*state, 0, &info, NULL), COLLET_OK);
    assert_int_equal(info.host_visible, 1);
    assert_true(info.mem_bytes_total > 1u << 20);
    assert_true(info.name[0] != '\0');
    collet_error err = COLLET_ERROR_INIT;
    assert_int_equal(vt->info(*state, 1, &info, &err), COLLET_E_NOT_FOUND);
}

static void test_device_cpu__memory_is_zeroed_and_aligned(void **state)
{
    static const uint64_t sizes[] = { 0, 1, 4096, 1 << 20 };
    for (size_t i = 0; i < COLLET_COUNT(sizes); i++) {
        void *data = NULL;
        assert_int_equal(vt->mem_alloc(*state, 0, sizes[i], &data, NULL), COLLET_OK);
        assert_int_equal((uintptr_t)data % 64, 0);
        for (uint64_t k = 0; k < sizes[i]; k++)
            assert_int_equal(((uint8_t *)data)[k], 0);
        memset(data, 1, sizes[i]);
        vt->mem_free(*state, 0, data, sizes[i]);
    }
    vt->mem_free(*state, 0, NULL, 0);
}

static void test_device_cpu__more_than_there_is_is_an_error(void **state)
{
    void *data = NULL;
    collet_error err = COLLET_ERROR_INIT;
    assert_int_equal(vt->mem_alloc(*state, 0, UINT64_MAX / 2, &data, &err), COLLET_E_NOMEM);
    assert_null(data);
}

static void test_device_cpu__copies_when_asked_and_records_nothing(void **state)
{
    collet_queue *q = NULL;
    assert_int_equal(vt->queue_create(*state, 0, &q, NULL), COLLET_OK);
    char from[] = "collet", to[sizeof from] = "";
    for (int32_t kind = COLLET_COPY_TO_DEVICE; kind <= COLLET_COPY_ON_DEVICE; kind++) {
        memset(to, 0, sizeof to);
        assert_int_equal(vt->copy(*state, q, kind, to, from, sizeof from, NULL), COLLET_OK);
        assert_string_equal(to, from);
    }
    assert_int_equal(vt->sync(*state, q, NULL), COLLET_OK);
    assert_null(vt->capture_begin);
    assert_null(vt->capture_end);
    assert_null(vt->graph_launch);
    assert_null(vt->graph_destroy);
    vt->queue_destroy(*state, q);
}

static int tear_down(void **state)
{
    collet_test_host *h = (collet_test_host *)((const collet_reference_mod *)*state)->host->self;
    collet_cpu_device.close(*state);
    collet_test_host_finish(h);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_device_cpu__is_host_memory_and_one_device),
        cmocka_unit_test(test_device_cpu__memory_is_zeroed_and_aligned),
        cmocka_unit_test(test_device_cpu__more_than_there_is_is_an_error),
        cmocka_unit_test(test_device_cpu__copies_when_asked_and_records_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
