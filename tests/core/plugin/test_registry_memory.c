// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/test_registry_memory.c - the registry with the Nth allocation failing, N = 1, 2, ... until none
// does.
//
// The linker sends this program's allocations here (--wrap, CMakeLists.txt); libjansson is told by its own function.
#include <jansson.h>

#include "collet/plugin/quant.h"
#include "core/plugin/scan_host.h"
#include "tests/core/plugin/registry_helper.h"

static long left = -1; // allocations until one fails; negative: none fails

static int fails(void)
{
    return left >= 0 && left-- == 0;
}

void *__real_malloc(size_t n_bytes);
void *__real_calloc(size_t n, size_t n_bytes);
void *__real_realloc(void *p, size_t n_bytes);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t n_bytes);
void *__wrap_calloc(size_t n, size_t n_bytes);
void *__wrap_realloc(void *p, size_t n_bytes);
char *__wrap_strdup(const char *text);

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

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

static void dequantize(void *mod, const void *src, float *dst, uint64_t n)
{
    (void)mod;
    (void)src;
    (void)dst;
    (void)n;
}

static const collet_option option = {
    .size = sizeof option, .type = COLLET_OPT_BOOL, .key = "k", .help = "?", .dflt = "true"
};
static const collet_option *const options[] = { &option, NULL };
static const collet_quant_vt vt = {
    .size = sizeof vt, .block_elems = 1, .block_bytes = 4, .format = "f", .dequantize = dequantize
};
static const collet_module module = {
    .size = sizeof module, .id = "m", .iface = COLLET_QUANT_IFACE, .domain = "cpu", .vt = &vt, .options = options
};
static const collet_module *const modules[] = { &module };
static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = "static", .version = "1", .n_modules = 1,
                                      .modules = modules };
static const collet_plugin *const built_in[] = { &record };

// A built-in record and two files, one of which is the other's twin; what comes out is whole, or NOMEM.
static void test_registry_memory__every_failing_allocation_is_nomem_or_harmless(void **state)
{
    helper *h = *state;
    json_set_alloc_funcs(__wrap_malloc, free);
    h->built_in = built_in;
    h->n_built_in = 1;
    h->log.level = 0; // the kept lines would allocate as well
    helper_search(h, helper_bad("good"));
    helper_search(h, helper_bad("good_v2"));
    h->use_cache = 1;
    long n = 0;
    const long step = COLLET_SANITIZER ? 3 : 1; // a scanner starts slowly there
    for (bool done = false; !done; n += step) {
        assert_true(n < 5000);
        h->rescan = n % 4 == 0; // the others find a cache, and are quick
        left = n;
        collet_status st = helper_create(h);
        done = left >= 0; // nobody met the failure
        left = -1;
        if (st != COLLET_OK) {
            assert_int_equal(st, COLLET_E_NOMEM);
            assert_null(h->r);
            assert_true(h->err.msg[0] != '\0');
            continue;
        }
        // libjansson calls some failing allocations a syntax error: the answer is then garbage, until the next start.
        if (strcmp(collet_registry_plugin(h->r, 1)->phase, "scan") == 0)
            continue;
        // It may have been without a cache, but not without anything that it should have found.
        assert_int_equal(collet_registry_n_plugins(h->r), 3);
        assert_int_equal(collet_registry_n_modules(h->r), 2);
        assert_int_equal(helper_module(h, "m")->n_options, 1);
        assert_int_equal(helper_module(h, "good.matmul")->n_options, 2);
    }
    print_message("%ld allocations, each (every third under a sanitizer) failed once\n", n);
}

static void test_registry_memory__open_with_failing_allocations_gives_nothing_or_a_module(void **state)
{
    helper *h = *state;
    collet_scan_host *host = collet_scan_host_create();
    h->log.level = 0;
    helper_one(h, "good");
    bool done = false;
    for (long n = 0; !done; n++) {
        collet_module_handle handle = { 0 };
        left = n;
        collet_status st = collet_registry_open(h->r, helper_module(h, "good.matmul"), collet_scan_host_table(host),
                                                NULL, &handle, &h->err);
        done = left >= 0;
        left = -1;
        if (st == COLLET_OK)
            collet_registry_close(h->r, &handle);
        else
            assert_int_equal(st, COLLET_E_NOMEM);
    }
    collet_scan_host_destroy(host);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_registry_memory__##name, helper_setup, helper_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_failing_allocation_is_nomem_or_harmless),
        TEST(open_with_failing_allocations_gives_nothing_or_a_module),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
