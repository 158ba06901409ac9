// SPDX-License-Identifier: Apache-2.0
// tests/core/text/test_text_nomem.c - the Nth allocation fails, N = 1, 2, ... until all succeed: NOMEM, no leak,
// outputs untouched. Linked with --wrap for malloc, calloc and realloc.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/core/text/vocab_small.h"

static long left_until_failure = -1; // below zero: none fails

static int fails_now(void)
{
    return left_until_failure >= 0 && left_until_failure-- == 0;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
    return fails_now() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails_now() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails_now() ? NULL : __real_realloc(p, n);
}

static small_vocab v;

#define FAILURES_MAX 2000

static void fill(int kind)
{
    static const char *const merges[] = { "a b", "ab a", "aba c", "b b", NULL };
    const small_token tokens[] = { { "_a", 1, -1 }, { "a", 1, -2 },    { "b", 1, -3 },
                                   { "ab", 1, -1 }, { "<|x|>", 3, 0 }, { "<u>", 4, 0 },
                                   { "aa", 1, 0 },  { " b", 1, 0 },    { 0 } };
    if (kind == 0)
        small_bpe(&v, "qwen2", merges, tokens + 4);
    else
        small_spm(&v, tokens);
    if (kind == 0)
        v.tokens[256] = (collet_bytes){ .data = "other", .n = 5 }; // a merge makes a text that is no token
}

static void test_text_nomem__create_fails_whole(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        collet_status st = COLLET_E_NOMEM;
        fill(kind);
        for (int n = 0; st != COLLET_OK; n++) {
            collet_error err = COLLET_ERROR_INIT;
            collet_tokenizer *t = NULL;
            assert_true(n < FAILURES_MAX);
            left_until_failure = n;
            st = collet_tokenizer_create(&t, &v.source, &err);
            left_until_failure = -1;
            if (st != COLLET_OK) {
                assert_int_equal(st, COLLET_E_NOMEM);
                assert_true(strstr(err.msg, "no memory") == err.msg);
                assert_null(t);
            }
            collet_tokenizer_destroy(t);
        }
    }
}

static void test_text_nomem__encode_and_decode_fail_whole(void **state)
{
    static char text[4096];
    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "ababac b<|x|>\xFF<u>abbbbb "[i % 25];
    memset(text + 1000, 'a', 200); // a long word
    for (int kind = 0; kind < 2; kind++) {
        fill(kind);
        collet_tokenizer *t = small_create(&v);
        collet_status st = COLLET_E_NOMEM;
        uint32_t *ids = NULL;
        size_t n_ids = 0;
        for (int n = 0; st != COLLET_OK; n++) {
            collet_error err = COLLET_ERROR_INIT;
            assert_true(n < FAILURES_MAX);
            left_until_failure = n;
            st = collet_tokenizer_encode(&ids, &n_ids, t, text, sizeof text, COLLET_ENCODE_PARSE_SPECIAL, &err);
            left_until_failure = -1;
            if (st != COLLET_OK) {
                assert_int_equal(st, COLLET_E_NOMEM);
                assert_null(ids);
            }
        }
        assert_true(n_ids > 100);
        st = COLLET_E_NOMEM;
        for (int n = 0; st != COLLET_OK; n++) {
            collet_error err = COLLET_ERROR_INIT;
            char *back = NULL;
            size_t n_back = 0;
            assert_true(n < FAILURES_MAX);
            left_until_failure = n;
            st = collet_tokenizer_decode(&back, &n_back, t, ids, n_ids, COLLET_DECODE_KEEP_SPECIAL, &err);
            left_until_failure = -1;
            if (st != COLLET_OK) {
                assert_int_equal(st, COLLET_E_NOMEM);
                assert_null(back);
            }
            free(back);
        }
        free(ids);
        collet_tokenizer_destroy(t);
    }
}

static void test_text_nomem__feeding_allocates_nothing(void **state)
{
    collet_error err = COLLET_ERROR_INIT;
    collet_detokenizer d;
    const char *text = NULL;
    size_t n = 0;
    (void)state;
    fill(1);
    collet_tokenizer *t = small_create(&v);
    assert_int_equal(collet_detokenizer_init(&d, t, COLLET_DECODE_KEEP_SPECIAL, &err), COLLET_OK);
    left_until_failure = 1000000;
    for (uint32_t id = 0; id < v.source.n_tokens; id++)
        assert_int_equal(collet_detokenizer_feed(&text, &n, &d, id, &err), COLLET_OK);
    collet_detokenizer_flush(&text, &n, &d);
    assert_int_equal(left_until_failure, 1000000);
    left_until_failure = -1;
    collet_detokenizer_finish(&d);
    collet_tokenizer_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_nomem__create_fails_whole),
        cmocka_unit_test(test_text_nomem__encode_and_decode_fail_whole),
        cmocka_unit_test(test_text_nomem__feeding_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
