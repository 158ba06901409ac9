// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/test_registry_open.c - from data to a module at work, in this process.
#include <dirent.h>

#include "collet/plugin/device.h"
#include "collet/plugin/op.h"
#include "collet/plugin/quant.h"
#include "core/plugin/scan_host.h"
#include "tests/core/plugin/registry_helper.h"

static collet_scan_host *host; // lent to every module opened here
static collet_module_handle handle;

static int setup(void **state)
{
    host = collet_scan_host_create();
    return host ? helper_setup(state) : -1;
}

static int teardown(void **state)
{
    int failed = helper_teardown(state);
    collet_scan_host_destroy(host);
    return failed;
}

static collet_status open_module(helper *h, const char *id, const collet_value *values)
{
    return collet_registry_open(h->r, helper_module(h, id), collet_scan_host_table(host), values, &handle, &h->err);
}

static void test_registry_open__defaults_are_filled_in(void **state)
{
    helper *h = *state;
    helper_one(h, "good");
    assert_int_equal(open_module(h, "good.matmul", NULL), COLLET_OK);
    assert_int_equal(*(int64_t *)handle.mod, 8); // the fixture shows the option that it was given
    assert_ptr_equal(handle.info, helper_module(h, "good.matmul"));
    collet_registry_close(h->r, &handle);
}

static void test_registry_open__values_reach_the_module_and_its_refusal_the_caller(void **state)
{
    helper *h = *state;
    collet_value values[2] = { { .type = COLLET_OPT_INT, .is_set = 1, .u.i = 33 },
                               { .type = COLLET_OPT_ENUM, .is_set = 1, .u.s = "exact" } };
    helper_one(h, "good");
    assert_int_equal(open_module(h, "good.matmul", values), COLLET_OK);
    assert_int_equal(*(int64_t *)handle.mod, 33);
    collet_registry_close(h->r, &handle);
    values[1].u.s = "fast";
    assert_int_equal(open_module(h, "good.matmul", values), COLLET_E_INVALID);
    assert_holds(h->err.msg, "libcollet_good.so: module 'good.matmul': open: two options were wanted");
}

static void test_registry_open__missing_slots_that_are_called_are_stubs_others_stay_null(void **state)
{
    helper *h = *state;
    helper_one(h, "device");
    assert_int_equal(open_module(h, "fixture.device", NULL), COLLET_OK);
    const collet_device_vt *vt = handle.vt;
    uint64_t event = 0;
    assert_int_equal(vt->event_record(handle.mod, NULL, &event, &h->err), COLLET_E_UNSUPPORTED);
    assert_holds(h->err.msg, "event_record: this device module has no events");
    assert_int_equal(vt->event_wait(handle.mod, NULL, 0, &h->err), COLLET_E_UNSUPPORTED);
    assert_null(vt->capture_begin); // NULL tells the core to run each step
    assert_null(vt->graph_launch);
    assert_non_null(vt->sync);
    collet_registry_close(h->r, &handle);
}

static void test_registry_open__short_and_long_vtables_fill_the_cores_own(void **state)
{
    helper *h = *state;
    float one = 0.0f;
    helper_one(h, "older_header");
    assert_int_equal(open_module(h, "fixture.quant", NULL), COLLET_OK);
    const collet_quant_vt *quant = handle.vt;
    quant->dequantize(handle.mod, NULL, &one, 1);
    assert_true(one == 1.0f);
    assert_null(quant->quantize);
    collet_registry_close(h->r, &handle);

    helper_one(h, "newer_header");
    assert_int_equal(open_module(h, "fixture.matmul", NULL), COLLET_OK);
    const collet_op_vt *op = handle.vt;
    collet_op_caps caps = { .size = sizeof caps };
    assert_int_equal(op->supports(handle.mod, NULL, &caps), COLLET_E_UNSUPPORTED);
    assert_null(op->plan);
    collet_registry_close(h->r, &handle);
}

static void test_registry_open__record_that_changed_since_the_scan_is_refused(void **state)
{
    helper *h = *state;
    helper_one(h, "two_faced");
    assert_int_equal(open_module(h, "shown.matmul", NULL), COLLET_E_ABI);
    assert_holds(h->err.msg, "describe: it says 'real.matmul'");
    assert_holds(h->err.msg, "said 'shown.matmul' (collet.matmul/0) when it was scanned");
}

static void test_registry_open__file_that_changed_since_the_scan_is_refused(void **state)
{
    helper *h = *state;
    helper_copy(h, "libcollet_x.so", "good");
    helper_search(h, h->folder);
    assert_int_equal(helper_create(h), COLLET_OK);
    helper_copy(h, "libcollet_x.so", "good_v2");
    assert_int_equal(open_module(h, "good.matmul", NULL), COLLET_E_ABI);
    assert_holds(h->err.msg, "path: the file is not the one that was scanned");
}

static void test_registry_open__module_that_is_not_ok_says_why(void **state)
{
    helper *h = *state;
    helper_one(h, "probes");
    assert_int_equal(open_module(h, "a", NULL), COLLET_E_UNAVAILABLE);
    assert_holds(h->err.msg, "module 'a' is unavailable: no such device: plug it in");
    assert_int_equal(open_module(h, "c", NULL), COLLET_E_ABI);
    assert_holds(h->err.msg, "module 'c' is broken: xxx");
}

static void test_registry_open__refusing_open_is_passed_on(void **state)
{
    helper *h = *state;
    helper_one(h, "open_fails");
    assert_int_equal(open_module(h, "a", NULL), COLLET_E_UNAVAILABLE);
    assert_holds(h->err.msg, "module 'a': open: the driver is asleep");
    assert_int_equal(open_module(h, "b", NULL), COLLET_E_INTERNAL); // a code that this core does not know
    assert_holds(h->err.msg, "module 'b': open: it gave no reason");
}

static size_t n_open_files(void)
{
    size_t n = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder))
        n++;
    closedir(folder);
    return n;
}

// The dynamic linker knows a plugin by a descriptor's name. A registry that maps a second file under a number which
// the first one had would get the first one's code.
static void test_registry_open__registries_one_after_the_other_never_mix_plugins_up(void **state)
{
    static const char *const names[][2] = { { "good", "good.matmul" },
                                            { "device", "fixture.device" },
                                            { "newer_header", "fixture.matmul" } };
    helper *h = *state;
    size_t before = 0;
    for (int turn = 0; turn < 4; turn++) {
        for (size_t i = 0; i < COLLET_COUNT(names); i++) {
            helper_one(h, names[i][0]);
            assert_int_equal(open_module(h, names[i][1], NULL), COLLET_OK);
            collet_registry_close(h->r, &handle);
        }
        if (turn == 0)
            before = n_open_files();
    }
    assert_int_equal(n_open_files(), before); // one descriptor per mapped file, not per registry
}

static void test_registry_open__opened_modules_are_listed_once(void **state)
{
    helper *h = *state;
    helper_one(h, "good");
    assert_int_equal(collet_registry_n_opened(h->r), 0);
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(open_module(h, "good.matmul", NULL), COLLET_OK);
        collet_registry_close(h->r, &handle);
    }
    assert_int_equal(collet_registry_n_opened(h->r), 1);
    assert_ptr_equal(collet_registry_opened(h->r, 0), helper_module(h, "good.matmul"));
}

// ---- built in ----

static void dequantize(void *mod, const void *src, float *dst, uint64_t n)
{
    (void)mod;
    (void)src;
    for (uint64_t i = 0; i < n; i++)
        dst[i] = 2.0f;
}

static const collet_quant_vt vt = {
    .size = sizeof vt, .block_elems = 1, .block_bytes = 4, .format = "two", .dequantize = dequantize
};
static const collet_quant_vt vt_without = { .size = sizeof vt, .block_elems = 1, .block_bytes = 4, .format = "two" };
static const collet_module sound = {
    .size = sizeof sound, .id = "two", .iface = COLLET_QUANT_IFACE, .domain = "cpu", .vt = &vt
};
static const collet_module broken = {
    .size = sizeof broken, .id = "half", .iface = COLLET_QUANT_IFACE, .domain = "cpu", .vt = &vt_without
};
static const collet_module *const modules[] = { &sound, &broken };
static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = "good", .version = "0.1", .n_modules = 2,
                                      .modules = modules };
static const collet_plugin *const built_in[] = { &record };

static void test_registry_open__built_in_modules_are_checked_and_there_without_any_file(void **state)
{
    helper *h = *state;
    float two = 0.0f;
    h->built_in = built_in;
    h->n_built_in = 1;
    helper_search(h, h->folder); // empty
    assert_int_equal(helper_create(h), COLLET_OK);
    assert_int_equal(collet_registry_n_plugins(h->r), 1);
    assert_string_equal(collet_registry_plugin(h->r, 0)->path, "(built in)");
    assert_int_equal(helper_module(h, "half")->verdict, COLLET_VERDICT_BROKEN);
    assert_holds(helper_module(h, "half")->why, "required slot 'dequantize'");
    assert_int_equal(open_module(h, "two", NULL), COLLET_OK);
    ((const collet_quant_vt *)handle.vt)->dequantize(handle.mod, NULL, &two, 1);
    assert_true(two == 2.0f);
    collet_registry_close(h->r, &handle);
}

static void test_registry_open__built_in_plugin_comes_before_a_file_of_its_id(void **state)
{
    helper *h = *state;
    h->built_in = built_in;
    h->n_built_in = 1;
    helper_search(h, helper_bad("good"));
    assert_int_equal(helper_create(h), COLLET_OK);
    assert_int_equal(collet_registry_plugin(h->r, 1)->verdict, COLLET_VERDICT_SHADOWED);
    assert_holds(collet_registry_plugin(h->r, 1)->why, "plugin 'good' 0.1 comes first, from (built in)");
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_registry_open__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_filled_in),
        TEST(values_reach_the_module_and_its_refusal_the_caller),
        TEST(missing_slots_that_are_called_are_stubs_others_stay_null),
        TEST(short_and_long_vtables_fill_the_cores_own),
        TEST(record_that_changed_since_the_scan_is_refused),
        TEST(file_that_changed_since_the_scan_is_refused),
        TEST(module_that_is_not_ok_says_why),
        TEST(refusing_open_is_passed_on),
        TEST(registries_one_after_the_other_never_mix_plugins_up),
        TEST(opened_modules_are_listed_once),
        TEST(built_in_modules_are_checked_and_there_without_any_file),
        TEST(built_in_plugin_comes_before_a_file_of_its_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
