// SPDX-License-Identifier: Apache-2.0
// tests/core/text/test_utf8.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <utf8proc.h>

#include "core/text/utf8.h"

static void test_utf8__agrees_with_utf8proc_on_every_pair_of_bytes(void **state)
{
    (void)state;
    // Followed by two continuation bytes: every decision about the first two bytes shows.
    for (unsigned pair = 0; pair < 65536; pair++) {
        const char s[4] = { (char)(pair >> 8), (char)pair, '\x80', '\x80' };
        utf8proc_int32_t c = 0;
        utf8proc_ssize_t want = utf8proc_iterate((const utf8proc_uint8_t *)s, 4, &c);
        assert_int_equal(collet_utf8_length(s, 4), want < 0 ? 0 : want);
    }
}

static void test_utf8__a_character_cut_short_is_none(void **state)
{
    (void)state;
    assert_int_equal(collet_utf8_length("\xC3", 1), 0);
    assert_int_equal(collet_utf8_length("\xE2\x96", 2), 0);
    assert_int_equal(collet_utf8_length("\xF0\x9F\x98", 3), 0);
    assert_int_equal(collet_utf8_length("\xE2\x96\x81", 3), 3);
    assert_int_equal(collet_utf8_length("\0", 1), 1);
}

static void test_utf8__unfinished_counts_only_what_can_be_finished(void **state)
{
    static const struct {
        const char *text;
        size_t want;
    } cases[] = {
        { "abc", 0 },
        { "a\xC3", 1 },
        { "a\xC3\xA9", 0 },
        { "\xE2", 1 },
        { "\xE2\x96", 2 },
        { "\xE2\x96\x81", 0 },
        { "\xF0", 1 },
        { "\xF0\x9F", 2 },
        { "\xF0\x9F\x98", 3 },
        { "\xF0\x9F\x98\x80", 0 },
        { "\x80\x80\x80", 0 }, // nothing begins here
        { "\xC0", 0 },         // nor with C0
        { "\xE0\x80", 0 },     // overlong
        { "\xED\xA0", 0 },     // a surrogate
        { "\xF4\x90\x80", 0 }, // beyond U+10FFFF
        { "\xC3\xA9\x80", 0 }, // a byte too many
        { "\xF0\x9F\x98\x80\xE2", 1 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(collet_utf8_unfinished(cases[i].text, strlen(cases[i].text)), cases[i].want);
    assert_int_equal(collet_utf8_unfinished("", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8__agrees_with_utf8proc_on_every_pair_of_bytes),
        cmocka_unit_test(test_utf8__a_character_cut_short_is_none),
        cmocka_unit_test(test_utf8__unfinished_counts_only_what_can_be_finished),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
