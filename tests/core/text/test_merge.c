// SPDX-License-Identifier: Apache-2.0
// tests/core/text/test_merge.c - merges against the plainest way to say them: texts in a list, the cheapest pair first.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/core/text/vocab_small.h"

static small_vocab v;

// ---- the plain way ----

#define PIECES_MAX 4096

typedef struct pieces {
    char text[PIECES_MAX][24];
    size_t n;
} pieces;

// What joining costs: a merge's place in the list, or minus the joined token's score; below zero: never joined.
typedef double cost_fn(const char *left, const char *right);

static double bpe_cost(const char *left, const char *right)
{
    char merge[64];
    snprintf(merge, sizeof merge, "%s %s", left, right);
    for (uint32_t i = 0; i < v.source.n_merges; i++)
        if (v.merges[i].n == strlen(merge) && memcmp(v.merges[i].data, merge, v.merges[i].n) == 0)
            return i;
    return -1;
}

static int64_t token_of(const char *text)
{
    for (uint32_t i = 0; i < v.source.n_tokens; i++)
        if (v.tokens[i].n == strlen(text) && memcmp(v.tokens[i].data, text, v.tokens[i].n) == 0)
            return i;
    return -1;
}

static double spm_cost(const char *left, const char *right)
{
    char joined[64];
    snprintf(joined, sizeof joined, "%s%s", left, right);
    int64_t id = token_of(joined);
    return id < 0 ? -1 : 1000.0 - v.scores[id];
}

static void merge_plainly(pieces *p, cost_fn *cost)
{
    for (;;) {
        double best = -1;
        size_t at = 0;
        for (size_t i = 0; i + 1 < p->n; i++) {
            double c = cost(p->text[i], p->text[i + 1]);
            if (c >= 0 && (best < 0 || c < best)) {
                best = c;
                at = i;
            }
        }
        if (best < 0)
            return;
        char joined[64];
        snprintf(joined, sizeof joined, "%s%s", p->text[at], p->text[at + 1]);
        assert_true(strlen(joined) < sizeof p->text[at]);
        memcpy(p->text[at], joined, strlen(joined) + 1);
        memmove(p->text[at + 1], p->text[at + 2], (p->n - at - 2) * sizeof p->text[0]);
        p->n--;
    }
}

static void assert_same(const collet_tokenizer *t, const char *text, const pieces *want)
{
    collet_error err = COLLET_ERROR_INIT;
    uint32_t *ids = NULL;
    size_t n = 0;
    assert_int_equal(collet_tokenizer_encode(&ids, &n, t, text, strlen(text), 0, &err), COLLET_OK);
    assert_int_equal(n, want->n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ids[i], token_of(want->text[i]));
    free(ids);
}

// A fixed sequence: a failure repeats.
static uint32_t random_below(uint64_t *seed, uint32_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % below;
}

// Lengths on both sides of where short words end (merge.c), over three letters, so that merges pile up.
static void random_word(pieces *p, char *text, uint64_t *seed, size_t n_max)
{
    p->n = 1 + random_below(seed, (uint32_t)n_max);
    for (size_t i = 0; i < p->n; i++) {
        text[i] = (char)('a' + random_below(seed, 3));
        p->text[i][0] = text[i];
        p->text[i][1] = '\0';
    }
    text[p->n] = '\0';
}

// ---- tests ----

static const char *const merges[] = { "a b", "b a",  "ab ab", "a a",  "c ab", "ab c",  "aa b", "b b", "abab a",
                                      "c c", "cc c", "ba ba", "a ba", "bb a", "aa aa", "cc a", NULL };

static void test_merge__bpe_joins_the_first_of_the_list_leftmost_first(void **state)
{
    static pieces p;
    char text[PIECES_MAX];
    uint64_t seed = 1;
    (void)state;
    small_bpe(&v, "gpt-2", merges, NULL);
    collet_tokenizer *t = small_create(&v);
    for (int round = 0; round < 200; round++) {
        random_word(&p, text, &seed, round % 3 == 0 ? 8 : round % 3 == 1 ? 40 : 300);
        merge_plainly(&p, bpe_cost);
        assert_same(t, text, &p);
    }
    collet_tokenizer_destroy(t);
}

static void test_merge__spm_joins_the_best_score_leftmost_first(void **state)
{
    const small_token tokens[] = {
        { "_", 1, -9 },    { "a", 1, -8 },
        { "b", 1, -8 },    { "c", 1, -8 },
        { "ab", 1, -2 },   { "ba", 1, -2 },
        { "bc", 1, -2 },   { "abc", 1, -1 },
        { "aba", 1, 3 },   { "aa", 1, -4 },
        { "aaa", 1, -4 },  { "aab", 1, -4 },
        { "cc", 1, 0 },    { "ccc", 1, -0.f },
        { "_a", 1, -3 },   { "_ab", 1, -3 },
        { "abab", 1, -5 }, { "bcbc", 1, 2 },
        { "aaaab", 1, 7 }, { "bb", 1, -6 },
        { "bbb", 1, -7 },  { 0 },
    };
    static pieces p;
    char text[PIECES_MAX];
    uint64_t seed = 2;
    (void)state;
    small_spm(&v, tokens);
    v.source.add_space_prefix = 0;
    collet_tokenizer *t = small_create(&v);
    for (int round = 0; round < 200; round++) {
        random_word(&p, text, &seed, round % 3 == 0 ? 8 : round % 3 == 1 ? 40 : 300);
        merge_plainly(&p, spm_cost);
        assert_same(t, text, &p);
    }
    collet_tokenizer_destroy(t);
}

static void assert_ids(const collet_tokenizer *t, const char *text, size_t n_text, const uint32_t *want, size_t n_want)
{
    collet_error err = COLLET_ERROR_INIT;
    uint32_t *ids = NULL;
    size_t n = 0;
    assert_int_equal(collet_tokenizer_encode(&ids, &n, t, text, n_text, 0, &err), COLLET_OK);
    assert_int_equal(n, n_want);
    assert_memory_equal(ids, want, n * sizeof *ids);
    free(ids);
}

static void test_merge__the_first_time_and_the_next_agree(void **state)
{
    // "abc" is a token that its own merges do not reach: "b c" comes first and nothing joins "a" with "bc".
    static const char *const list[] = { "b c", "a b", "ab c", NULL };
    const uint32_t want[] = { 'a', 256 };
    (void)state;
    small_bpe(&v, "gpt-2", list, NULL);
    collet_tokenizer *t = small_create(&v);
    for (int i = 0; i < 3; i++)
        assert_ids(t, "abc", 3, want, 2);
    collet_tokenizer_destroy(t);
    v.source.pre = "tekken"; // ignores merges where the whole word is a token
    t = small_create(&v);
    const uint32_t whole[] = { 258 };
    assert_ids(t, "abc", 3, whole, 1);
    collet_tokenizer_destroy(t);
}

static void test_merge__bpe_may_pass_through_texts_that_are_no_tokens(void **state)
{
    static const char *const list[] = { "a b", "ab c", NULL };
    (void)state;
    small_bpe(&v, "gpt-2", list, NULL);
    v.tokens[256] = (collet_bytes){ .data = "other", .n = 5 }; // "ab" is not in the vocabulary
    collet_tokenizer *t = small_create(&v);
    const uint32_t joined[] = { 257 }, bytes[] = { 'a', 'b', 'x' };
    assert_ids(t, "abc", 3, joined, 1);
    assert_ids(t, "abx", 3, bytes, 3);
    collet_tokenizer_destroy(t);
}

static void test_merge__bytes_of_no_character_become_replacements_or_byte_tokens(void **state)
{
    const uint32_t bpe[] = { 'a', 0xEF, 0xBF, 0xBD, 0xEF, 0xBF, 0xBD, 'b', 0, 0xEF, 0xBF, 0xBD };
    const uint32_t spm[] = { 3 + 0x20, 3 + 'a', 3 + 0xE2, 3 + 0x82, 3 + 'b', 3 + 0, 3 + 0xFF };
    const small_token tokens[] = { { "_", 1, 0 }, { "x", 1, 0 }, { 0 } };
    (void)state;
    small_bpe(&v, "gpt-2", NULL, NULL);
    collet_tokenizer *t = small_create(&v);
    assert_ids(t,
               "a\xE2\x82"
               "b\0\xFF",
               6, bpe, COLLET_COUNT(bpe));
    collet_tokenizer_destroy(t);
    small_spm(&v, NULL);
    t = small_create(&v);
    assert_ids(t,
               "a\xE2\x82"
               "b\0\xFF",
               6, spm, COLLET_COUNT(spm));
    collet_tokenizer_destroy(t);
    // A character without a token is its bytes; a space in front; U+2581 is a space.
    const uint32_t mixed[] = { 259, 260, 3 + 0xC3, 3 + 0xA9, 259, 259 };
    small_spm(&v, tokens);
    t = small_create(&v);
    assert_ids(t, "x\xC3\xA9 \xE2\x96\x81", 7, mixed, COLLET_COUNT(mixed));
    collet_tokenizer_destroy(t);
}

static void test_merge__a_megabyte_without_a_blank_is_fine(void **state)
{
    static const char *const list[] = { "a a", "aa aa", "aaaa aaaa", NULL };
    const small_token tokens[] = { { "a", 1, -9 }, { "aa", 1, -1 }, { "aaaa", 1, -2 }, { 0 } };
    const size_t n_text = (size_t)1 << 20;
    char *text = malloc(n_text);
    collet_error err = COLLET_ERROR_INIT;
    uint32_t *ids = NULL;
    size_t n = 0;
    (void)state;
    assert_non_null(text);
    memset(text, 'a', n_text);
    small_bpe(&v, "gpt-2", list, NULL);
    collet_tokenizer *t = small_create(&v);
    assert_int_equal(collet_tokenizer_encode(&ids, &n, t, text, n_text, 0, &err), COLLET_OK);
    assert_int_equal(n, n_text / 8);
    free(ids);
    collet_tokenizer_destroy(t);
    small_spm(&v, tokens);
    v.source.add_space_prefix = 0;
    t = small_create(&v);
    assert_int_equal(collet_tokenizer_encode(&ids, &n, t, text, n_text, 0, &err), COLLET_OK);
    assert_int_equal(n, n_text / 4);
    free(ids);
    collet_tokenizer_destroy(t);
    free(text);
}

// What a thread finds out about words is kept in the tokenizer: all must find the same.
static void *encode_again(void *arg)
{
    const collet_tokenizer *t = arg;
    collet_error err = COLLET_ERROR_INIT;
    char text[64];
    uint64_t seed = 3;
    size_t total = 0;
    for (int round = 0; round < 500; round++) {
        uint32_t *ids = NULL;
        size_t n = 0, length = 1 + random_below(&seed, 60);
        for (size_t i = 0; i < length; i++)
            text[i] = "abc "[random_below(&seed, 4)];
        if (collet_tokenizer_encode(&ids, &n, t, text, length, 0, &err) != COLLET_OK)
            return NULL;
        total += n;
        free(ids);
    }
    return (void *)total; // the number of ids
}

static void test_merge__threads_share_a_tokenizer(void **state)
{
    pthread_t threads[4];
    void *results[4] = { 0 };
    (void)state;
    small_bpe(&v, "gpt-2", merges, NULL);
    collet_tokenizer *t = small_create(&v);
    for (size_t i = 0; i < COLLET_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, encode_again, t), 0);
    for (size_t i = 0; i < COLLET_COUNT(threads); i++)
        pthread_join(threads[i], &results[i]);
    void *alone = encode_again(t);
    assert_non_null(alone);
    for (size_t i = 0; i < COLLET_COUNT(threads); i++)
        assert_ptr_equal(results[i], alone);
    collet_tokenizer_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge__bpe_joins_the_first_of_the_list_leftmost_first),
        cmocka_unit_test(test_merge__spm_joins_the_best_score_leftmost_first),
        cmocka_unit_test(test_merge__the_first_time_and_the_next_agree),
        cmocka_unit_test(test_merge__bpe_may_pass_through_texts_that_are_no_tokens),
        cmocka_unit_test(test_merge__bytes_of_no_character_become_replacements_or_byte_tokens),
        cmocka_unit_test(test_merge__threads_share_a_tokenizer),
        cmocka_unit_test(test_merge__a_megabyte_without_a_blank_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
