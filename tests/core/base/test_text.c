// SPDX-License-Identifier: Apache-2.0
// tests/core/base/test_text.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/base/text.h"

static void test_text__nearest_finds_typos_and_transpositions(void **state)
{
    (void)state;
    const char *const names[] = { "block_tokens", "dtype", "budget", "matmul", "attention" };
    assert_string_equal(collet_nearest("block_token", names, 5), "block_tokens");
    assert_string_equal(collet_nearest("matmlu", names, 5), "matmul");
    assert_string_equal(collet_nearest("atention", names, 5), "attention");
    assert_null(collet_nearest("zebra", names, 5));
    assert_null(collet_nearest("", names, 5));
}

static void test_text__escape_shows_what_a_terminal_must_not_see(void **state)
{
    (void)state;
    char out[64];
    assert_string_equal(collet_escape(out, sizeof out, "a\x1b[31m\n\\", 8), "a\\x1b[31m\\x0a\\x5c");
    assert_string_equal(collet_escape(out, sizeof out, "gr\xc3\xbc\xc3", 5), "gr\xc3\xbc\\xc3");
    assert_string_equal(collet_escape(out, sizeof out, "%s%n", 4), "%s%n");
}

static void test_text__escape_never_writes_past_its_end(void **state)
{
    (void)state;
    char in[64];
    memset(in, 0x01, sizeof in);
    for (size_t n = 1; n < 40; n++) {
        char out[64];
        memset(out, '#', sizeof out);
        collet_escape(out, n, in, sizeof in);
        assert_true(strlen(out) < n);
        for (size_t i = n; i < sizeof out; i++)
            assert_int_equal(out[i], '#');
    }
}

static void test_text__parses_bytes_with_units_and_refuses_nonsense(void **state)
{
    (void)state;
    uint64_t n = 0;
    assert_true(collet_parse_bytes("512MiB", &n) && n == 512ull << 20);
    assert_true(collet_parse_bytes("4GiB", &n) && n == 4ull << 30);
    assert_true(collet_parse_bytes("1k", &n) && n == 1024);
    assert_true(collet_parse_bytes("1000000", &n) && n == 1000000);
    assert_false(collet_parse_bytes("", &n));
    assert_false(collet_parse_bytes("-1", &n));
    assert_false(collet_parse_bytes("4 quarts", &n));
    assert_false(collet_parse_bytes("99999999999TiB", &n));
}

static void test_text__glob_matches_whole_names(void **state)
{
    (void)state;
    assert_true(collet_glob("*.ffn_down.weight", "blk.0.ffn_down.weight"));
    assert_true(collet_glob("blk.?.attn_*", "blk.7.attn_q.weight"));
    assert_false(collet_glob("blk.?.attn_*", "blk.17.attn_q.weight"));
    assert_false(collet_glob("attn", "attn_q"));
    assert_true(collet_glob("*", ""));
    assert_false(collet_glob("a*b*c", "aXXbXX"));
}

static void test_text__grows_and_terminates(void **state)
{
    (void)state;
    collet_text t = { 0 };
    for (int i = 0; i < 1000; i++)
        collet_text_printf(&t, "%d,", i % 10);
    assert_int_equal(t.n_bytes, 2000);
    assert_int_equal(strlen(t.data), 2000);
    assert_false(t.failed);
    collet_text_free(&t);
    assert_null(t.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text__nearest_finds_typos_and_transpositions),
        cmocka_unit_test(test_text__escape_shows_what_a_terminal_must_not_see),
        cmocka_unit_test(test_text__escape_never_writes_past_its_end),
        cmocka_unit_test(test_text__parses_bytes_with_units_and_refuses_nonsense),
        cmocka_unit_test(test_text__glob_matches_whole_names),
        cmocka_unit_test(test_text__grows_and_terminates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
