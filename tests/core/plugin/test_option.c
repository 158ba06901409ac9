// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/test_option.c - typed options: what is accepted, and what a person is told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/plugin/option.h"

static const char *const colours[] = { "red", "green", NULL };

static const collet_option_info threads = { .key = "threads", .type = COLLET_OPT_INT, .dflt = "auto", .max = 64 };
static const collet_option_info tokens = {
    .key = "tokens", .type = COLLET_OPT_INT, .dflt = "16", .min = 8, .max = 256
};
static const collet_option_info ratio = { .key = "ratio", .type = COLLET_OPT_FLOAT, .dflt = "0.5", .max = 1 };
static const collet_option_info budget = {
    .key = "budget", .type = COLLET_OPT_BYTES, .dflt = "0", .max = COLLET_BYTES_MAX
};
static const collet_option_info colour = {
    .key = "colour", .type = COLLET_OPT_ENUM, .dflt = "red", .choices = colours
};
static const collet_option_info flag = { .key = "flag", .type = COLLET_OPT_BOOL, .dflt = "false" };
static const collet_option_info name = { .key = "name", .type = COLLET_OPT_STR, .dflt = "" };

static collet_value parsed(const collet_option_info *o, const char *text)
{
    collet_value value = { 0 };
    collet_error err = COLLET_ERROR_INIT;
    assert_int_equal(collet_option_parse(&value, o, text, &err), COLLET_OK);
    assert_int_equal(value.is_set, 1);
    assert_int_equal(value.type, o->type);
    return value;
}

static void refused(const collet_option_info *o, const char *text, const char *message)
{
    collet_value value = { .type = 77 };
    collet_error err = COLLET_ERROR_INIT;
    assert_int_equal(collet_option_parse(&value, o, text, &err), COLLET_E_INVALID);
    assert_string_equal(err.msg, message);
    assert_int_equal(value.type, 77); // untouched
}

static void test_option__each_type_is_read(void **state)
{
    (void)state;
    assert_int_equal(parsed(&tokens, "8").u.i, 8);
    assert_int_equal(parsed(&tokens, "256").u.i, 256);
    assert_true(parsed(&ratio, "0.25").u.f == 0.25);
    assert_int_equal(parsed(&budget, "4GiB").u.i, 4ll << 30);
    assert_string_equal(parsed(&colour, "green").u.s, "green");
    assert_int_equal(parsed(&flag, "true").u.i, 1);
    assert_int_equal(parsed(&flag, "false").u.i, 0);
    assert_string_equal(parsed(&name, "any text at all").u.s, "any text at all");
}

static void test_option__auto_is_zero_where_it_is_the_default(void **state)
{
    (void)state;
    assert_int_equal(parsed(&threads, "auto").u.i, 0);
    assert_int_equal(parsed(&threads, "3").u.i, 3);
    refused(&tokens, "auto", "'auto' is not a whole number (8..256, default 16)");
}

static void test_option__refusals_say_what_is_wanted(void **state)
{
    (void)state;
    refused(&tokens, "7", "'7' is out of range (8..256, default 16)");
    refused(&tokens, "8.5", "'8.5' is not a whole number (8..256, default 16)");
    refused(&tokens, "99999999999999999999", "'99999999999999999999' is not a whole number (8..256, default 16)");
    refused(&tokens, "", "'' is not a whole number (8..256, default 16)");
    refused(&threads, "65", "'65' is out of range (auto or 1..64, default auto)");
    refused(&ratio, "nan", "'nan' is not a number (0..1, default 0.5)");
    refused(&budget, "4GB", "'4GB' is not a size such as 512MiB (at least 0, default 0)");
    refused(&flag, "yes", "'yes' is neither true nor false");
    refused(&colour, "gren", "'gren' is not one of its choices; did you mean 'green' (red or green, default red)?");
    refused(&colour, "violet", "'violet' is not one of its choices (red or green, default red)");
}

static void test_option__default_is_not_marked_as_set(void **state)
{
    (void)state;
    collet_value value = { 0 };
    collet_error err = COLLET_ERROR_INIT;
    const collet_option_info wrong = { .key = "x", .type = COLLET_OPT_INT, .dflt = "many", .max = 1 };
    assert_int_equal(collet_option_default(&value, &tokens, &err), COLLET_OK);
    assert_int_equal(value.u.i, 16);
    assert_int_equal(value.is_set, 0);
    assert_int_equal(collet_option_default(&value, &wrong, &err), COLLET_E_INVALID);
    assert_string_equal(err.msg, "x: its own default is wrong: 'many' is not a whole number");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_option__each_type_is_read),
        cmocka_unit_test(test_option__auto_is_zero_where_it_is_the_default),
        cmocka_unit_test(test_option__refusals_say_what_is_wanted),
        cmocka_unit_test(test_option__default_is_not_marked_as_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
