// SPDX-License-Identifier: Apache-2.0
// cli/common.h - what every command does the same way: set up, fail, print.
#ifndef COLLET_CLI_COMMON_H
#define COLLET_CLI_COMMON_H

#include "cli/args.h"
#include "core/base/log.h"
#include "core/plugin/profile.h"
#include "core/plugin/registry.h"

enum {
    COLLET_EXIT_OK = 0,
    COLLET_EXIT_FAILED = 1,
    COLLET_EXIT_USAGE = 2,  // command line or profile
    COLLET_EXIT_MODEL = 3,  // a model file
    COLLET_EXIT_PLUGIN = 4, // a plugin
    COLLET_EXIT_MEMORY = 5,
    COLLET_EXIT_INTERRUPTED = 130
};

// Writes "collet: error: <message>" to stderr and returns the exit code: MEMORY for NOMEM and INTERRUPTED for CANCELLED
// whatever `exit_code` says, else exit_code; 0 chooses by err->code (FORMAT: MODEL, ABI: PLUGIN, INVALID: USAGE,
// others: FAILED).
int collet_cli_fail(const collet_error *err, int exit_code);

// A line of our own: collet_cli_error(COLLET_EXIT_USAGE, "--ids or --prompt is needed").
int collet_cli_error(int exit_code, const char *format, ...) COLLET_PRINTF(2, 3);

// Prints each line of `problems` as an error, or *err when there is none; returns exit_code.
int collet_cli_problems(const struct collet_text *problems, const collet_error *err, int exit_code);

// `collet --help`.
void collet_cli_print_overview(FILE *out);

// Flushes stdout; a full disk or a closed pipe is an error too. Commands that print end with `return
// collet_cli_finish();`.
int collet_cli_finish(void);

// The flags of COLLET_FLAGS_PROFILE, resolved: log, profile, registry with the built-in plugins.
typedef struct collet_session {
    collet_log log;
    collet_profile *profile;
    collet_registry *registry;
} collet_session;

// Loads the profile, looks for plugins, checks the one against the other. What is wrong has been printed when it
// returns other than COLLET_EXIT_OK; the session is then closed already.
int collet_session_open(collet_session *s, const collet_args *args);
void collet_session_close(collet_session *s); // accepts a zeroed one

#endif
