// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/registry_helper.h - a registry over the folders of bad/, what it logged, files to spoil.
#ifndef COLLET_TESTS_REGISTRY_HELPER_H
#define COLLET_TESTS_REGISTRY_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/text.h"
#include "core/plugin/registry.h"

#define HELPER_PATHS_MAX 8

typedef struct helper {
    char folder[512];     // of this test alone, mode 0700
    char cache_path[600]; // in it; not written unless use_cache
    collet_registry *r;   // of the last helper_create()
    collet_error err;     // of the last helper_create()
    collet_log log;       // everything, into `lines`
    collet_text lines;
    char search[HELPER_PATHS_MAX][600];
    size_t n_search;
    collet_plugin_pin pins[HELPER_PATHS_MAX];
    size_t n_pins;
    const collet_plugin *const *built_in;
    size_t n_built_in;
    uint32_t use_cache, rescan, unsafe_paths, timeout_ms;
} helper;

// cmocka set-up and tear-down; *state is the helper. User folders and variables point into the test's folder.
int helper_setup(void **state);
int helper_teardown(void **state);

// The folder of one plugin of bad/, or a file in it. Lent until the next call.
const char *helper_bad(const char *name);
const char *helper_bad_file(const char *name);

// Adds a folder to the search path; forgets all of them.
void helper_search(helper *h, const char *folder);
void helper_reset(helper *h);

// Replaces h->r. Returns the status.
collet_status helper_create(helper *h);

// Creates over bad/<name> alone and returns what was found there; fails the test when that is not one file.
const collet_plugin_info *helper_one(helper *h, const char *name);

// The module with this id, "" meaning one without id; fails the test when there is none.
const collet_module_info *helper_module(const helper *h, const char *id);

// A file of h->folder with these bytes; a copy of bad/<name>'s. The path is lent until the next call.
const char *helper_write(helper *h, const char *name, const void *data, size_t n_bytes);
const char *helper_copy(helper *h, const char *name, const char *bad);
uint8_t *helper_read(const char *path, size_t *n_bytes); // free() it

// `text` holds `part`; prints both otherwise.
#define assert_holds(text, part) helper_assert_holds(text, part, __FILE__, __LINE__)
void helper_assert_holds(const char *text, const char *part, const char *file, int line);

#endif
