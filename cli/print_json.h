// SPDX-License-Identifier: Apache-2.0
// cli/print_json.h - one JSON object to stdout: how every --json ends; text that may be no UTF-8.
#ifndef COLLET_CLI_PRINT_JSON_H
#define COLLET_CLI_PRINT_JSON_H

#include <jansson.h>
#include <stdbool.h>

// Takes the object, prints it with jansson's `flags` and a newline, and returns an exit code. NULL, which is what
// json_pack() gives when memory ran out, is reported as such.
int collet_cli_print_json(json_t *object, size_t flags);

// Text that a model made, as JSON can hold it: bytes that are no UTF-8 (a character that the last token cut) become
// U+FFFD each, and *lossy (may be NULL) tells. NULL: no memory.
json_t *collet_cli_json_text(const char *text, size_t n_bytes, bool *lossy);

#endif
