// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/test_registry_shutdown.c - the orderly end: modules close, then plugins shut down, last used first.
#include <unistd.h>

#include "core/plugin/runtime.h"
#include "tests/core/plugin/registry_helper.h"

static char *take_log(helper *h)
{
    size_t n_bytes = 0;
    char path[600];
    snprintf(path, sizeof path, "%s/shutdown.log", h->folder);
    char *text = access(path, R_OK) == 0 ? (char *)helper_read(path, &n_bytes) : NULL;
    remove(path);
    return text;
}

static void open_three(helper *h)
{
    char path[600];
    snprintf(path, sizeof path, "%s/shutdown.log", h->folder);
    setenv("COLLET_TEST_SHUTDOWN_LOG", path, 1);
    helper_reset(h);
    helper_search(h, helper_bad("shutdown_late")); // found first, used second
    helper_search(h, helper_bad("shutdown_early"));
    helper_search(h, helper_bad("shutdown_never"));
    assert_int_equal(helper_create(h), COLLET_OK);
}

static collet_runtime *open_runtime(helper *h, collet_profile *profile)
{
    const collet_runtime_opts opts = { .profile = profile, .registry = h->r, .log = &h->log };
    collet_runtime *rt = NULL;
    assert_int_equal(collet_runtime_create(&rt, &opts, &h->err), COLLET_OK);
    return rt;
}

static void test_registry_shutdown__plugins_in_use_are_shut_down_in_reverse_each_once(void **state)
{
    helper *h = *state;
    collet_profile *profile = NULL;
    collet_module_handle *handle = NULL;
    const char *sets[] = { "engine.threads=1" };
    const collet_profile_opts opts = { .sets = sets, .n_sets = 1, .no_user = true };
    assert_int_equal(collet_profile_load(&profile, &opts, NULL, &h->err), COLLET_OK);
    for (int round = 0; round < 2; round++) { // a process may begin again
        open_three(h);
        collet_runtime *rt = open_runtime(h, profile);
        assert_int_equal(collet_runtime_module(rt, helper_module(h, "early.matmul"), &handle, &h->err), COLLET_OK);
        assert_int_equal(collet_runtime_module(rt, helper_module(h, "late.matmul"), &handle, &h->err), COLLET_OK);
        assert_int_equal(collet_runtime_module(rt, helper_module(h, "early.matmul"), &handle, &h->err), COLLET_OK);
        assert_null(take_log(h));
        collet_runtime_destroy(rt);
        collet_registry_destroy(h->r);
        h->r = NULL;
        char *text = take_log(h);
        assert_non_null(text);
        assert_string_equal(text, "close late\nclose early\nshutdown late\nshutdown early\n");
        free(text);
    }
    collet_profile_destroy(profile);
}

static void test_registry_shutdown__a_plugin_that_was_only_looked_at_is_left_alone(void **state)
{
    helper *h = *state;
    open_three(h);
    collet_registry_destroy(h->r);
    h->r = NULL;
    assert_null(take_log(h));
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_registry_shutdown__##name, helper_setup, helper_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(plugins_in_use_are_shut_down_in_reverse_each_once),
        TEST(a_plugin_that_was_only_looked_at_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
