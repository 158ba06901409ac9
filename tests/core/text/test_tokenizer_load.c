// SPDX-License-Identifier: Apache-2.0
// tests/core/text/test_tokenizer_load.c - what create() accepts, refuses, and makes of it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/core/text/vocab_small.h"

static small_vocab v;

static void assert_refused(collet_status want, const char *message)
{
    collet_error err = COLLET_ERROR_INIT;
    collet_tokenizer *t = NULL;
    assert_int_equal(collet_tokenizer_create(&t, &v.source, &err), want);
    assert_null(t);
    assert_string_equal(err.msg, message);
}

static void test_tokenizer_load__unknown_model_names_the_known_ones(void **state)
{
    (void)state;
    small_bpe(&v, "gpt-2", NULL, NULL);
    v.source.model = "gpt3";
    assert_refused(COLLET_E_UNSUPPORTED,
                   "unknown tokenizer model 'gpt3', did you mean 'gpt2'?; known are gpt2 and llama");
    v.source.model = "b\nert";
    assert_refused(COLLET_E_UNSUPPORTED, "unknown tokenizer model 'b\\x0aert'; known are gpt2 and llama");
}

static void test_tokenizer_load__unknown_pre_tokenizer_names_the_nearest(void **state)
{
    (void)state;
    small_bpe(&v, "lama-bpe", NULL, NULL);
    assert_refused(COLLET_E_UNSUPPORTED, "unknown pre-tokenizer 'lama-bpe'; the nearest known one is 'llama-bpe'");
}

static void test_tokenizer_load__missing_pre_tokenizer_is_default_and_a_warning(void **state)
{
    (void)state;
    small_bpe(&v, NULL, NULL, NULL);
    collet_tokenizer *t = small_create(&v);
    assert_non_null(strstr(collet_tokenizer_warning(t), "'default'"));
    collet_tokenizer_destroy(t);
    small_bpe(&v, "default", NULL, NULL);
    t = small_create(&v);
    assert_null(collet_tokenizer_warning(t));
    collet_tokenizer_destroy(t);
}

static void test_tokenizer_load__ids_out_of_range_are_named(void **state)
{
    (void)state;
    small_bpe(&v, "gpt-2", NULL, NULL);
    v.source.eos = 256;
    assert_refused(COLLET_E_FORMAT, "the EOS token has id 256, but the vocabulary has 256 tokens");
    v.source.eos = -2;
    assert_refused(COLLET_E_FORMAT, "the EOS token has id -2, but the vocabulary has 256 tokens");
    v.source.n_tokens = 0;
    assert_refused(COLLET_E_FORMAT, "the vocabulary has 0 tokens: wanted 1 to 1073741823");
}

static void test_tokenizer_load__merge_without_two_sides_is_refused(void **state)
{
    static const char *const no_space[] = { "a b", "ab", NULL };
    static const char *const no_right[] = { "ab ", NULL };
    (void)state;
    small_bpe(&v, "gpt-2", no_space, NULL);
    assert_refused(COLLET_E_FORMAT, "merge 1 is \"ab\": wanted two texts and a space between them");
    small_bpe(&v, "gpt-2", no_right, NULL);
    assert_refused(COLLET_E_FORMAT, "merge 0 is \"ab \": wanted two texts and a space between them");
}

static void test_tokenizer_load__bpe_leaves_out_bytes_without_a_token(void **state)
{
    collet_error err = COLLET_ERROR_INIT;
    uint32_t *ids = NULL;
    size_t n = 0;
    (void)state;
    small_bpe(&v, "gpt-2", NULL, NULL);
    v.tokens['A'] = v.tokens['C'] = (collet_bytes){ .data = "other", .n = 5 };
    v.source.unk = 7; // for BPE often the token that ends a text
    collet_tokenizer *t = small_create(&v);
    assert_int_equal(collet_tokenizer_encode(&ids, &n, t, "BAD", 3, 0, &err), COLLET_OK);
    assert_int_equal(n, 2);
    free(ids);
    collet_tokenizer_destroy(t);
}

static void test_tokenizer_load__sentencepiece_needs_every_byte_or_an_unknown_token(void **state)
{
    collet_error err = COLLET_ERROR_INIT;
    uint32_t *ids = NULL;
    size_t n = 0;
    (void)state;
    small_spm(&v, NULL);
    v.tokens[3 + 0x41] = (collet_bytes){ .data = "other", .n = 5 };
    v.types[3 + 0x41] = COLLET_TOKEN_NORMAL;
    collet_tokenizer *t = small_create(&v);
    assert_int_equal(collet_tokenizer_encode(&ids, &n, t, "A", 1, 0, &err), COLLET_OK);
    assert_int_equal(n, 2);
    assert_int_equal(ids[1], 0); // <unk>
    free(ids);
    collet_tokenizer_destroy(t);
    v.source.unk = -1;
    assert_refused(COLLET_E_FORMAT, "the vocabulary has neither a token for byte 0x41 nor an unknown token");
    v.types[3 + 0x41] = COLLET_TOKEN_BYTE;
    assert_refused(COLLET_E_FORMAT, "token 68 is a byte token, but not written as <0x41>");
}

static void test_tokenizer_load__empty_tokens_are_never_found(void **state)
{
    collet_error err = COLLET_ERROR_INIT;
    uint32_t *ids = NULL;
    size_t n = 0;
    (void)state;
    const small_token tokens[] = {
        { "", COLLET_TOKEN_NORMAL, 0 }, { "", COLLET_TOKEN_CONTROL, 0 }, { "", COLLET_TOKEN_USER_DEFINED, 0 }, { 0 }
    };
    for (int spm = 0; spm < 2; spm++) {
        if (spm)
            small_spm(&v, tokens);
        else
            small_bpe(&v, "gpt-2", NULL, tokens);
        collet_tokenizer *t = small_create(&v);
        assert_int_equal(collet_tokenizer_encode(&ids, &n, t, "ab", 2, COLLET_ENCODE_PARSE_SPECIAL, &err), COLLET_OK);
        assert_int_equal(n, 2 + spm); // SentencePiece's space
        free(ids);
        assert_int_equal(collet_tokenizer_text(t, v.source.n_tokens - 1).n, 0);
        collet_tokenizer_destroy(t);
    }
}

static void test_tokenizer_load__bos_and_eos_come_where_the_vocabulary_says(void **state)
{
    static const struct {
        int32_t add_bos, add_eos;
        size_t want;
    } cases[] = { { -1, -1, 3 }, { 0, -1, 2 }, { 1, 1, 4 }, { 0, 1, 3 } };
    collet_error err = COLLET_ERROR_INIT;
    (void)state;
    for (size_t i = 0; i < COLLET_COUNT(cases); i++) {
        small_spm(&v, NULL);
        v.source.add_bos = cases[i].add_bos;
        v.source.add_eos = cases[i].add_eos;
        collet_tokenizer *t = small_create(&v);
        uint32_t *ids = NULL;
        size_t n = 0;
        assert_int_equal(collet_tokenizer_encode(&ids, &n, t, "a", 1, COLLET_ENCODE_ADD_SPECIAL, &err), COLLET_OK);
        assert_int_equal(n, cases[i].want);
        if (collet_tokenizer_adds_bos(t))
            assert_int_equal(ids[0], collet_tokenizer_bos(t));
        free(ids);
        assert_int_equal(collet_tokenizer_encode(&ids, &n, t, "a", 1, 0, &err), COLLET_OK);
        assert_int_equal(n, 2);
        free(ids);
        assert_int_equal(collet_tokenizer_encode(&ids, &n, t, "", 0, 0, &err), COLLET_OK);
        assert_int_equal(n, 0);
        free(ids);
        collet_tokenizer_destroy(t);
    }
    // The switch alone is not enough: without an id nothing can be added.
    small_bpe(&v, "llama-bpe", NULL, NULL);
    v.source.add_bos = 1;
    collet_tokenizer *t = small_create(&v);
    assert_false(collet_tokenizer_adds_bos(t));
    collet_tokenizer_destroy(t);
}

static void test_tokenizer_load__text_beyond_the_limit_is_refused(void **state)
{
    collet_error err = COLLET_ERROR_INIT;
    uint32_t *ids = NULL;
    size_t n = 0;
    (void)state;
    small_bpe(&v, "gpt-2", NULL, NULL);
    collet_tokenizer *t = small_create(&v);
    assert_int_equal(collet_tokenizer_encode(&ids, &n, t, "", COLLET_ENCODE_BYTES_MAX + 1, 0, &err), COLLET_E_INVALID);
    assert_string_equal(err.msg, "a text of 1073741825 bytes; at most 1073741824 can be encoded at once");
    assert_null(ids);
    collet_tokenizer_destroy(t);
    collet_tokenizer_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokenizer_load__unknown_model_names_the_known_ones),
        cmocka_unit_test(test_tokenizer_load__unknown_pre_tokenizer_names_the_nearest),
        cmocka_unit_test(test_tokenizer_load__missing_pre_tokenizer_is_default_and_a_warning),
        cmocka_unit_test(test_tokenizer_load__ids_out_of_range_are_named),
        cmocka_unit_test(test_tokenizer_load__merge_without_two_sides_is_refused),
        cmocka_unit_test(test_tokenizer_load__bpe_leaves_out_bytes_without_a_token),
        cmocka_unit_test(test_tokenizer_load__sentencepiece_needs_every_byte_or_an_unknown_token),
        cmocka_unit_test(test_tokenizer_load__empty_tokens_are_never_found),
        cmocka_unit_test(test_tokenizer_load__bos_and_eos_come_where_the_vocabulary_says),
        cmocka_unit_test(test_tokenizer_load__text_beyond_the_limit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
