// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/profile_helper.h - a folder of YAML files, an environment without COLLET_ variables, a profile.
#ifndef COLLET_TESTS_PROFILE_HELPER_H
#define COLLET_TESTS_PROFILE_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collet/plugin/op.h"
#include "core/base/text.h"
#include "core/plugin/profile.h"

typedef struct profile_test {
    char folder[256];     // of this test alone; HOME and XDG_CONFIG_HOME point into it
    collet_profile *p;    // of the last load
    collet_text problems; // of the last load; without the folder in front of file names
    collet_error err;     // of the last load
    const char *sets[16]; // --set, for the next load
    size_t n_sets;
} profile_test;

// cmocka set-up and tear-down; *state is the profile_test.
int profile_setup(void **state);
int profile_teardown(void **state);

// Writes a file into the test's folder.
void profile_file(profile_test *t, const char *name, const char *text);

// Loads `name` of the folder (NULL: no file) with t->sets. Returns the status.
collet_status profile_load(profile_test *t, const char *name);

// The same for a file "p.yaml" with this text: loads, or is refused with exactly these lines.
void profile_loads(profile_test *t, const char *text);
void profile_refused(profile_test *t, const char *text, const char *problems);

// What `profile show` prints. Lent until the next call.
const char *profile_shown(profile_test *t, bool with_origin);

#endif
