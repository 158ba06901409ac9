// SPDX-License-Identifier: Apache-2.0
// cli/cmd_profile.c - profile check, profile show: what a profile means here, before a model is opened.
#include <stdlib.h>
#include <string.h>

#include "cli/common.h"

// `FILE` takes the place of --profile.
static int open_session(collet_session *s, const collet_args *args)
{
    if (args->n_operands == 0)
        return collet_session_open(s, args);
    if (collet_args_given(args, "profile"))
        return collet_cli_error(COLLET_EXIT_USAGE, "give the profile once: FILE or --profile FILE");
    collet_args with_file = *args;
    static const collet_flag flag = { .name = "profile", .type = COLLET_OPT_STR };
    if (with_file.n_given == COLLET_ARGS_MAX)
        return collet_cli_error(COLLET_EXIT_USAGE, "more than %d flags", COLLET_ARGS_MAX);
    with_file.given[with_file.n_given].flag = &flag;
    with_file.given[with_file.n_given++].text = args->operands[0];
    return collet_session_open(s, &with_file);
}

static int run_check(const collet_args *args)
{
    collet_session s;
    int exit_code = open_session(&s, args);
    if (exit_code != COLLET_EXIT_OK)
        return exit_code;
    const char *file = args->n_operands ? args->operands[0] : collet_args_text(args, "profile");
    printf("%s: ok\n", file ? file : "profile");
    collet_session_close(&s);
    return collet_cli_finish();
}

static int run_show(const collet_args *args)
{
    collet_session s;
    int exit_code = open_session(&s, args);
    if (exit_code != COLLET_EXIT_OK)
        return exit_code;
    if (collet_args_bool(args, "json")) {
        char *text = collet_profile_json(s.profile);
        if (!text)
            exit_code = collet_cli_error(COLLET_EXIT_MEMORY, "no memory for the profile's JSON");
        else
            puts(text);
        free(text);
    } else {
        collet_profile_print(s.profile, stdout, collet_args_bool(args, "origin"));
    }
    collet_session_close(&s);
    return exit_code == COLLET_EXIT_OK ? collet_cli_finish() : exit_code;
}

static const collet_flag show_flags[] = {
    { .name = "origin", .type = COLLET_OPT_BOOL, .help = "say beside each line who set it" },
    { .name = NULL },
};

const collet_command collet_cmd_profile_check = {
    .name = "profile check",
    .summary = "check a profile against its schema and the plugins of this machine",
    .operands = "[FILE]",
    .details = "Every problem is shown at once, as FILE:LINE:COLUMN with the nearest known name.\n"
               "Exit: 0 when the profile can be used here, 2 when not.",
    .shared = COLLET_FLAGS_PROFILE,
    .n_operands_max = 1,
    .run = run_check,
};

const collet_command collet_cmd_profile_show = {
    .name = "profile show",
    .summary = "show the profile that is in force: flags, environment, files and defaults",
    .operands = "[FILE]",
    .details = "The output is a profile itself.",
    .flags = show_flags,
    .shared = COLLET_FLAGS_PROFILE | COLLET_FLAGS_JSON,
    .n_operands_max = 1,
    .run = run_show,
};
