// SPDX-License-Identifier: Apache-2.0
// tests/core/base/test_error.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/base/error.h"

static void test_error__a_message_may_quote_the_one_before(void **state)
{
    (void)state;
    collet_error err = COLLET_ERROR_INIT;
    collet_fail(&err, COLLET_E_IO, "disk full");
    assert_int_equal(collet_fail(&err, COLLET_E_FORMAT, "model.gguf: %s", err.msg), COLLET_E_FORMAT);
    assert_string_equal(err.msg, "model.gguf: disk full");
    assert_int_equal(err.code, COLLET_E_FORMAT);
}

static void test_error__long_text_is_cut_at_a_character(void **state)
{
    (void)state;
    char text[2000];
    for (size_t i = 0; i + 3 < sizeof text; i += 3)
        memcpy(text + i, "\xe2\x82\xac", 3); // three bytes each
    text[1998] = '\0';
    collet_error err = COLLET_ERROR_INIT;
    collet_fail_text(&err, COLLET_E_INVALID, 0, text);
    size_t n = strlen(err.msg);
    assert_true(n < COLLET_ERROR_MSG_MAX);
    assert_string_equal(err.msg + n - 3, "...");
    assert_int_equal((n - 3) % 3, 0);
}

static void test_error__null_and_foreign_sizes_are_left_alone(void **state)
{
    (void)state;
    assert_int_equal(collet_fail(NULL, COLLET_E_NOMEM, "x"), COLLET_E_NOMEM);
    collet_error older = { .size = 8 };
    collet_fail(&older, COLLET_E_NOMEM, "x");
    assert_string_equal(older.msg, "");
}

static void test_error__errno_is_named_and_kept(void **state)
{
    (void)state;
    collet_error err = COLLET_ERROR_INIT;
    errno = ENOENT;
    collet_fail_errno(&err, COLLET_E_NOT_FOUND, "%s", "x.gguf");
    assert_string_equal(err.msg, "x.gguf: No such file or directory");
    assert_int_equal(err.native, ENOENT);
    assert_string_equal(collet_status_name(err.code), "NOT_FOUND");
    assert_string_equal(collet_status_name(-999), "INTERNAL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error__a_message_may_quote_the_one_before),
        cmocka_unit_test(test_error__long_text_is_cut_at_a_character),
        cmocka_unit_test(test_error__null_and_foreign_sizes_are_left_alone),
        cmocka_unit_test(test_error__errno_is_named_and_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
