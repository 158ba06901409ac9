// SPDX-License-Identifier: Apache-2.0
// tests/golden/test_tokenizer.c - every recorded text of every vocabulary, as llama.cpp encodes and decodes it; the
// tiny Hugging Face models' texts as their own library does; and the prompts of the real models.
#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/engine/vocab_gguf.h"
#include "core/text/utf8.h"
#include "tests/golden/golden.h"

#define PATH_BYTES 4096

extern char **environ;

// ---- opening vocabularies ----

// Unpacks path with gzip into a temporary file, whose name it writes into out. False: there is no gzip.
static bool gunzip(char *out, const char *path)
{
    snprintf(out, PATH_BYTES, "%s/collet_vocab_XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    int fd = mkstemp(out);
    assert_true(fd >= 0);
    posix_spawn_file_actions_t actions;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO), 0);
    char *argv[] = { (char *)"gzip", (char *)"-dc", (char *)path, NULL };
    pid_t pid = 0;
    int status = 0;
    bool ok = posix_spawnp(&pid, "gzip", &actions, NULL, argv, environ) == 0 && waitpid(pid, &status, 0) == pid;
    posix_spawn_file_actions_destroy(&actions);
    close(fd);
    if (!ok || (WIFEXITED(status) && WEXITSTATUS(status) == 127)) {
        unlink(out);
        return false;
    }
    assert_int_equal(status, 0);
    return true;
}

static collet_tokenizer *open_tokenizer(const char *path)
{
    char unpacked[PATH_BYTES] = "";
    size_t n = strlen(path);
    bool packed = n > 3 && strcmp(path + n - 3, ".gz") == 0;
    if (packed && !gunzip(unpacked, path)) {
        fprintf(stderr, "skipped: %s: no gzip to unpack it with\n", path);
        skip();
    }
    collet_error err = COLLET_ERROR_INIT;
    collet_gguf *g = NULL;
    collet_tokenizer *t = NULL;
    collet_status st = collet_gguf_open(&g, packed ? unpacked : path, &err);
    if (st == COLLET_OK)
        st = collet_tokenizer_from_gguf(&t, g, &err);
    collet_gguf_close(g);
    if (packed)
        unlink(unpacked);
    if (st != COLLET_OK)
        fail_msg("%s", err.msg);
    return t;
}

// ---- comparing ----

static const json_t *member(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!value)
        fail_msg("no member '%s'", key);
    return value;
}

static void print_ids(const char *what, const uint32_t *ids, size_t n)
{
    fprintf(stderr, "  %s:", what);
    for (size_t i = 0; i < n; i++)
        fprintf(stderr, " %u", ids[i]);
    fprintf(stderr, "\n");
}

static uint32_t *ids_of(size_t *n, const json_t *array)
{
    *n = json_array_size(array);
    uint32_t *ids = malloc((*n + 1) * sizeof *ids);
    assert_non_null(ids);
    for (size_t i = 0; i < *n; i++)
        ids[i] = (uint32_t)json_integer_value(json_array_get(array, i));
    return ids;
}

// Returns 1 where the ids differ, and shows both.
static int encode_differs(const collet_tokenizer *t, const json_t *text, const json_t *want_ids, uint32_t flags)
{
    collet_error err = COLLET_ERROR_INIT;
    size_t n_want = 0, n_got = 0;
    uint32_t *want = ids_of(&n_want, want_ids), *got = NULL;
    if (collet_tokenizer_encode(&got, &n_got, t, json_string_value(text), json_string_length(text), flags, &err) !=
        COLLET_OK)
        fail_msg("%s", err.msg);
    bool same = n_want == n_got && (n_got == 0 || memcmp(want, got, n_got * sizeof *got) == 0);
    if (!same) {
        fprintf(stderr, "encode, flags %u: \"%s\"\n", flags, json_string_value(text));
        print_ids("want", want, n_want);
        print_ids("got ", got, n_got);
    }
    free(want);
    free(got);
    return !same;
}

static unsigned char *bytes_of_hex(size_t *n, const char *hex)
{
    *n = strlen(hex) / 2;
    unsigned char *bytes = malloc(*n + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < *n; i++) {
        unsigned value = 0;
        assert_int_equal(sscanf(hex + i * 2, "%2x", &value), 1);
        bytes[i] = (unsigned char)value;
    }
    return bytes;
}

// One token at a time gives the same text, and never ends inside a character that the next token finishes.
static void assert_streams_to(const collet_tokenizer *t, const uint32_t *ids, size_t n, uint32_t flags,
                              const char *want, size_t n_want)
{
    collet_error err = COLLET_ERROR_INIT;
    collet_detokenizer d;
    const char *text = NULL;
    size_t n_text = 0, at = 0;
    assert_int_equal(collet_detokenizer_init(&d, t, flags, &err), COLLET_OK);
    for (size_t i = 0; i <= n; i++) {
        if (i < n)
            assert_int_equal(collet_detokenizer_feed(&text, &n_text, &d, ids[i], &err), COLLET_OK);
        else
            collet_detokenizer_flush(&text, &n_text, &d);
        assert_true(at + n_text <= n_want);
        assert_memory_equal(text, want + at, n_text);
        if (i < n)
            assert_int_equal(collet_utf8_unfinished(text, n_text), 0);
        at += n_text;
    }
    assert_int_equal(at, n_want);
    collet_detokenizer_finish(&d);
}

static int decode_differs(const collet_tokenizer *t, const json_t *c)
{
    const uint32_t flags = COLLET_DECODE_KEEP_SPECIAL | COLLET_DECODE_CLEAN_SPACES;
    collet_error err = COLLET_ERROR_INIT;
    const json_t *hex = json_object_get(c, "detok_hex");
    size_t n_want = 0, n_got = 0, n_ids = 0;
    unsigned char *from_hex = hex ? bytes_of_hex(&n_want, json_string_value(hex)) : NULL;
    const char *want = hex ? (char *)from_hex : json_string_value(member(c, "detok"));
    n_want = hex ? n_want : json_string_length(member(c, "detok"));
    uint32_t *ids = ids_of(&n_ids, member(c, "ids"));
    char *got = NULL;
    assert_int_equal(collet_tokenizer_decode(&got, &n_got, t, ids, n_ids, flags, &err), COLLET_OK);
    bool same = n_got == n_want && memcmp(got, want, n_got) == 0;
    if (!same)
        fprintf(stderr, "decode: want \"%s\"\n        got \"%s\"\n", want, got);
    assert_streams_to(t, ids, n_ids, flags, got, n_got);
    free(from_hex);
    free(ids);
    free(got);
    return !same;
}

// Calls `check` for every line of a .jsonl file; returns how many times it returned non-zero.
static int each_line(const char *folder, const char *file, size_t *n_lines,
                     int (*check)(const collet_tokenizer *t, const json_t *line, const void *ctx),
                     const collet_tokenizer *t, const void *ctx)
{
    size_t n = 0;
    int n_differ = 0;
    char *data = golden_read(&n, folder, file);
    *n_lines = 0;
    for (char *line = data, *end = NULL; line < data + n; line = end + 1) {
        end = memchr(line, '\n', (size_t)(data + n - line));
        end = end ? end : data + n;
        if (end == line)
            continue;
        json_error_t error;
        json_t *c = json_loadb(line, (size_t)(end - line), JSON_ALLOW_NUL, &error);
        if (!c)
            fail_msg("%s/%s: line %zu: %s", folder, file, *n_lines + 1, error.text);
        n_differ += check(t, c, ctx);
        (*n_lines)++;
        json_decref(c);
    }
    free(data);
    return n_differ;
}

// ---- the tests ----

typedef struct vocab_case {
    char name[128];
    json_t *entry;      // of a manifest
    const char *folder; // below the goldens
} vocab_case;

static int check_case(const collet_tokenizer *t, const json_t *c, const void *ctx)
{
    (void)ctx;
    uint32_t flags = json_is_true(member(c, "add_bos")) ? COLLET_ENCODE_ADD_SPECIAL : 0;
    flags |= json_is_true(member(c, "parse_special")) ? COLLET_ENCODE_PARSE_SPECIAL : 0;
    return encode_differs(t, member(c, "text"), member(c, "ids"), flags) + decode_differs(t, c);
}

static void agrees_with_llama_cpp(void **state)
{
    const vocab_case *v = *state;
    const char *type = json_string_value(member(v->entry, "type"));
    char path[PATH_BYTES];
    size_t n_lines = 0;
    if (strcmp(type, "BPE") != 0 && strcmp(type, "SPM") != 0) {
        fprintf(stderr, "skipped: %s: no %s tokenizer in this build\n", v->name, type);
        skip();
    }
    golden_path(path, v->folder, json_string_value(member(member(v->entry, "gguf"), "file")));
    collet_tokenizer *t = open_tokenizer(path);
    assert_int_equal(collet_tokenizer_n_tokens(t), json_integer_value(member(v->entry, "n_tokens")));
    assert_int_equal(collet_tokenizer_adds_bos(t), json_is_true(member(v->entry, "add_bos")));
    assert_int_equal(collet_tokenizer_eos(t), json_integer_value(member(v->entry, "eos")));
    int n_differ = each_line(v->folder, json_string_value(member(v->entry, "cases")), &n_lines, check_case, t, NULL);
    collet_tokenizer_destroy(t);
    assert_int_equal(n_lines, json_integer_value(member(v->entry, "n_cases")));
    assert_int_equal(n_differ, 0);
}

// Hugging Face always looks for special tokens. Texts that llama.cpp's rules encode otherwise are listed.
static int check_hf_case(const collet_tokenizer *t, const json_t *c, const void *ctx)
{
    const json_t *differ = ctx;
    for (size_t i = 0; i < json_array_size(differ); i++)
        if (json_equal(json_array_get(differ, i), member(c, "text")))
            return 0;
    return encode_differs(t, member(c, "text"), member(c, "ids"),
                          COLLET_ENCODE_ADD_SPECIAL | COLLET_ENCODE_PARSE_SPECIAL);
}

static void agrees_with_hugging_face(void **state)
{
    const vocab_case *v = *state;
    char path[PATH_BYTES];
    size_t n_lines = 0;
    const json_t *gguf = member(v->entry, "gguf");
    golden_path(path, v->folder, json_string_value(member(gguf, "file")));
    collet_tokenizer *t = open_tokenizer(path);
    int n_differ = each_line(v->folder, "tokenizer_cases.jsonl", &n_lines, check_hf_case, t,
                             json_object_get(gguf, "tokenizer_cases_where_llama_cpp_differs"));
    collet_tokenizer_destroy(t);
    assert_true(n_lines > 0);
    assert_int_equal(n_differ, 0);
}

static void encodes_the_prompts(void **state)
{
    const vocab_case *v = *state;
    const char *models = getenv("COLLET_MODELS") ? getenv("COLLET_MODELS") : "models";
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s.gguf", models, json_string_value(member(v->entry, "model")));
    if (access(path, R_OK) != 0) {
        fprintf(stderr, "skipped: no model %s (set COLLET_MODELS)\n", path);
        skip();
    }
    collet_tokenizer *t = open_tokenizer(path);
    const json_t *cases = member(v->entry, "cases");
    int n_differ = 0;
    assert_true(json_array_size(cases) > 0);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        uint32_t flags = COLLET_ENCODE_ADD_SPECIAL;
        flags |= json_is_true(member(c, "chat")) ? COLLET_ENCODE_PARSE_SPECIAL : 0;
        n_differ += encode_differs(t, member(c, "prompt"), member(c, "prompt_ids"), flags);

        size_t n_ids = 0, n_text = 0;
        uint32_t *ids = ids_of(&n_ids, member(c, "generated_ids"));
        char *text = NULL;
        collet_error err = COLLET_ERROR_INIT;
        assert_int_equal(collet_tokenizer_decode(&text, &n_text, t, ids, n_ids, COLLET_DECODE_KEEP_SPECIAL, &err),
                         COLLET_OK);
        assert_string_equal(text, json_string_value(member(c, "generated_text")));
        free(ids);
        free(text);
    }
    collet_tokenizer_destroy(t);
    assert_int_equal(n_differ, 0);
}

// ---- making the list ----

#define CASES_MAX 64

static size_t add_case(vocab_case *cases, struct CMUnitTest *tests, size_t n, json_t *entry, const char *folder,
                       const char *name, CMUnitTestFunction run)
{
    if (n == CASES_MAX || !entry)
        return n;
    cases[n] = (vocab_case){ .entry = entry, .folder = folder };
    snprintf(cases[n].name, sizeof cases[n].name, "test_tokenizer__%s", name);
    tests[n] = (struct CMUnitTest){ .name = cases[n].name, .test_func = run, .initial_state = &cases[n] };
    return n + 1;
}

int main(void)
{
    static vocab_case cases[CASES_MAX];
    static struct CMUnitTest tests[CASES_MAX];
    static const char *const hf_folders[] = { "hf/llama-tied", "hf/llama-rope3", "hf/qwen2",  "hf/qwen3",
                                              "hf/qwen3moe",   "hf/gemma3",      "hf/mistral" };
    static const char *const model_files[] = { "smollm2-135m-instruct-q4_1", "gemma-3-270m-q4_k_m" };
    json_t *kept[COLLET_COUNT(hf_folders) + COLLET_COUNT(model_files)] = { 0 };
    size_t n = 0, n_kept = 0;
    char name[96];

    json_t *manifest = golden_json("tokenizer", "manifest.json");
    for (size_t i = 0; i < json_array_size(manifest); i++) {
        json_t *entry = json_array_get(manifest, i);
        snprintf(name, sizeof name, "%s_agrees_with_llama_cpp", json_string_value(json_object_get(entry, "vocab")));
        n = add_case(cases, tests, n, entry, "tokenizer", name, agrees_with_llama_cpp);
    }
    for (size_t i = 0; i < COLLET_COUNT(hf_folders); i++) {
        kept[n_kept] = golden_json(hf_folders[i], "golden.json");
        snprintf(name, sizeof name, "%s_agrees_with_hugging_face", hf_folders[i] + 3);
        n = add_case(cases, tests, n, kept[n_kept++], hf_folders[i], name, agrees_with_hugging_face);
    }
    for (size_t i = 0; i < COLLET_COUNT(model_files); i++) {
        snprintf(name, sizeof name, "%s.json", model_files[i]);
        kept[n_kept] = golden_json("generate", name);
        snprintf(name, sizeof name, "%s_encodes_its_prompts", model_files[i]);
        n = add_case(cases, tests, n, kept[n_kept++], "generate", name, encodes_the_prompts);
    }
    int failed = n ? _cmocka_run_group_tests("tokenizer", tests, n, NULL, NULL) : 0;
    for (size_t i = 0; i < n_kept; i++)
        json_decref(kept[i]);
    json_decref(manifest);
    return failed;
}
