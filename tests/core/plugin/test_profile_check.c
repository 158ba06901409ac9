// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/test_profile_check.c - the names in a profile against the built-in modules and bad plugins.
#include "core/plugin/profile.h"
#include "plugins/reference/reference.h"
#include "tests/core/plugin/registry_helper.h"

static const collet_plugin *const built_in[] = { &collet_reference_plugin };

// The problems of a profile with this text, without the folder in front; "" when it is clean.
static void check(helper *h, const char *yaml, const char *expected)
{
    char path[700];
    snprintf(path, sizeof path, "%s", helper_write(h, "p.yaml", yaml, strlen(yaml)));
    collet_profile *p = NULL;
    collet_text problems = { 0 };
    collet_error err = COLLET_ERROR_INIT;
    const collet_profile_opts opts = { .path = path, .no_user = true };
    if (!h->r) {
        h->built_in = built_in;
        h->n_built_in = 1;
        assert_int_equal(helper_create(h), COLLET_OK);
    }
    if (collet_profile_load(&p, &opts, &problems, &err) != COLLET_OK)
        fail_msg("%s", problems.data);
    collet_status st = collet_profile_check(p, h->r, &problems, &err);
    assert_int_equal(st, expected[0] ? COLLET_E_INVALID : COLLET_OK);
    if (expected[0]) {
        assert_non_null(problems.data);
        assert_string_equal(problems.data + strlen(h->folder) + 1, expected);
        assert_int_equal(err.code, COLLET_E_INVALID);
    }
    collet_text_free(&problems);
    collet_profile_destroy(p);
}

static void test_profile_check__known_names_are_clean(void **state)
{
    check(*state,
          "collet: 1\n"
          "slots:\n"
          "  matmul:\n"
          "    - { op: matmul, format: [\"q4_*\", f16], use: [cpu.matmul.ref, any] }\n"
          "    - { use: \"reference:cpu.matmul.ref\" }\n"
          "  kvcache: { use: kv.contiguous, options: { dtype: f32 } }\n"
          "  device: cpu\n",
          "");
}

static void test_profile_check__unknown_module_has_the_nearest_name(void **state)
{
    check(*state, "collet: 1\nslots: { matmul: [cpu.matmul.rfe, any] }\n",
          "p.yaml:2:19: slots.matmul: there is no module 'cpu.matmul.rfe'; did you mean 'cpu.matmul.ref'?\n");
}

static void test_profile_check__module_of_another_slot_is_refused(void **state)
{
    check(*state, "collet: 1\nslots: { matmul: cpu.ops.ref }\n",
          "p.yaml:2:18: slots.matmul: cpu.ops.ref is a module of slots.ops\n");
}

static void test_profile_check__unknown_option_shows_the_range_of_the_nearest(void **state)
{
    check(*state, "collet: 1\nslots: { kvcache: { use: kv.contiguous, options: { dtyp: f32 } } }\n",
          "p.yaml:2:52: kv.contiguous has no option 'dtyp'; did you mean 'dtype' (f16 or f32, default f16)?\n");
    check(*state, "collet: 1\noptions: { kv.contiguous: { dtype: f64 } }\n",
          "p.yaml:2:36: kv.contiguous: dtype: 'f64' is not one of its choices (f16 or f32, default f16)\n");
    check(*state, "collet: 1\noptions: { cpu.ops.ref: { fast: true } }\n",
          "p.yaml:2:27: cpu.ops.ref has no option 'fast'\n");
}

static void test_profile_check__rules_that_can_never_match_are_refused(void **state)
{
    check(*state, "collet: 1\nslots: { matmul: { format: q4k, use: any } }\n",
          "p.yaml:2:18: no module knows the format 'q4k'; did you mean 'q4_k'?\n");
    check(*state, "collet: 1\nslots: { ops: { op: rmsnrm, use: any } }\n",
          "p.yaml:2:15: no module knows the op 'rmsnrm'; did you mean 'rmsnorm'?\n");
}

static void test_profile_check__missing_module_says_which_plugin_was_rejected(void **state)
{
    helper *h = *state;
    char expected[1200];
    helper_search(h, helper_bad("abi_major"));
    h->built_in = built_in;
    h->n_built_in = 1;
    assert_int_equal(helper_create(h), COLLET_OK);
    assert_int_equal(collet_registry_n_plugins(h->r), 2);
    const collet_plugin_info *bad = collet_registry_plugin(h->r, 0);
    if (bad->verdict == COLLET_VERDICT_OK)
        bad = collet_registry_plugin(h->r, 1);
    snprintf(expected, sizeof expected,
             "p.yaml:2:18: slots.matmul: there is no module 'acme.grouped'; %s is rejected: %s (1 plugin was found; "
             "`collet plugins list --all` says where)\n",
             bad->path, bad->why);
    check(h, "collet: 1\nslots: { matmul: acme.grouped }\n", expected);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_profile_check__##name, helper_setup, helper_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(known_names_are_clean),
        TEST(unknown_module_has_the_nearest_name),
        TEST(module_of_another_slot_is_refused),
        TEST(unknown_option_shows_the_range_of_the_nearest),
        TEST(rules_that_can_never_match_are_refused),
        TEST(missing_module_says_which_plugin_was_rejected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
