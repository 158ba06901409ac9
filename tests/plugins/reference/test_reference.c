// SPDX-License-Identifier: Apache-2.0
// tests/plugins/reference/test_reference.c - the built-in record: complete, without doubles, and calm without memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "collet/plugin/kvcache.h"
#include "core/base/error.h"
#include "plugins/common/formats.h"
#include "plugins/reference/reference.h"
#include "tests/support/op_call.h"

static void test_reference__ids_are_unique_and_modules_complete(void **state)
{
    (void)state;
    const collet_plugin *p = &collet_reference_plugin;
    assert_int_equal(p->n_modules, 5 + collet_n_formats);
    for (uint32_t i = 0; i < p->n_modules; i++) {
        const collet_module *m = p->modules[i];
        assert_int_equal(m->size, sizeof *m);
        assert_non_null(m->vt);
        assert_string_equal(m->domain, "cpu");
        assert_true(m->summary && m->summary[0]);
        for (uint32_t k = 0; k < i; k++)
            assert_string_not_equal(m->id, p->modules[k]->id);
    }
}

static void test_reference__base_ops_all_have_a_module(void **state)
{
    (void)state;
    static const char *const base[] = { "embed",    "rmsnorm",  "add",     "rope",
                                        "silu_mul", "gelu_mul", "softcap", "take_rows" };
    const char *const *ops = collet_cpu_ops_ref.ops;
    for (size_t i = 0; i < COLLET_COUNT(base); i++)
        assert_string_equal(ops[i], base[i]);
    assert_null(ops[COLLET_COUNT(base)]);
}

static void *no_memory(void *self, size_t n_bytes, size_t align)
{
    (void)self;
    (void)n_bytes;
    (void)align;
    return NULL;
}

static collet_status no_buffer(void *self, uint32_t domain, uint64_t n_bytes, const char *tag, collet_buffer **buf,
                               void **data, collet_error *err)
{
    (void)self;
    (void)domain;
    (void)n_bytes;
    (void)buf;
    (void)data;
    return collet_fail_text(err, COLLET_E_NOMEM, 0, tag); // host->fail has the name of a macro of cmocka
}

static void test_reference__open_without_memory_says_so(void **state)
{
    (void)state;
    collet_test_host h;
    collet_test_host_init(&h, 1);
    collet_host starved = h.host;
    starved.alloc = no_memory;
    for (uint32_t i = 0; i < collet_reference_plugin.n_modules; i++) {
        const collet_module *m = collet_reference_plugin.modules[i];
        collet_error err = COLLET_ERROR_INIT;
        void *mod = NULL;
        if (!m->open)
            continue;
        assert_int_equal(m->open(&starved, NULL, 0, &mod, &err), COLLET_E_NOMEM);
        assert_null(mod);
        assert_true(err.msg[0] != '\0');
    }
    collet_test_host_finish(&h);
}

// An op that is accepted, created without memory.
static void starve(collet_test_host *h, collet_op_call *c)
{
    collet_error err = COLLET_ERROR_INIT;
    void *inst = NULL;
    assert_string_equal(collet_op_call_refusal(c), "");
    h->host.alloc = no_memory;
    assert_int_equal(c->vt->create(c->mod, &c->desc, &inst, &err), COLLET_E_NOMEM);
    assert_null(inst);
    assert_true(err.msg[0] != '\0');
    c->vt->destroy(NULL);
    collet_op_call_end(c);
}

static void test_reference__create_without_memory_says_so(void **state)
{
    (void)state;
    const int64_t d[] = { 2, 4 }, w[] = { 3, 4 }, y[] = { 2, 3 };
    collet_test_host h;
    collet_test_host_init(&h, 1);
    void *(*const alloc)(void *, size_t, size_t) = h.host.alloc;
    collet_op_call c;
    collet_op_call_begin(&c, &h, &collet_cpu_ops_ref, "add", NULL);
    collet_op_call_in(&c, "f32", 2, d, 32);
    collet_op_call_in(&c, "f32", 2, d, 32);
    collet_op_call_out(&c, "f32", 2, d, 32);
    starve(&h, &c);

    h.host.alloc = alloc;
    const collet_matmul_params matmul = { .size = sizeof matmul, .tensor = "w" };
    collet_op_call_begin(&c, &h, &collet_cpu_matmul_ref, COLLET_OP_MATMUL, &matmul);
    collet_op_call_in(&c, "f32", 2, d, 32);
    collet_op_call_in(&c, "f32", 2, w, 48);
    collet_op_call_out(&c, "f32", 2, y, 24);
    starve(&h, &c);

    h.host.alloc = alloc;
    const collet_attention_params heads = {
        .size = sizeof heads, .n_heads = 1, .n_kv_heads = 1, .head_dim = 4, .scale = 1.0f, .context_max = 2
    };
    const int64_t kv[] = { 2, 1, 4 }, store[] = { 1, 1, 2, 4 };
    collet_op_call_begin(&c, &h, &collet_cpu_attention_ref, COLLET_OP_KV_APPEND, &heads);
    collet_op_call_in(&c, "f32", 3, kv, 32);
    collet_op_call_in(&c, "f32", 3, kv, 32);
    collet_op_call_in(&c, "i32", 1, kv, 8);
    for (uint32_t i = 0; i < 2; i++) {
        collet_op_call_out(&c, "f32", 4, store, 32);
        c.out[i].layout = h.host.intern(h.host.self, "kv.contiguous");
    }
    starve(&h, &c);
    h.host.alloc = alloc;
    collet_test_host_finish(&h);
}

static void test_reference__a_cache_without_memory_leaves_nothing_behind(void **state)
{
    (void)state;
    collet_test_host h;
    collet_test_host_init(&h, 1);
    const collet_kvcache_vt *vt = collet_kv_contiguous.vt;
    const collet_kv_config config = { .size = sizeof config,
                                      .domain = 1,
                                      .n_layers = 1,
                                      .n_kv_heads = 1,
                                      .head_dim = 1,
                                      .n_seqs_max = 1,
                                      .context_max = 1 };
    void *mod = NULL, *kv = NULL;
    collet_error err = COLLET_ERROR_INIT;
    assert_int_equal(collet_kv_contiguous.open(&h.host, NULL, 0, &mod, NULL), COLLET_OK);
    h.host.buf_alloc = no_buffer;
    assert_int_equal(vt->create(mod, &config, &kv, &err), COLLET_E_NOMEM);
    assert_null(kv);
    assert_string_equal(err.msg, "kv cache"); // the host's own message
    collet_kv_contiguous.close(mod);
    collet_test_host_finish(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference__ids_are_unique_and_modules_complete),
        cmocka_unit_test(test_reference__base_ops_all_have_a_module),
        cmocka_unit_test(test_reference__open_without_memory_says_so),
        cmocka_unit_test(test_reference__create_without_memory_says_so),
        cmocka_unit_test(test_reference__a_cache_without_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
