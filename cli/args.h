// SPDX-License-Identifier: Apache-2.0
// cli/args.h - commands and flags as tables: parsing, --help and the nearest name come from them.
#ifndef COLLET_CLI_ARGS_H
#define COLLET_CLI_ARGS_H

#include <stdbool.h>
#include <stdio.h>

#include "collet/plugin/plugin.h"

// One flag. `--name value` and `--name=value` are the same; so are `-n value` and `-nvalue`.
typedef struct collet_flag {
    const char *name;           // "max-tokens"; NULL ends a table
    char short_name;            // 'm'; 0: none
    uint32_t type;              // COLLET_OPT_*; BOOL is a switch and takes no value
    const char *metavar;        // "N"; NULL for switches
    const char *key;            // sets this key of the profile, whose type, range and help apply; NULL: a plain flag
    const char *help;           // one line, ends without a full stop
    const char *dflt;           // parsed like a given value; NULL: none
    const char *const *choices; // ENUM: NULL-terminated
    double min, max;            // INT, FLOAT, BYTES: inclusive; both 0: any
    bool repeatable;            // may be given several times; others: the last one wins
} collet_flag;

// Tables that several commands share, beside --help, --verbose and --quiet, which all have.
enum {
    COLLET_FLAGS_JSON = 1,    // --json
    COLLET_FLAGS_PROFILE = 2, // --profile, --set, --threads, --device, --context: what steers plugins and engine
    COLLET_FLAGS_MODEL = 4    // -m, --model
};

typedef struct collet_args collet_args;

// One command; each cli/cmd_*.c defines one or more, and commands.inc lists them in the order of --help.
typedef struct collet_command {
    const char *name;         // "generate", "profile check"
    const char *summary;      // one line, ends without a full stop
    const char *operands;     // "IN OUT"; NULL: takes none
    const char *details;      // paragraphs after the flags of --help; NULL: none
    const collet_flag *flags; // own flags; NULL: none
    uint32_t shared;          // COLLET_FLAGS_*
    uint32_t n_operands_min, n_operands_max;
    int (*run)(const collet_args *args); // returns a COLLET_EXIT_* (common.h)
} collet_command;

// A command line that passed its command's tables. Strings are those of argv.
#define COLLET_ARGS_MAX 256
struct collet_args {
    const collet_command *command;
    size_t n_given;
    struct {
        const collet_flag *flag;
        const char *text; // NULL for switches
        collet_value value;
    } given[COLLET_ARGS_MAX]; // in the order of the command line
    size_t n_operands;
    const char *operands[COLLET_ARGS_MAX];
    bool help;         // --help: nothing else was checked
    int32_t log_level; // COLLET_LOG_*: --verbose, --quiet
};

// Parses what follows the command's name. On failure one line in *err says what is wrong.  Errors: INVALID.
collet_status collet_args_parse(collet_args *args, const collet_command *command, int argc, char **argv,
                                collet_error *err);

// What a flag says: given, or its default, or "nothing" (NULL, 0, false). Asking for a flag that the command's tables
// lack is a defect and also answers "nothing".
bool collet_args_given(const collet_args *args, const char *name);
const char *collet_args_text(const collet_args *args, const char *name);
int64_t collet_args_int(const collet_args *args, const char *name);
double collet_args_float(const collet_args *args, const char *name);
bool collet_args_bool(const collet_args *args, const char *name);

// Repeatable flags: how many, and the i-th text.
size_t collet_args_count(const collet_args *args, const char *name);
const char *collet_args_nth(const collet_args *args, const char *name, size_t i);

// "1,2,3" as numbers: --ids. Ownership: gives *ids, free() it.  Errors: INVALID, NOMEM.
collet_status collet_args_ids(uint32_t **ids, size_t *n_ids, const char *text, collet_error *err);

// The page of one command.
void collet_args_print_help(FILE *out, const collet_command *command);

#define COMMAND(command) extern const collet_command command;
#include "cli/commands.inc"
#undef COMMAND

// All commands of this program, NULL-terminated, and one of them by the words at argv[0..]; *n_words is how many words
// its name has. NULL when there is none; *nearest (may be NULL) is then the nearest name, or NULL.
extern const collet_command *const collet_commands[];
const collet_command *collet_command_find(int argc, char **argv, int *n_words, const char **nearest);

#endif
