// SPDX-License-Identifier: Apache-2.0
// cli/cmd_tokens.c - tokenize and detokenize: a vocabulary seen alone.
#include <stdlib.h>
#include <string.h>

#include "cli/open.h"
#include "cli/print_json.h"
#include "core/base/file.h"
#include "core/base/text.h"
#include "core/engine/vocab_gguf.h"
#include "core/model/gguf.h"

#define TEXT_BYTES_MAX (256u << 20)

// The vocabulary needs the file only, no plugin: a GGUF without tensors will do.
static int open_tokenizer(const collet_args *args, collet_gguf **gguf, collet_tokenizer **t)
{
    collet_error err = COLLET_ERROR_INIT;
    const char *path = collet_args_text(args, "model");
    if (!path)
        return collet_cli_error(COLLET_EXIT_USAGE, "no model: give -m FILE");
    collet_status st = collet_gguf_open(gguf, path, &err);
    if (st == COLLET_OK)
        st = collet_tokenizer_from_gguf(t, *gguf, &err);
    return st == COLLET_OK ? COLLET_EXIT_OK : collet_cli_fail(&err, COLLET_EXIT_MODEL);
}

static int tokenize_text(const collet_args *args, const collet_tokenizer *t, const char *text, size_t n)
{
    collet_error err = COLLET_ERROR_INIT;
    uint32_t flags = collet_args_bool(args, "no-bos") ? 0 : COLLET_ENCODE_ADD_SPECIAL;
    if (collet_args_bool(args, "parse-special"))
        flags |= COLLET_ENCODE_PARSE_SPECIAL;
    uint32_t *ids = NULL;
    size_t n_ids = 0;
    if (collet_tokenizer_encode(&ids, &n_ids, t, text, n, flags, &err) != COLLET_OK)
        return collet_cli_fail(&err, 0);
    json_t *list = json_array();
    for (size_t i = 0; i < n_ids; i++)
        json_array_append_new(list, json_integer(ids[i]));
    free(ids);
    return collet_cli_print_json(json_pack("{s:o}", "ids", list), JSON_COMPACT);
}

static int run_tokenize(const collet_args *args)
{
    collet_gguf *gguf = NULL;
    collet_tokenizer *t = NULL;
    const char *file = collet_args_text(args, "file");
    if ((file != NULL) == (args->n_operands == 1))
        return collet_cli_error(COLLET_EXIT_USAGE, "give the text once: TEXT or -f FILE");
    int exit_code = open_tokenizer(args, &gguf, &t);
    char *text = NULL;
    size_t n = 0;
    collet_error err = COLLET_ERROR_INIT;
    if (exit_code == COLLET_EXIT_OK && file && collet_file_read(&text, &n, file, TEXT_BYTES_MAX, &err) != COLLET_OK)
        exit_code = collet_cli_fail(&err, COLLET_EXIT_FAILED);
    if (exit_code == COLLET_EXIT_OK)
        exit_code = file ? tokenize_text(args, t, text, n)
                         : tokenize_text(args, t, args->operands[0], strlen(args->operands[0]));
    free(text);
    collet_tokenizer_destroy(t);
    collet_gguf_close(gguf);
    return exit_code;
}

// What JSON cannot hold is in "hex", exactly.
static json_t *text_object(const char *text, size_t n)
{
    bool lossy = false;
    json_t *shown = collet_cli_json_text(text, n, &lossy);
    if (!shown || !lossy)
        return json_pack("{s:o}", "text", shown);
    collet_text hex = { 0 };
    for (size_t i = 0; i < n; i++)
        collet_text_printf(&hex, "%02x", (unsigned char)text[i]);
    json_t *object = json_pack("{s:o, s:o}", "text", shown, "hex", hex.failed ? NULL : json_string(hex.data));
    collet_text_free(&hex);
    return object;
}

static int run_detokenize(const collet_args *args)
{
    collet_gguf *gguf = NULL;
    collet_tokenizer *t = NULL;
    uint32_t *ids = NULL;
    size_t n_ids = 0;
    collet_error err = COLLET_ERROR_INIT;
    const char *list = collet_args_text(args, "ids");
    if (!list)
        return collet_cli_error(COLLET_EXIT_USAGE, "no tokens: give --ids 1,2,3");
    if (collet_args_ids(&ids, &n_ids, list, &err) != COLLET_OK)
        return collet_cli_fail(&err, COLLET_EXIT_USAGE);
    int exit_code = open_tokenizer(args, &gguf, &t);
    char *text = NULL;
    size_t n = 0;
    uint32_t flags = COLLET_DECODE_CLEAN_SPACES; // as the recorded peer does it
    if (!collet_args_bool(args, "no-special"))
        flags |= COLLET_DECODE_KEEP_SPECIAL;
    if (exit_code == COLLET_EXIT_OK && collet_tokenizer_decode(&text, &n, t, ids, n_ids, flags, &err) != COLLET_OK)
        exit_code = collet_cli_fail(&err, 0);
    if (exit_code == COLLET_EXIT_OK)
        exit_code = collet_cli_print_json(text_object(text, n), JSON_COMPACT);
    free(text);
    free(ids);
    collet_tokenizer_destroy(t);
    collet_gguf_close(gguf);
    return exit_code;
}

static const collet_flag tokenize_flags[] = {
    { .name = "file",
      .short_name = 'f',
      .type = COLLET_OPT_STR,
      .metavar = "FILE",
      .help = "read the text from a file; - is stdin" },
    { .name = "parse-special", .type = COLLET_OPT_BOOL, .help = "read <|...|> as special tokens" },
    { .name = "no-bos", .type = COLLET_OPT_BOOL, .help = "no token of the beginning or end is added" },
    { 0 },
};

static const collet_flag detokenize_flags[] = {
    { .name = "ids", .type = COLLET_OPT_STR, .metavar = "1,2,3", .help = "the tokens" },
    { .name = "no-special", .type = COLLET_OPT_BOOL, .help = "leave special tokens out" },
    { 0 },
};

extern const collet_command collet_cmd_tokenize, collet_cmd_detokenize;
const collet_command collet_cmd_tokenize = {
    .name = "tokenize",
    .summary = "text to token ids, as {\"ids\": [...]}",
    .operands = "[TEXT]",
    .flags = tokenize_flags,
    .shared = COLLET_FLAGS_MODEL,
    .n_operands_max = 1,
    .run = run_tokenize,
};
const collet_command collet_cmd_detokenize = {
    .name = "detokenize",
    .summary = "token ids to text, as {\"text\": \"...\"}",
    .flags = detokenize_flags,
    .shared = COLLET_FLAGS_MODEL,
    .run = run_detokenize,
};
