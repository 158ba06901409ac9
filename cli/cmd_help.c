// SPDX-License-Identifier: Apache-2.0
// cli/cmd_help.c - help: the pages that the tables make.
#include <string.h>

#include "cli/common.h"
#include "core/plugin/schema.h"

static int run(const collet_args *args)
{
    int n_words = 0;
    if (args->n_operands == 0) {
        collet_cli_print_overview(stdout);
        return collet_cli_finish();
    }
    if (args->n_operands == 1 && strcmp(args->operands[0], "options") == 0) {
        collet_schema_print_markdown(stdout);
        return collet_cli_finish();
    }
    const char *nearest = NULL;
    char **words = (char **)(uintptr_t)args->operands; // read only; main has char **
    const collet_command *command = collet_command_find((int)args->n_operands, words, &n_words, &nearest);
    if (!command)
        return collet_cli_error(COLLET_EXIT_USAGE, "there is no page '%s'%s%s", args->operands[0],
                                nearest ? "; did you mean " : "", nearest ? nearest : "");
    collet_args_print_help(stdout, command);
    return collet_cli_finish();
}

const collet_command collet_cmd_help = {
    .name = "help",
    .summary = "show the flags of a command, or all options of a profile",
    .operands = "[COMMAND | options]",
    .n_operands_max = 2,
    .run = run,
};
