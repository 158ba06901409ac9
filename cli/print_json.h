// SPDX-License-Identifier: Apache-2.0
// cli/print_json.h - one JSON object to stdout: how every --json ends.
#ifndef COLLET_CLI_PRINT_JSON_H
#define COLLET_CLI_PRINT_JSON_H

#include <jansson.h>

// Takes the object, prints it with jansson's `flags` and a newline, and returns an exit code. NULL, which is what
// json_pack() gives when memory ran out, is reported as such.
int collet_cli_print_json(json_t *object, size_t flags);

#endif
