// SPDX-License-Identifier: Apache-2.0
// cli/cmd_logits.c - float32 logits of every position, for comparisons outside.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/open.h"
#include "core/base/error.h"

typedef struct sink {
    FILE *file;
    bool failed;
} sink;

static void write_row(void *ctx, uint32_t position, const float *logits, uint32_t n_vocab)
{
    (void)position; // rows come in order
    sink *s = ctx;
    if (fwrite(logits, sizeof *logits, n_vocab, s->file) != n_vocab)
        s->failed = true;
}

static collet_status read_all(collet_engine *e, const uint32_t *ids, size_t n_ids, sink *s, collet_error *err)
{
    const collet_request_opts opts = { .prompt = ids,
                                       .n_prompt = (uint32_t)n_ids,
                                       .sampling = COLLET_SAMPLING_GREEDY,
                                       .on_logits = write_row,
                                       .on_logits_ctx = s,
                                       .all_logits = true };
    collet_request *r = NULL;
    collet_status st = collet_engine_submit(&r, e, &opts, err);
    const uint32_t *tokens = NULL;
    uint32_t n = 0;
    if (st == COLLET_OK) {
        collet_interrupt_cancels(r);
        st = collet_request_next(&tokens, &n, r, err);
        collet_interrupt_cancels(NULL);
    }
    collet_request_destroy(r);
    return st;
}

// Under a temporary name until it is whole.
static int write_logits(collet_engine *e, const uint32_t *ids, size_t n_ids, const char *path)
{
    collet_error err = COLLET_ERROR_INIT;
    char temp[4096];
    if (snprintf(temp, sizeof temp, "%s.partial", path) >= (int)sizeof temp)
        return collet_cli_error(COLLET_EXIT_USAGE, "%s: path too long", path);
    sink s = { .file = fopen(temp, "wb") };
    if (!s.file) {
        collet_fail_errno(&err, COLLET_E_IO, "%s: cannot create", temp);
        return collet_cli_fail(&err, COLLET_EXIT_FAILED);
    }
    collet_status st = read_all(e, ids, n_ids, &s, &err);
    if (fclose(s.file) != 0)
        s.failed = true;
    if (st == COLLET_OK && s.failed)
        st = collet_fail_errno(&err, COLLET_E_IO, "%s: cannot write", temp);
    if (st == COLLET_OK && rename(temp, path) != 0)
        st = collet_fail_errno(&err, COLLET_E_IO, "%s: cannot rename from %s", path, temp);
    if (st == COLLET_OK)
        return COLLET_EXIT_OK;
    unlink(temp);
    return collet_cli_fail(&err, st == COLLET_E_INVALID ? COLLET_EXIT_USAGE : 0);
}

static int run(const collet_args *args)
{
    collet_opened o;
    collet_error err = COLLET_ERROR_INIT;
    uint32_t *ids = NULL;
    size_t n_ids = 0;
    const char *list = collet_args_text(args, "ids"), *path = collet_args_text(args, "output");
    if (!list || !path)
        return collet_cli_error(COLLET_EXIT_USAGE, "logits needs --ids 1,2,3 and -o FILE");
    if (collet_args_ids(&ids, &n_ids, list, &err) != COLLET_OK)
        return collet_cli_fail(&err, COLLET_EXIT_USAGE);
    int exit_code = collet_open(&o, args, COLLET_OPEN_MODEL | COLLET_OPEN_ENGINE | COLLET_OPEN_REQUESTS(1));
    if (exit_code == COLLET_EXIT_OK) {
        exit_code = write_logits(o.engine, ids, n_ids, path);
        collet_close(&o);
    }
    free(ids);
    return exit_code;
}

static const collet_flag flags[] = {
    { .name = "ids", .type = COLLET_OPT_STR, .metavar = "1,2,3", .help = "the tokens" },
    { .name = "output",
      .short_name = 'o',
      .type = COLLET_OPT_STR,
      .metavar = "FILE",
      .help = "where the logits go: float32, little-endian, (tokens, vocabulary)" },
    { 0 },
};

extern const collet_command collet_cmd_logits;
const collet_command collet_cmd_logits = {
    .name = "logits",
    .summary = "write the logits of every position to a file",
    .flags = flags,
    .shared = COLLET_FLAGS_PROFILE | COLLET_FLAGS_MODEL,
    .run = run,
};
