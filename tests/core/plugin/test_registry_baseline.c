// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/test_registry_baseline.c - without a single plugin file, every base op still has a module.
#include "core/plugin/scan_host.h"
#include "plugins/reference/reference.h"
#include "tests/core/plugin/registry_helper.h"

static const collet_plugin *const built_in[] = { &collet_reference_plugin };

static void create_without_files(helper *h)
{
    h->built_in = built_in;
    h->n_built_in = 1;
    helper_search(h, h->folder); // empty
    assert_int_equal(helper_create(h), COLLET_OK);
    assert_int_equal(collet_registry_n_plugins(h->r), 1);
    assert_string_equal(collet_registry_plugin(h->r, 0)->why, "");
    assert_int_equal(collet_registry_plugin(h->r, 0)->verdict, COLLET_VERDICT_OK);
}

static bool has_reference(const helper *h, const char *iface, const char *op)
{
    for (size_t i = 0; i < collet_registry_n_modules(h->r); i++) {
        const collet_module_info *m = collet_registry_module(h->r, i);
        if (strcmp(m->iface, iface) != 0 || strcmp(m->domain, "cpu") != 0)
            continue;
        for (const char *const *name = m->ops; op && *name; name++)
            if (strcmp(*name, op) == 0 && m->tier == COLLET_TIER_REFERENCE)
                return true;
        if (!op)
            return true;
    }
    return false;
}

static void test_registry_baseline__every_base_op_has_a_reference_module(void **state)
{
    static const char *const ops[] = {
        "embed", "rmsnorm", "add", "rope", "silu_mul", "gelu_mul", "softcap", "take_rows"
    };
    helper *h = *state;
    create_without_files(h);
    for (size_t i = 0; i < COLLET_COUNT(ops); i++)
        assert_true(has_reference(h, COLLET_OPS_IFACE, ops[i]));
    assert_true(has_reference(h, COLLET_MATMUL_IFACE, COLLET_OP_MATMUL));
    assert_true(has_reference(h, COLLET_ATTENTION_IFACE, COLLET_OP_ATTENTION));
    assert_true(has_reference(h, COLLET_ATTENTION_IFACE, COLLET_OP_KV_APPEND));
    assert_true(has_reference(h, COLLET_DEVICE_IFACE, NULL));
    assert_true(has_reference(h, "collet.kvcache/0", NULL));
    assert_true(has_reference(h, "collet.quant/0", NULL));
}

static void test_registry_baseline__every_built_in_module_opens_and_closes(void **state)
{
    helper *h = *state;
    collet_scan_host *host = collet_scan_host_create();
    create_without_files(h);
    for (size_t i = 0; i < collet_registry_n_modules(h->r); i++) {
        const collet_module_info *m = collet_registry_module(h->r, i);
        collet_module_handle handle = { 0 };
        assert_string_equal(m->why, "");
        assert_int_equal(collet_registry_open(h->r, m, collet_scan_host_table(host), NULL, &handle, &h->err),
                         COLLET_OK);
        collet_registry_close(h->r, &handle);
    }
    collet_scan_host_destroy(host);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_registry_baseline__##name, helper_setup, helper_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_base_op_has_a_reference_module),
        TEST(every_built_in_module_opens_and_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
