// SPDX-License-Identifier: Apache-2.0
// tests/plugins/reference/test_kv_contiguous.c - kv.contiguous: what it describes, and that it makes just that.
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "collet/plugin/kvcache.h"
#include "plugins/reference/reference.h"
#include "tests/support/test_host.h"

typedef struct fixture {
    collet_test_host h;
    const collet_kvcache_vt *vt;
    void *mod;
    collet_kv_config config;
} fixture;

static void begin(fixture *f, const char *dtype)
{
    memset(f, 0, sizeof *f);
    collet_test_host_init(&f->h, 1);
    f->vt = collet_kv_contiguous.vt;
    const collet_value value = { .type = COLLET_OPT_ENUM, .is_set = 1, .u.s = dtype };
    assert_int_equal(collet_kv_contiguous.open(&f->h.host, &value, 1, &f->mod, NULL), COLLET_OK);
    f->config = (collet_kv_config){ .size = sizeof f->config,
                                    .domain = f->h.host.intern(f->h.host.self, "cpu"),
                                    .n_layers = 3,
                                    .n_kv_heads = 2,
                                    .head_dim = 5,
                                    .n_seqs_max = 4,
                                    .context_max = 7 };
}

static void end(fixture *f)
{
    collet_kv_contiguous.close(f->mod);
    collet_test_host_finish(&f->h);
}

static void test_kv_contiguous__one_block_holds_a_whole_sequence(void **state)
{
    (void)state;
    static const struct {
        const char *dtype;
        uint64_t store_bytes; // 4 * 2 * 7 * 5 elements, in lines of 64 bytes
    } rows[] = { { "f16", 576 }, { "f32", 1152 } };
    for (size_t i = 0; i < COLLET_COUNT(rows); i++) {
        fixture f;
        begin(&f, rows[i].dtype);
        collet_kv_geometry g = { .size = sizeof g };
        assert_int_equal(f.vt->describe(f.mod, &f.config, &g, NULL), COLLET_OK);
        assert_string_equal(f.h.host.name_of(f.h.host.self, g.layout), "kv.contiguous");
        assert_string_equal(f.h.host.name_of(f.h.host.self, g.format), rows[i].dtype);
        assert_int_equal(g.block_tokens, 7);
        assert_int_equal(g.n_blocks, 4);
        assert_int_equal(g.n_bytes, 2 * 3 * rows[i].store_bytes);
        end(&f);
    }
}

static void test_kv_contiguous__views_are_aligned_dense_and_apart(void **state)
{
    (void)state;
    fixture f;
    begin(&f, "f16");
    void *kv = NULL;
    assert_int_equal(f.vt->create(f.mod, &f.config, &kv, NULL), COLLET_OK);
    collet_tensor t[6];
    for (uint32_t layer = 0; layer < 3; layer++)
        assert_int_equal(f.vt->views(kv, layer, &t[2 * layer], &t[2 * layer + 1], NULL), COLLET_OK);
    for (size_t i = 0; i < COLLET_COUNT(t); i++) {
        static const int64_t shape[] = { 4, 2, 7, 5 }, stride[] = { 140, 70, 10, 2 };
        assert_int_equal((uintptr_t)t[i].data % 64, 0);
        assert_int_equal(t[i].n_dims, 4);
        for (uint32_t d = 0; d < 4; d++) {
            assert_int_equal(t[i].shape[d], shape[d]);
            assert_int_equal(t[i].stride[d], stride[d]);
        }
        for (size_t k = 0; k < i; k++) {
            const uint8_t *a = t[i].data, *b = t[k].data;
            assert_true(a >= b + t[k].n_bytes || b >= a + t[i].n_bytes);
        }
        memset(t[i].data, (int)i + 1, t[i].n_bytes); // all of it is memory: the sanitizer looks on
    }
    collet_error err = COLLET_ERROR_INIT;
    assert_int_equal(f.vt->views(kv, 3, &t[0], &t[1], &err), COLLET_E_INVALID);
    f.vt->destroy(kv);
    f.vt->destroy(NULL);
    end(&f);
}

static void test_kv_contiguous__refuses_sizes_that_cannot_be_counted(void **state)
{
    (void)state;
    fixture f;
    begin(&f, "f32");
    const collet_kv_config sound = f.config;
    for (int i = 0; i < 5; i++) {
        collet_kv_config c = sound;
        if (i == 0)
            c.n_seqs_max = 1u << 16, c.context_max = 1u << 16; // a slot has 31 bits
        else if (i == 1)
            c.n_kv_heads = c.head_dim = UINT32_MAX;
        else if (i == 2)
            c.n_layers = UINT32_MAX, c.n_kv_heads = 1u << 31, c.head_dim = 4;
        else if (i == 3)
            c.context_max = 0;
        else
            c.head_dim = 0;
        collet_kv_geometry g = { .size = sizeof g, .n_bytes = 1 };
        collet_error err = COLLET_ERROR_INIT;
        void *kv = NULL;
        assert_int_equal(f.vt->describe(f.mod, &c, &g, &err), COLLET_E_INVALID);
        assert_true(err.msg[0] != '\0');
        assert_int_equal(g.n_bytes, 1); // untouched
        assert_int_equal(f.vt->create(f.mod, &c, &kv, &err), COLLET_E_INVALID);
        assert_null(kv);
    }
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kv_contiguous__one_block_holds_a_whole_sequence),
        cmocka_unit_test(test_kv_contiguous__views_are_aligned_dense_and_apart),
        cmocka_unit_test(test_kv_contiguous__refuses_sizes_that_cannot_be_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
