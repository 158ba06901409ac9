// SPDX-License-Identifier: Apache-2.0
// cli/main.c - finds the command, lets its tables read the command line, runs it.
#include <stdio.h>
#include <string.h>

#include "cli/common.h"

void collet_cli_print_overview(FILE *out)
{
    fputs("usage: collet COMMAND [flags]\n\nRuns language models with kernels that are chosen by a profile.\n\n", out);
    for (size_t i = 0; collet_commands[i]; i++)
        fprintf(out, "  %-16s %s\n", collet_commands[i]->name, collet_commands[i]->summary);
    fputs("\n`collet help COMMAND` shows its flags. Results go to stdout, everything else to stderr.\n"
          "Exit: 0 ok, 1 failed, 2 usage or profile, 3 model file, 4 plugin, 5 out of memory, 130 interrupted.\n",
          out);
}

// "profile" alone is the beginning of several names.
static int unknown_command(char **argv, const char *nearest)
{
    size_t n = strlen(argv[0]);
    char list[256] = "";
    for (size_t i = 0; collet_commands[i]; i++) {
        const char *name = collet_commands[i]->name;
        size_t used = strlen(list);
        if (strncmp(name, argv[0], n) == 0 && name[n] == ' ')
            snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", name);
    }
    if (list[0])
        return collet_cli_error(COLLET_EXIT_USAGE, "which one: %s?", list);
    if (nearest)
        return collet_cli_error(COLLET_EXIT_USAGE, "there is no command '%s'; did you mean '%s'?", argv[0], nearest);
    return collet_cli_error(COLLET_EXIT_USAGE, "there is no command '%s'; `collet --help` lists them", argv[0]);
}

int main(int argc, char **argv)
{
    static collet_args args; // large, and needed until the program ends
    if (argc < 2) {
        collet_cli_print_overview(stderr);
        return COLLET_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("collet %s (plugin ABI %u.%u)\n", COLLET_VERSION, COLLET_ABI_MAJOR, COLLET_ABI_MINOR);
        return collet_cli_finish();
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        collet_cli_print_overview(stdout);
        return collet_cli_finish();
    }
    int n_words = 0;
    const char *nearest = NULL;
    const collet_command *command = collet_command_find(argc - 1, argv + 1, &n_words, &nearest);
    if (!command)
        return unknown_command(argv + 1, nearest);
    collet_error err = COLLET_ERROR_INIT;
    if (collet_args_parse(&args, command, argc - 1 - n_words, argv + 1 + n_words, &err) != COLLET_OK)
        return collet_cli_fail(&err, COLLET_EXIT_USAGE);
    if (args.help) {
        collet_args_print_help(stdout, command);
        return collet_cli_finish();
    }
    return command->run(&args);
}
