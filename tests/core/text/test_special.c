// SPDX-License-Identifier: Apache-2.0
// tests/core/text/test_special.c
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

#define FIRST 256 // of the tokens behind the bytes

// Writes the ids as "65 [0] 66": bytes as numbers, tokens behind them in brackets.
static void assert_encodes(const collet_tokenizer *t, const char *text, uint32_t flags, const char *want)
{
    collet_error err = COLLET_ERROR_INIT;
    uint32_t *ids = NULL;
    size_t n = 0;
    char got[400] = "";
    assert_int_equal(collet_tokenizer_encode(&ids, &n, t, text, strlen(text), flags, &err), COLLET_OK);
    for (size_t i = 0, at = 0; i < n; i++)
        at += (size_t)snprintf(got + at, sizeof got - at, ids[i] < FIRST ? "%c" : "[%d]",
                               (int)(ids[i] < FIRST ? ids[i] : ids[i] - FIRST));
    free(ids);
    assert_string_equal(got, want);
}

static void test_special__control_tokens_are_found_only_when_asked_for(void **state)
{
    const small_token tokens[] = { { "<|x|>", COLLET_TOKEN_CONTROL, 0 },     { "<u>", COLLET_TOKEN_USER_DEFINED, 0 },
                                   { "<unknown>", COLLET_TOKEN_UNKNOWN, 0 }, { "<n>", COLLET_TOKEN_NORMAL, 0 },
                                   { "<unused>", COLLET_TOKEN_UNUSED, 0 },   { 0 } };
    (void)state;
    small_bpe(&v, "gpt-2", NULL, tokens);
    collet_tokenizer *t = small_create(&v);
    assert_encodes(t, "a<|x|>b<u>c", 0, "a<|x|>b[1]c");
    assert_encodes(t, "a<|x|>b<u>c", COLLET_ENCODE_PARSE_SPECIAL, "a[0]b[1]c");
    assert_encodes(t, "<unknown><n><unused>", COLLET_ENCODE_PARSE_SPECIAL, "[2]<n><unused>");
    assert_encodes(t, "<|x|><|x|>", COLLET_ENCODE_PARSE_SPECIAL, "[0][0]");
    assert_encodes(t, "<|x|", COLLET_ENCODE_PARSE_SPECIAL, "<|x|");
    collet_tokenizer_destroy(t);
}

static void test_special__longest_wins_wherever_it_begins(void **state)
{
    const small_token tokens[] = {
        { "abc", COLLET_TOKEN_USER_DEFINED, 0 },    { "cdefg", COLLET_TOKEN_USER_DEFINED, 0 },
        { "\n", COLLET_TOKEN_USER_DEFINED, 0 },     { "\n\n", COLLET_TOKEN_USER_DEFINED, 0 },
        { "\n\n\n", COLLET_TOKEN_USER_DEFINED, 0 }, { 0 }
    };
    (void)state;
    small_bpe(&v, "gpt-2", NULL, tokens);
    collet_tokenizer *t = small_create(&v);
    assert_encodes(t, "abcdefg", 0, "ab[1]"); // from the left it would have been [0]defg
    assert_encodes(t, "abcabc", 0, "[0][0]");
    assert_encodes(t, "\n\n\n\n\n\n\n\nx\n", 0, "[4][4][3]x[2]");
    collet_tokenizer_destroy(t);
}

static void test_special__phi3_strips_blanks_behind_its_markers(void **state)
{
    const small_token tokens[] = { { "<|end|>", COLLET_TOKEN_CONTROL, 0 },
                                   { "<|endoftext|>", COLLET_TOKEN_CONTROL, 0 },
                                   { "<|user|>", COLLET_TOKEN_CONTROL, 0 },
                                   { 0 } };
    (void)state;
    small_bpe(&v, "gpt-2", NULL, tokens);
    v.source.model_name = "Phi-3 mini";
    collet_tokenizer *t = small_create(&v);
    assert_encodes(t, "<|user|> \n\t a b<|end|>\n<|user|>", COLLET_ENCODE_PARSE_SPECIAL, "[2]a b[0][2]");
    assert_encodes(t, "<|endoftext|> a", COLLET_ENCODE_PARSE_SPECIAL, "[1] a");
    collet_tokenizer_destroy(t);
    v.source.model_name = "Phil 3";
    t = small_create(&v);
    assert_encodes(t, "<|user|> a", COLLET_ENCODE_PARSE_SPECIAL, "[2] a");
    collet_tokenizer_destroy(t);
}

static void test_special__end_of_answer_is_known_by_text_and_by_id(void **state)
{
    const small_token tokens[] = { { "<|im_end|>", COLLET_TOKEN_NORMAL, 0 }, // marked wrongly, as files do
                                   { "<eot>", COLLET_TOKEN_CONTROL, 0 },
                                   { "<other>", COLLET_TOKEN_CONTROL, 0 },
                                   { 0 } };
    uint32_t id = 0;
    (void)state;
    small_bpe(&v, "gpt-2", NULL, tokens);
    v.source.eot = FIRST + 1;
    v.source.eos = 'e';
    collet_tokenizer *t = small_create(&v);
    assert_true(collet_tokenizer_is_eog(t, FIRST));
    assert_true(collet_tokenizer_is_eog(t, FIRST + 1));
    assert_true(collet_tokenizer_is_eog(t, 'e'));
    assert_false(collet_tokenizer_is_eog(t, FIRST + 2));
    assert_false(collet_tokenizer_is_eog(t, UINT32_MAX));
    assert_true(collet_tokenizer_is_special(t, FIRST));
    assert_false(collet_tokenizer_is_special(t, 'e'));
    assert_encodes(t, "<|im_end|>", 0, "<|im_end|>");
    assert_encodes(t, "<|im_end|>", COLLET_ENCODE_PARSE_SPECIAL, "[0]");
    assert_true(collet_tokenizer_find_special(&id, t, "<other>", 7));
    assert_int_equal(id, FIRST + 2);
    assert_false(collet_tokenizer_find_special(&id, t, "e", 1));
    assert_false(collet_tokenizer_find_special(&id, t, "", 0));
    collet_tokenizer_destroy(t);
}

static void test_special__families_that_use_an_end_token_otherwise_keep_it(void **state)
{
    const small_token harmony[] = { { "<|end|>", COLLET_TOKEN_CONTROL, 0 },
                                    { "<|return|>", COLLET_TOKEN_CONTROL, 0 },
                                    { "<|call|>", COLLET_TOKEN_CONTROL, 0 },
                                    { "<|channel|>", COLLET_TOKEN_CONTROL, 0 },
                                    { 0 } };
    const small_token gemma4[] = { { "</s>", COLLET_TOKEN_USER_DEFINED, 0 },
                                   { "<|tool_response>", COLLET_TOKEN_CONTROL, 0 },
                                   { 0 } };
    (void)state;
    small_bpe(&v, "gpt-2", NULL, harmony);
    collet_tokenizer *t = small_create(&v);
    assert_false(collet_tokenizer_is_eog(t, FIRST));
    assert_true(collet_tokenizer_is_eog(t, FIRST + 1));
    assert_false(collet_tokenizer_is_special(t, FIRST + 3)); // part of what is shown
    collet_tokenizer_destroy(t);
    small_bpe(&v, "gpt-2", NULL, gemma4);
    t = small_create(&v);
    assert_false(collet_tokenizer_is_eog(t, FIRST));
    assert_true(collet_tokenizer_is_eog(t, FIRST + 1));
    collet_tokenizer_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_special__control_tokens_are_found_only_when_asked_for),
        cmocka_unit_test(test_special__longest_wins_wherever_it_begins),
        cmocka_unit_test(test_special__phi3_strips_blanks_behind_its_markers),
        cmocka_unit_test(test_special__end_of_answer_is_known_by_text_and_by_id),
        cmocka_unit_test(test_special__families_that_use_an_end_token_otherwise_keep_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
