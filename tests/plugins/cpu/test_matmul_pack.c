// SPDX-License-Identifier: Apache-2.0
// tests/plugins/cpu/test_matmul_pack.c - the packed layouts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/common/formats.h"
#include "plugins/cpu/matmul/matmul.h"
#include "tests/support/guard.h"
#include "tests/support/test_host.h"

// Packed memory is charged to the user: within a twentieth of the file's.
static void test_matmul_pack__packed_weights_are_as_small_as_in_the_file(void **state)
{
    (void)state;
    size_t n_packed = 0;
    for (size_t i = 0; i < collet_n_formats; i++) {
        const collet_format *f = &collet_formats[i];
        const collet_cpu_packing *p = collet_cpu_packing_find(f->name);
        if (!p)
            continue;
        n_packed++;
        assert_int_equal(p->block_bytes, f->block_bytes);
        assert_int_equal(p->block_elems, f->block_elems);
        assert_true(p->record_bytes <= 8.4 * f->block_bytes * (p->record_elems / f->block_elems));
    }
    assert_true(n_packed >= 15);
}

// A row read from the packed weight decodes to the bits of the row in the file, whatever its bytes are.
static void test_matmul_pack__a_row_comes_back_as_it_was(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (size_t i = 0; i < collet_n_formats; i++) {
        const collet_format *f = &collet_formats[i];
        const collet_cpu_packing *p = collet_cpu_packing_find(f->name);
        collet_cpu_unpack_fn *unpack = collet_cpu_unpack_find(f->name);
        assert_int_equal(p != NULL, unpack != NULL);
        for (uint32_t n_rows = 1; p && n_rows <= R8_ROWS; n_rows++) {
            collet_guard blocks = collet_guard_make((size_t)n_rows * p->block_bytes);
            collet_guard record = collet_guard_make(p->record_bytes), back = collet_guard_make(p->block_bytes);
            const uint8_t *rows[R8_ROWS] = { 0 };
            uint8_t *bytes = blocks.data;
            assert_int_equal(p->record_elems, p->block_elems); // one record, one block of each row
            for (uint32_t k = 0; k < n_rows * p->block_bytes; k++)
                bytes[k] = (uint8_t)(255.0f * fabsf(collet_test_random(&seed)));
            for (uint32_t r = 0; r < n_rows; r++)
                rows[r] = bytes + (size_t)r * p->block_bytes;
            p->pack(record.data, rows);
            for (uint32_t r = 0; r < n_rows; r++) {
                float want[256], got[256];
                unpack(back.data, record.data, r);
                f->dequantize(rows[r], want, p->block_elems);
                f->dequantize(back.data, got, p->block_elems);
                if (memcmp(want, got, p->block_elems * sizeof(float)) != 0)
                    fail_msg("%s: row %u of %u decodes to other numbers", f->name, r, n_rows);
                if (strcmp(f->name, "q8_1") != 0 && strcmp(f->name, "q8_k") != 0) // sums that nobody decodes
                    assert_memory_equal(rows[r], back.data, p->block_bytes);
            }
            collet_guard_free(&blocks);
            collet_guard_free(&record);
            collet_guard_free(&back);
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matmul_pack__packed_weights_are_as_small_as_in_the_file),
        cmocka_unit_test(test_matmul_pack__a_row_comes_back_as_it_was),
    };
    return cmocka_run_group_tests_name("packed layouts", tests, NULL, NULL);
}
