// SPDX-License-Identifier: Apache-2.0
// tests/core/text/test_pretokenize.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/text/pretokenize.h"

static const char *const names[] = {
#define GROUP(name, ...)
#define PRE(name, group, flags) name,
#include "core/text/pretokenizers.inc"
#undef GROUP
#undef PRE
};

// The first name of each group: what follows takes its time.
static bool is_first_of_group(size_t i)
{
    static const char *const groups[] = {
#define GROUP(name, ...)
#define PRE(name, group, flags) #group,
#include "core/text/pretokenizers.inc"
#undef GROUP
#undef PRE
    };
    for (size_t k = 0; k < i; k++)
        if (strcmp(groups[k], groups[i]) == 0)
            return false;
    return true;
}

typedef struct words {
    char joined[512]; // with '|' in front of each word but the first
    size_t n_bytes, n_words;
    const char *at; // where the next word must begin
} words;

static collet_status collect(void *ctx, const char *word, size_t n)
{
    words *w = ctx;
    if (w->n_words++ > 0)
        w->joined[w->n_bytes++] = '|';
    assert_true(w->n_bytes + n < sizeof w->joined);
    memcpy(w->joined + w->n_bytes, word, n);
    w->n_bytes += n;
    w->joined[w->n_bytes] = '\0';
    return COLLET_OK;
}

static collet_status count(void *ctx, const char *word, size_t n)
{
    words *w = ctx;
    if (w->at && w->at != word) // words in order, without gaps
        return COLLET_E_INTERNAL;
    w->at = word + n;
    w->n_bytes += n;
    w->n_words++;
    return n > 0 ? COLLET_OK : COLLET_E_INTERNAL;
}

static void split(words *w, const char *pre, const char *text, size_t n, uint32_t options, collet_word_fn *word)
{
    collet_error err = COLLET_ERROR_INIT;
    collet_pretokenizer p = { 0 };
    collet_split s = { 0 };
    *w = (words){ 0 };
    assert_int_equal(collet_pretokenizer_init(&p, pre, &err), COLLET_OK);
    assert_int_equal(collet_split_init(&s, n, &err), COLLET_OK);
    s.options = options;
    if (collet_pretokenize(&p, &s, text, n, word, w, &err) != COLLET_OK)
        fail_msg("%s: %s", pre, err.msg);
    assert_int_equal(w->n_bytes - (word == collect && w->n_words ? w->n_words - 1 : 0), n);
    collet_split_finish(&s);
    collet_pretokenizer_finish(&p);
}

static void test_pretokenize__splits_as_each_family_does(void **state)
{
    static const struct {
        const char *pre, *text, *want;
    } cases[] = {
        { "gpt-2", "Hello world's  12345 !?\n\nx", "Hello| world|'s| | 12345| !?|\n|\n|x" },
        { "gpt-2", "a\n", "a|\n" },
        { "gpt-2", "IT'S", "IT|'|S" },
        { "llama-bpe", "IT'S 12345 ok?\n\n  x", "IT|'S| |123|45| ok|?\n\n| | x" },
        { "llama-bpe", "  \n  a", "  \n| | a" },
        { "qwen2", "x 123", "x| |1|2|3" },
        { "smollm", "a 12 b", "a| |1|2| b" },
        { "smollm", "a  12", "a|  |1|2" }, // the piece ends in front of the digit, so no blank stays behind for it
        { "falcon", "a 1234!! b", "a| |123|4|!!| b" },
        { "default", "a 1234", "a| |123|4" },
        { "tekken", "HelloWorld camelCase 12", "Hello|World| camel|Case| |1|2" },
        { "gpt-4o", "HelloWorld's 1234", "Hello|World's| |123|4" },
        { "qwen35", "e\xCC\x81t\xCC\x81 1", "e\xCC\x81t\xCC\x81| |1" }, // marks stay with their letters
        { "qwen2", "e\xCC\x81t", "e|\xCC\x81t" },
        { "bloom", "a, b c", "a|,| b| c" },
        { "deepseek-llm", "Ab 12  ", "Ab| |12|  " },
        { "deepseek-llm", "x  y", "x| | y" },
        { "deepseek-coder", "a (b)\n1", "a| (|b|)|\n|1" },
        { "deepseek-v3",
          "a1234 \xE4\xB8\xAD\xE6\x96\x87"
          "b.x",
          "a|123|4| |\xE4\xB8\xAD\xE6\x96\x87|b|.x" },
        { "seed-coder", "a!\n1", "a|!|\n|1" },
        { "bailingmoe", "a \n\nb", "a| \n\n|b" },
        { "minicpm5", "a12345", "a|123|45" },
        { "viking", "ab1 2", "ab|1| |2" },
        { "ufakzeka", "it's", "it|'s" },
    };
    (void)state;
    for (size_t i = 0; i < COLLET_COUNT(cases); i++) {
        words w;
        split(&w, cases[i].pre, cases[i].text, strlen(cases[i].text), 0, collect);
        assert_string_equal(w.joined, cases[i].want);
        split(&w, cases[i].pre, cases[i].text, strlen(cases[i].text), PCRE2_NO_JIT, collect);
        assert_string_equal(w.joined, cases[i].want);
    }
}

static void test_pretokenize__blanks_are_white_space_and_not_what_pcre_adds(void **state)
{
    static const char *const blanks[] = { "\t",           "\v",           "\f",           "\xC2\x85",
                                          "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x8A",
                                          "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F",
                                          "\xE3\x80\x80" };
    static const char *const others[] = { "\xE1\xA0\x8E", "\xE2\x80\x8B", "\xEF\xBB\xBF", "\x1C" };
    char text[16];
    words w;
    (void)state;
    for (size_t i = 0; i < COLLET_COUNT(blanks); i++) { // the last of two blanks is left to the word
        snprintf(text, sizeof text, "%s%sx", blanks[i], blanks[i]);
        split(&w, "gpt-2", text, strlen(text), 0, count);
        assert_int_equal(w.n_words, 3);
    }
    for (size_t i = 0; i < COLLET_COUNT(others); i++) { // two marks and a word
        snprintf(text, sizeof text, "%s%sx", others[i], others[i]);
        split(&w, "gpt-2", text, strlen(text), 0, count);
        assert_int_equal(w.n_words, 2);
    }
}

static void test_pretokenize__every_name_of_the_table_compiles(void **state)
{
    words w;
    (void)state;
    for (size_t i = 0; i < COLLET_COUNT(names); i++) {
        split(&w, names[i], "Ab c1! \n", 8, 0, count);
        assert_true(w.n_words > 1);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(names[i], names[k]);
    }
}

// 256 KB of one kind of thing, then something else: whatever backtracks shows here. Interpreted too, as on systems that
// do not allow code to be made at run time.
static void test_pretokenize__long_runs_take_linear_time(void **state)
{
    static const char *const units[] = { " ", "\n", " \n", "\t",           "a",        "A", "1",
                                         "!", "'",  "aA",  "\xE4\xB8\xAD", "e\xCC\x81" };
    const size_t n = (size_t)1 << 18;
    char *text = malloc(n + 2);
    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < COLLET_COUNT(units); i++) {
        size_t n_unit = strlen(units[i]), end = 0;
        for (; end + n_unit <= n; end += n_unit)
            memcpy(text + end, units[i], n_unit);
        text[end++] = '_';
        for (size_t k = 0; k < COLLET_COUNT(names); k++) {
            if (!is_first_of_group(k))
                continue;
            for (int interpret = 0; interpret < 2; interpret++) {
                words w;
                clock_t begin = clock();
                split(&w, names[k], text, end, interpret ? PCRE2_NO_JIT : 0, count);
                double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
                if (seconds > 3.0) // 0.002 to 0.1 s; what is quadratic takes half a minute
                    fail_msg("%s: %.1f s for 256 KB of \"%s\"", names[k], seconds, units[i]);
            }
        }
    }
    free(text);
}

static void test_pretokenize__meeting_the_limits_is_an_error_and_not_a_crash(void **state)
{
    collet_error err = COLLET_ERROR_INIT;
    collet_pretokenizer p = { 0 };
    collet_split s = { 0 };
    words w = { 0 };
    char text[2000];
    (void)state;
    memset(text, ' ', sizeof text);
    text[sizeof text - 1] = 'x';
    assert_int_equal(collet_pretokenizer_init(&p, "llama-bpe", &err), COLLET_OK);
    assert_int_equal(collet_split_init(&s, sizeof text, &err), COLLET_OK);
    s.options = PCRE2_NO_JIT;
    pcre2_set_match_limit(s.context, 100);
    assert_int_equal(collet_pretokenize(&p, &s, text, sizeof text, count, &w, &err), COLLET_E_UNSUPPORTED);
    assert_string_equal(err.msg,
                        "the pre-tokenizer cannot split a stretch of 2000 bytes within its limits (PCRE2 error "
                        "-47): break the text up");
    collet_split_finish(&s);
    collet_pretokenizer_finish(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pretokenize__splits_as_each_family_does),
        cmocka_unit_test(test_pretokenize__blanks_are_white_space_and_not_what_pcre_adds),
        cmocka_unit_test(test_pretokenize__every_name_of_the_table_compiles),
        cmocka_unit_test(test_pretokenize__long_runs_take_linear_time),
        cmocka_unit_test(test_pretokenize__meeting_the_limits_is_an_error_and_not_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
