// SPDX-License-Identifier: Apache-2.0
// tests/core/text/test_detokenize.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/core/text/vocab_small.h"

static small_vocab v;

static void assert_decodes(const collet_tokenizer *t, const uint32_t *ids, size_t n_ids, uint32_t flags,
                           const char *want, size_t n_want)
{
    collet_error err = COLLET_ERROR_INIT;
    char *text = NULL;
    size_t n = 0;
    assert_int_equal(collet_tokenizer_decode(&text, &n, t, ids, n_ids, flags, &err), COLLET_OK);
    assert_int_equal(n, n_want);
    assert_memory_equal(text, want, n + 1);
    free(text);
}

static void assert_feeds(collet_detokenizer *d, uint32_t id, const char *want)
{
    collet_error err = COLLET_ERROR_INIT;
    const char *text = NULL;
    size_t n = 0;
    assert_int_equal(collet_detokenizer_feed(&text, &n, d, id, &err), COLLET_OK);
    assert_int_equal(n, strlen(want));
    assert_memory_equal(text, want, n);
}

static void assert_flushes(collet_detokenizer *d, const char *want)
{
    const char *text = NULL;
    size_t n = 0;
    collet_detokenizer_flush(&text, &n, d);
    assert_int_equal(n, strlen(want));
    assert_memory_equal(text, want, n);
}

static void test_detokenize__a_character_comes_whole_or_not_yet(void **state)
{
    collet_error err = COLLET_ERROR_INIT;
    collet_detokenizer d;
    (void)state;
    small_bpe(&v, "qwen2", NULL, NULL); // token i is byte i
    collet_tokenizer *t = small_create(&v);
    assert_int_equal(collet_detokenizer_init(&d, t, 0, &err), COLLET_OK);
    assert_feeds(&d, 'a', "a");
    assert_feeds(&d, 0xF0, "");
    assert_feeds(&d, 0x9F, "");
    assert_feeds(&d, 0x98, "");
    assert_feeds(&d, 0x80, "\xF0\x9F\x98\x80");
    assert_feeds(&d, 0xE2, "");
    assert_feeds(&d, 'b',
                 "\xE2"
                 "b"); // nothing can finish it any more
    assert_feeds(&d, 0x80, "\x80");
    assert_feeds(&d, 0xE2, "");
    assert_feeds(&d, 0x96, "");
    assert_flushes(&d, "\xE2\x96");
    assert_flushes(&d, "");
    assert_feeds(&d, 'c', "c");
    assert_int_equal(collet_detokenizer_feed(&(const char *){ NULL }, &(size_t){ 0 }, &d, 256, &err), COLLET_E_INVALID);
    assert_string_equal(err.msg, "token id 256, but the vocabulary has 256 tokens");
    collet_detokenizer_finish(&d);
    collet_detokenizer_finish(&d);
    collet_tokenizer_destroy(t);
}

static void test_detokenize__special_tokens_are_kept_when_asked(void **state)
{
    const small_token tokens[] = { { "<|im_end|>", COLLET_TOKEN_CONTROL, 0 },
                                   { "<tag>", COLLET_TOKEN_USER_DEFINED, 0 },
                                   { "<unused>", COLLET_TOKEN_UNUSED, 0 },
                                   { "<0x41>", COLLET_TOKEN_BYTE, 0 },
                                   { 0 } };
    const uint32_t ids[] = { 'a', 256, 257, 258, 259, 'b' };
    (void)state;
    small_bpe(&v, "qwen2", NULL, tokens);
    collet_tokenizer *t = small_create(&v);
    assert_decodes(t, ids, COLLET_COUNT(ids), 0, "a<tag>Ab", 8);
    assert_decodes(t, ids, COLLET_COUNT(ids), COLLET_DECODE_KEEP_SPECIAL, "a<|im_end|><tag>Ab", 18);
    assert_decodes(t, NULL, 0, 0, "", 0);
    collet_bytes text = collet_tokenizer_text(t, 256);
    assert_int_equal(text.n, 10);
    assert_int_equal(collet_tokenizer_text(t, 260).n, 0);
    collet_tokenizer_destroy(t);
}

static void test_detokenize__the_space_that_encoding_put_in_front_goes(void **state)
{
    const small_token tokens[] = { { "_a", 1, 0 }, { "_", 1, 0 }, { 0 } };
    const uint32_t ids[] = { 259, 259 }, with_bos[] = { 1, 259 }, spaces[] = { 260, 259 };
    (void)state;
    small_spm(&v, tokens);
    collet_tokenizer *t = small_create(&v);
    assert_decodes(t, ids, 2, 0, "a a", 3);
    assert_decodes(t, ids, 2, COLLET_DECODE_CONTINUES, " a a", 4);
    assert_decodes(t, spaces, 2, 0, " a", 2);
    assert_decodes(t, with_bos, 2, 0, "a", 1); // BOS writes nothing: the text begins behind it
    assert_decodes(t, with_bos, 2, COLLET_DECODE_KEEP_SPECIAL, "<s> a", 5);
    collet_tokenizer_destroy(t);
    v.source.add_space_prefix = 0;
    t = small_create(&v);
    assert_decodes(t, ids, 2, 0, " a a", 4);
    collet_tokenizer_destroy(t);
}

static void test_detokenize__spaces_are_cleaned_where_the_vocabulary_asks(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "x != y , z ?", "x!= y, z?" },
        { "a  .", "a ." },
        { " .", "." },
        { "it 's I 'm we 're you 've", "it's I'm we're you've" },
        { "he 'd don 't we 'll", "he 'd don 't we 'll" },
        { "a ' b", "a'b" },
        { "a ' ' b", "a'' b" },
        { "a '", "a '" },
        { "a 'r", "a 'r" },
        { "a 'rs", "a 'rs" },
        { "a '  's", "a''s" }, // the second rule makes room for the third
        { "a  's", "a 's" },
        { "", "" },
        { " ", " " },
        { "'s", "'s" },
    };
    (void)state;
    small_bpe(&v, "gpt-2", NULL, NULL);
    collet_tokenizer *t = small_create(&v);
    for (size_t i = 0; i < COLLET_COUNT(cases); i++) {
        uint32_t ids[64];
        size_t n = strlen(cases[i].text);
        for (size_t k = 0; k < n; k++)
            ids[k] = (uint8_t)cases[i].text[k];
        assert_decodes(t, ids, n, COLLET_DECODE_CLEAN_SPACES, cases[i].want, strlen(cases[i].want));
        assert_decodes(t, ids, n, 0, cases[i].text, n);
    }
    collet_tokenizer_destroy(t);
    v.source.pre = "smollm"; // does not ask for it
    t = small_create(&v);
    assert_decodes(t, (const uint32_t[]){ 'a', ' ', '.' }, 3, COLLET_DECODE_CLEAN_SPACES, "a .", 3);
    collet_tokenizer_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_detokenize__a_character_comes_whole_or_not_yet),
        cmocka_unit_test(test_detokenize__special_tokens_are_kept_when_asked),
        cmocka_unit_test(test_detokenize__the_space_that_encoding_put_in_front_goes),
        cmocka_unit_test(test_detokenize__spaces_are_cleaned_where_the_vocabulary_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
