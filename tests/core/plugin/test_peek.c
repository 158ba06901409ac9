// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/test_peek.c - any address is an answer, none is a fault.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "core/plugin/peek.h"

#define PAGE 65536

static char *edge; // the first unmapped byte after a mapping

static int setup(void **state)
{
    (void)state;
    char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + PAGE, PAGE, PROT_NONE) != 0)
        return -1;
    edge = pages + PAGE;
    return 0;
}

static void test_peek__reads_up_to_the_edge_and_not_past_it(void **state)
{
    (void)state;
    char out[16];
    memcpy(edge - 8, "12345678", 8);
    assert_true(collet_peek(out, edge - 8, 8));
    assert_memory_equal(out, "12345678", 8);
    assert_false(collet_peek(out, edge - 8, 9));
    assert_false(collet_peek(out, edge, 1));
}

static void test_peek__wild_addresses_are_refused(void **state)
{
    (void)state;
    static const uintptr_t wild[] = { 0, 1, 16, 0x5a5a5a5a0000, UINTPTR_MAX - 3, (uintptr_t)1 << 63 };
    char out[8];
    for (size_t i = 0; i < COLLET_COUNT(wild); i++)
        assert_false(collet_peek(out, (const void *)wild[i], sizeof out));
    assert_true(collet_peek(out, NULL, 0));
}

static void test_peek__text_ends_at_its_terminator_the_limit_or_the_edge(void **state)
{
    (void)state;
    char out[8];
    memcpy(edge - 4, "abc", 4);
    assert_int_equal(collet_peek_text(out, sizeof out, edge - 4), COLLET_PEEK_OK);
    assert_string_equal(out, "abc");
    memcpy(edge - 4, "abcd", 4);
    assert_int_equal(collet_peek_text(out, sizeof out, edge - 4), COLLET_PEEK_FAULT);
    assert_string_equal(out, "");
    assert_int_equal(collet_peek_text(out, sizeof out, "12345678"), COLLET_PEEK_LONG);
    assert_string_equal(out, "1234567");
    assert_int_equal(collet_peek_text(out, sizeof out, "1234567"), COLLET_PEEK_OK);
    assert_int_equal(collet_peek_text(out, sizeof out, NULL), COLLET_PEEK_NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peek__reads_up_to_the_edge_and_not_past_it),
        cmocka_unit_test(test_peek__wild_addresses_are_refused),
        cmocka_unit_test(test_peek__text_ends_at_its_terminator_the_limit_or_the_edge),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
