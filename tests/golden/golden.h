// SPDX-License-Identifier: Apache-2.0
// tests/golden/golden.h - where the golden data lie, and reading them. Include <cmocka.h> first.
//
// COLLET_GOLDENS names the folder; without it, ../shared/goldens beside the sources (ctest runs in the source folder).
// A runner reads the manifest that it finds there: another tree of the same form is run by setting the variable.
#ifndef COLLET_TESTS_GOLDEN_GOLDEN_H
#define COLLET_TESTS_GOLDEN_GOLDEN_H

#include <jansson.h>
#include <stddef.h>

// Writes "<goldens>/<folder>/<file>" into out (4096 bytes) and returns it.
const char *golden_path(char *out, const char *folder, const char *file);

// The parsed JSON file; NULL, with a line on stderr, when it is absent. Fails the test when it cannot be parsed.
json_t *golden_json(const char *folder, const char *file);

// The whole file, malloc()ed; fails the test when it is absent.
void *golden_read(size_t *n_bytes, const char *folder, const char *file);

#endif
