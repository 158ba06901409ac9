// SPDX-License-Identifier: Apache-2.0
// tests/core/engine/test_stop_text.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/engine/stop_text.h"

// Feeds `pieces` and joins what comes out.
static const char *feed_all(const char *const *stops, size_t n_stops, const char *const *pieces, size_t n_pieces,
                            bool *stopped)
{
    static char joined[256];
    collet_stop_text s = { .stops = stops, .n_stops = n_stops };
    const char *out;
    size_t n_out, n = 0;
    for (size_t i = 0; i <= n_pieces; i++) {
        if (i < n_pieces)
            assert_int_equal(collet_stop_text_feed(&out, &n_out, &s, pieces[i], strlen(pieces[i]), NULL), COLLET_OK);
        else
            collet_stop_text_flush(&out, &n_out, &s);
        memcpy(joined + n, out, n_out);
        n += n_out;
    }
    joined[n] = '\0';
    *stopped = s.stopped;
    collet_stop_text_free(&s);
    return joined;
}

static void test_stop_text__finds_a_stop_across_pieces(void **state)
{
    (void)state;
    const char *const stops[] = { "END", "\n\n" };
    const char *const pieces[] = { "one E", "N", "D two" };
    bool stopped = false;
    assert_string_equal(feed_all(stops, 2, pieces, 3, &stopped), "one ");
    assert_true(stopped);
}

static void test_stop_text__gives_back_what_only_looked_like_one(void **state)
{
    (void)state;
    const char *const stops[] = { "END" };
    const char *const pieces[] = { "EN", "EN", "E", "x" };
    bool stopped = false;
    assert_string_equal(feed_all(stops, 1, pieces, 4, &stopped), "ENENEx");
    assert_false(stopped);
}

static void test_stop_text__flush_gives_an_unfinished_stop(void **state)
{
    (void)state;
    const char *const stops[] = { "END" };
    const char *const pieces[] = { "the EN" };
    bool stopped = false;
    assert_string_equal(feed_all(stops, 1, pieces, 1, &stopped), "the EN");
    assert_false(stopped);
}

static void test_stop_text__the_earliest_stop_wins(void **state)
{
    (void)state;
    const char *const stops[] = { "cd", "bcde" };
    const char *const pieces[] = { "abcde" };
    bool stopped = false;
    assert_string_equal(feed_all(stops, 2, pieces, 1, &stopped), "a");
    assert_true(stopped);
}

static void test_stop_text__without_stops_text_passes_at_once(void **state)
{
    (void)state;
    collet_stop_text s = { 0 };
    const char *out;
    size_t n_out;
    assert_int_equal(collet_stop_text_feed(&out, &n_out, &s, "abc", 3, NULL), COLLET_OK);
    assert_int_equal(n_out, 3);
    collet_stop_text_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stop_text__finds_a_stop_across_pieces),
        cmocka_unit_test(test_stop_text__gives_back_what_only_looked_like_one),
        cmocka_unit_test(test_stop_text__flush_gives_an_unfinished_stop),
        cmocka_unit_test(test_stop_text__the_earliest_stop_wins),
        cmocka_unit_test(test_stop_text__without_stops_text_passes_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
