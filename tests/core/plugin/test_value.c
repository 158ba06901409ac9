// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/test_value.c - the text of an option becomes a value of its type, or a reason.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/plugin/value.h"

static const char *const choices[] = { "fast", "exact", NULL };

static collet_value parse(uint32_t type, const char *text)
{
    const collet_value_type t = { .type = type, .min = -10, .max = 4294967296.0, .choices = choices };
    collet_value value = { 0 };
    collet_error err = COLLET_ERROR_INIT;
    if (collet_value_parse(&value, &t, text, &err) != COLLET_OK)
        fail_msg("%s: %s", text, err.msg);
    assert_int_equal(value.type, type);
    assert_int_equal(value.is_set, 0);
    return value;
}

static void refused(uint32_t type, const char *text, const char *why)
{
    const collet_value_type t = { .type = type, .min = -10, .max = 4294967296.0, .choices = choices };
    collet_value value = { .type = 77 };
    collet_error err = COLLET_ERROR_INIT;
    assert_int_equal(collet_value_parse(&value, &t, text, &err), COLLET_E_INVALID);
    assert_string_equal(err.msg, why);
    assert_int_equal(value.type, 77); // untouched
}

static void test_value__each_type_parses_its_own_text(void **state)
{
    (void)state;
    assert_int_equal(parse(COLLET_OPT_BOOL, "true").u.i, 1);
    assert_int_equal(parse(COLLET_OPT_BOOL, "false").u.i, 0);
    assert_int_equal(parse(COLLET_OPT_INT, "-10").u.i, -10);
    assert_true(parse(COLLET_OPT_FLOAT, "2.5e1").u.f == 25.0);
    assert_string_equal(parse(COLLET_OPT_STR, "").u.s, "");
    assert_string_equal(parse(COLLET_OPT_ENUM, "exact").u.s, "exact");
    assert_int_equal(parse(COLLET_OPT_BYTES, "4GiB").u.i, 4ll << 30);
}

static void test_value__anything_else_is_refused_with_its_text(void **state)
{
    (void)state;
    refused(COLLET_OPT_BOOL, "yes", "'yes' is neither true nor false");
    refused(COLLET_OPT_INT, "12q", "'12q' is not a whole number");
    refused(COLLET_OPT_INT, "", "'' is not a whole number");
    refused(COLLET_OPT_INT, " 1", "' 1' is not a whole number");
    refused(COLLET_OPT_INT, "99999999999999999999", "'99999999999999999999' is not a whole number");
    refused(COLLET_OPT_INT, "-11", "'-11' is outside -10..4294967296");
    refused(COLLET_OPT_FLOAT, "nan", "'nan' is not a number");
    refused(COLLET_OPT_FLOAT, "1e999", "'1e999' is not a number");
    refused(COLLET_OPT_ENUM, "Fast", "'Fast' is not one of its choices");
    refused(COLLET_OPT_BYTES, "many", "'many' is not a size such as 512MiB");
    refused(COLLET_OPT_BYTES, "5GiB", "'5GiB' is outside -10..4294967296");
    refused(99, "x", "'x' is of the unknown type 99");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value__each_type_parses_its_own_text),
        cmocka_unit_test(test_value__anything_else_is_refused_with_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
