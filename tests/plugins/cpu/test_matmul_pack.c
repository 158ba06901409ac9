// SPDX-License-Identifier: Apache-2.0
// tests/plugins/cpu/test_matmul_pack.c - the packed layouts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/common/formats.h"
#include "plugins/cpu/matmul/matmul.h"

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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matmul_pack__packed_weights_are_as_small_as_in_the_file),
    };
    return cmocka_run_group_tests_name("packed layouts", tests, NULL, NULL);
}
