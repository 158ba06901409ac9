// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/test_profile_memory.c - loading with the Nth allocation failing, N = 1, 2, ... until none does.
//
// The linker sends this program's allocations here (--wrap, CMakeLists.txt); those of libyaml are its own.
#include "tests/core/plugin/profile_helper.h"

static long left = -1; // allocations until one fails; negative: none fails

static int fails(void)
{
    return left >= 0 && left-- == 0;
}

void *__real_malloc(size_t n_bytes);
void *__real_calloc(size_t n, size_t n_bytes);
void *__real_realloc(void *p, size_t n_bytes);
void *__wrap_malloc(size_t n_bytes);
void *__wrap_calloc(size_t n, size_t n_bytes);
void *__wrap_realloc(void *p, size_t n_bytes);

void *__wrap_malloc(size_t n_bytes)
{
    return fails() ? NULL : __real_malloc(n_bytes);
}

void *__wrap_calloc(size_t n, size_t n_bytes)
{
    return fails() ? NULL : __real_calloc(n, n_bytes);
}

void *__wrap_realloc(void *p, size_t n_bytes)
{
    return fails() ? NULL : __real_realloc(p, n_bytes);
}

static void test_profile_memory__every_failing_allocation_is_nomem(void **state)
{
    profile_test *t = *state;
    char path[600];
    profile_file(t, "base.yaml", "collet: 1\nengine: { threads: 2 }\n");
    collet_text yaml = { 0 }; // many rules: several chunks of the arena
    collet_text_printf(&yaml, "collet: 1\nextends: base.yaml\nmodel: { path: \"${HOME}/m\", alias: [a, b] }\n"
                              "search: [p]\nplugins: { acme: x.so }\noptions: { kv.paged: { a: 1, b: 2 } }\n"
                              "slots:\n  matmul:\n");
    for (int i = 0; i < 100; i++)
        collet_text_printf(&yaml, "    - { format: [q4_k, f%d], layers: [0-3, 7], phase: decode, use: [a.b, any] }\n",
                           i);
    profile_file(t, "p.yaml", yaml.data);
    collet_text_free(&yaml);
    snprintf(path, sizeof path, "%s/p.yaml", t->folder);
    static const char *const sets[] = { "engine.context=5", "slots.ops={ use: x }" };
    const collet_profile_opts opts = { .path = path, .sets = sets, .n_sets = 2 };

    bool done = false;
    long n = 0;
    for (; !done; n++) {
        collet_profile *p = NULL;
        collet_text problems = { 0 };
        collet_error err = COLLET_ERROR_INIT;
        left = n;
        collet_status st = collet_profile_load(&p, &opts, &problems, &err);
        done = left >= 0; // nobody met the failure
        left = -1;
        if (st == COLLET_OK) {
            assert_true(done);
            assert_int_equal(collet_profile_int(p, "engine.threads"), 2);
        } else {
            assert_int_equal(st, COLLET_E_NOMEM);
            assert_null(p);
        }
        collet_profile_destroy(p);
        collet_text_free(&problems);
    }
    assert_true(n > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_profile_memory__every_failing_allocation_is_nomem, profile_setup,
                                        profile_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
