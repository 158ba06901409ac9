// SPDX-License-Identifier: Apache-2.0
// tests/core/base/test_memory.c - what the operating system says about memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "core/base/memory.h"

#define TOUCHED (64u << 20)

static void test_memory__touched_pages_are_resident_and_the_peak_stays(void **state)
{
    (void)state;
    collet_memory_use before, during, after;
    collet_memory_use_get(&before);
    if (before.resident == 0) {
        fprintf(stderr, "skipped: no /proc/self/status here\n");
        skip();
    }
    void *data = mmap(NULL, TOUCHED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(data, MAP_FAILED);
    memset(data, 1, TOUCHED);
    collet_memory_use_get(&during);
    munmap(data, TOUCHED);
    collet_memory_use_get(&after);
    assert_true(during.resident >= before.resident + TOUCHED * 3ull / 4);
    assert_true(after.resident < during.resident);
    assert_true(after.peak >= during.resident - (1u << 20)); // the kernel counts in batches
    assert_true(during.resident_file < during.resident);
}

static void test_memory__some_is_available_and_less_than_there_could_be(void **state)
{
    (void)state;
    const uint64_t available = collet_memory_available();
    if (available == 0) {
        fprintf(stderr, "skipped: this machine does not tell its memory\n");
        skip();
    }
    assert_true(available > 1u << 20);
    assert_true(available < 1ull << 50);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory__touched_pages_are_resident_and_the_peak_stays),
        cmocka_unit_test(test_memory__some_is_available_and_less_than_there_could_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
