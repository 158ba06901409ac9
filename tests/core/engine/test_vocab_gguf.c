// SPDX-License-Identifier: Apache-2.0
// tests/core/engine/test_vocab_gguf.c - small files written key by key: the sound one gives a tokenizer, each fault in
// a tokenizer key is an error that names file and key.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/engine/vocab_gguf.h"

// ---- a file under construction ----

#define N_TOKENS 259

typedef struct maker {
    uint8_t data[32768];
    size_t n;
    uint64_t n_kv;
} maker;

static maker m;

static void put(const void *data, size_t n)
{
    assert_true(m.n + n <= sizeof m.data);
    memcpy(m.data + m.n, data, n);
    m.n += n;
}

static void put_u32(uint32_t v)
{
    put(&v, sizeof v);
}

static void put_str(const char *text)
{
    uint64_t n = strlen(text);
    put(&n, sizeof n);
    put(text, n);
}

static void put_key(const char *key, uint32_t type)
{
    char full[64];
    snprintf(full, sizeof full, "tokenizer.ggml.%s", key);
    put_str(full);
    put_u32(type);
    m.n_kv++;
}

static void put_str_key(const char *key, const char *text)
{
    put_key(key, COLLET_GGUF_STRING);
    put_str(text);
}

static void put_u32_key(const char *key, uint32_t v)
{
    put_key(key, COLLET_GGUF_U32);
    put_u32(v);
}

static void put_array_key(const char *key, uint32_t type, uint64_t n)
{
    put_key(key, COLLET_GGUF_ARRAY);
    put_u32(type);
    put(&n, sizeof n);
}

// A SentencePiece vocabulary: <unk> <s> </s> and the bytes. The last of them are left out to make faults.
static void put_tokens(uint32_t n)
{
    static const char *const names[] = { "<unk>", "<s>", "</s>" };
    put_array_key("tokens", COLLET_GGUF_STRING, n);
    for (uint32_t i = 0; i < n; i++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", (i - 3) & 0xFF);
        put_str(i < 3 ? names[i] : text);
    }
}

static void put_types(uint32_t n)
{
    put_array_key("token_type", COLLET_GGUF_I32, n);
    for (uint32_t i = 0; i < n; i++)
        put_u32(i == 0 ? COLLET_TOKEN_UNKNOWN : i < 3 ? COLLET_TOKEN_CONTROL : COLLET_TOKEN_BYTE);
}

static void put_scores(uint32_t n, float score)
{
    put_array_key("scores", COLLET_GGUF_F32, n);
    for (uint32_t i = 0; i < n; i++)
        put(&score, sizeof score);
}

static void start(void)
{
    m = (maker){ 0 };
    put("GGUF", 4);
    put_u32(3);
    put(&(uint64_t){ 0 }, 8); // tensors
    put(&(uint64_t){ 0 }, 8); // keys: counted at the end
}

static void start_sound(void)
{
    start();
    put_str_key("model", "llama");
    put_tokens(N_TOKENS);
    put_types(N_TOKENS);
    put_scores(N_TOKENS, 0.0f);
}

// Opens what was made. `want` NULL: it must be sound; else the message behind "<path>: ".
static collet_tokenizer *open_made(collet_status want_status, const char *want)
{
    collet_error err = COLLET_ERROR_INIT;
    collet_gguf *g = NULL;
    collet_tokenizer *t = NULL;
    char path[64], message[COLLET_ERROR_MSG_MAX];
    int fd = memfd_create("vocab.gguf", MFD_CLOEXEC);
    assert_true(fd >= 0);
    memcpy(m.data + 16, &m.n_kv, sizeof m.n_kv);
    assert_int_equal(write(fd, m.data, m.n), m.n);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (collet_gguf_open(&g, path, &err) != COLLET_OK)
        fail_msg("%s", err.msg);
    collet_status st = collet_tokenizer_from_gguf(&t, g, &err);
    collet_gguf_close(g);
    close(fd);
    if (want) {
        assert_int_equal(st, want_status);
        assert_null(t);
        snprintf(message, sizeof message, "%s: %s", path, want);
        assert_string_equal(err.msg, message);
    } else if (st != COLLET_OK) {
        fail_msg("%s", err.msg);
    }
    return t;
}

static void assert_refused(collet_status status, const char *want)
{
    open_made(status, want);
}

// ---- tests ----

static void test_vocab_gguf__sound_file_gives_a_tokenizer_that_outlives_it(void **state)
{
    collet_error err = COLLET_ERROR_INIT;
    uint32_t *ids = NULL;
    size_t n = 0;
    (void)state;
    start_sound();
    collet_tokenizer *t = open_made(COLLET_OK, NULL);
    assert_int_equal(collet_tokenizer_n_tokens(t), N_TOKENS);
    assert_int_equal(collet_tokenizer_bos(t), 1); // what such vocabularies have when the file does not say
    assert_int_equal(collet_tokenizer_eos(t), 2);
    assert_true(collet_tokenizer_is_eog(t, 2));
    assert_int_equal(collet_tokenizer_encode(&ids, &n, t, "A", 1, COLLET_ENCODE_ADD_SPECIAL, &err), COLLET_OK);
    assert_int_equal(n, 3);
    assert_int_equal(ids[2], 3 + 'A');
    free(ids);
    collet_tokenizer_destroy(t);
}

static void test_vocab_gguf__switches_and_ids_are_read(void **state)
{
    (void)state;
    start_sound();
    put_u32_key("bos_token_id", 70);
    put_u32_key("eot_token_id", 71);
    put_key("add_bos_token", COLLET_GGUF_BOOL);
    put(&(uint8_t){ 0 }, 1);
    collet_tokenizer *t = open_made(COLLET_OK, NULL);
    assert_int_equal(collet_tokenizer_bos(t), 70);
    assert_true(collet_tokenizer_is_eog(t, 71));
    assert_false(collet_tokenizer_adds_bos(t));
    collet_tokenizer_destroy(t);
}

static void test_vocab_gguf__missing_keys_are_named(void **state)
{
    (void)state;
    start();
    assert_refused(COLLET_E_FORMAT, "no tokenizer: the file lacks the key tokenizer.ggml.model");
    start();
    put_str_key("model", "gpt2");
    put_tokens(N_TOKENS);
    assert_refused(COLLET_E_FORMAT, "has no key 'tokenizer.ggml.merges', which this model needs; convert it again");
    start();
    put_str_key("model", "llama");
    assert_refused(COLLET_E_FORMAT, "has no key 'tokenizer.ggml.tokens', which this model needs; convert it again");
}

static void test_vocab_gguf__unknown_kinds_are_named(void **state)
{
    (void)state;
    start();
    put_str_key("model", "bert");
    put_tokens(N_TOKENS);
    assert_refused(COLLET_E_UNSUPPORTED, "unknown tokenizer model 'bert'; known are gpt2 and llama");
}

static void test_vocab_gguf__arrays_must_match_the_tokens(void **state)
{
    (void)state;
    start();
    put_str_key("model", "llama");
    put_tokens(N_TOKENS);
    put_scores(N_TOKENS - 1, 0.0f);
    assert_refused(COLLET_E_FORMAT,
                   "tokenizer.ggml.scores has 258 elements, tokenizer.ggml.tokens has 259: wanted as many");
    start();
    put_str_key("model", "llama");
    put_tokens(N_TOKENS);
    put_types(N_TOKENS + 1);
    assert_refused(COLLET_E_FORMAT,
                   "tokenizer.ggml.token_type has 260 elements, tokenizer.ggml.tokens has 259: wanted as many");
}

static void test_vocab_gguf__elements_must_be_what_they_stand_for(void **state)
{
    (void)state;
    start();
    put_str_key("model", "llama");
    put_tokens(N_TOKENS);
    put_scores(N_TOKENS, (float)NAN);
    assert_refused(COLLET_E_FORMAT, "tokenizer.ggml.scores: element 0 is not a finite number");
    start();
    put_str_key("model", "llama");
    put_tokens(N_TOKENS);
    put_array_key("token_type", COLLET_GGUF_F32, N_TOKENS);
    for (uint32_t i = 0; i < N_TOKENS; i++)
        put_u32(0);
    assert_refused(COLLET_E_FORMAT, "tokenizer.ggml.token_type: element 0 is not an integer");
    start_sound();
    put_u32_key("eos_token_id", N_TOKENS);
    assert_refused(COLLET_E_FORMAT, "tokenizer.ggml.eos_token_id is 259, but tokenizer.ggml.tokens has 259 elements");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vocab_gguf__sound_file_gives_a_tokenizer_that_outlives_it),
        cmocka_unit_test(test_vocab_gguf__switches_and_ids_are_read),
        cmocka_unit_test(test_vocab_gguf__missing_keys_are_named),
        cmocka_unit_test(test_vocab_gguf__unknown_kinds_are_named),
        cmocka_unit_test(test_vocab_gguf__arrays_must_match_the_tokens),
        cmocka_unit_test(test_vocab_gguf__elements_must_be_what_they_stand_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
