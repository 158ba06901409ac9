// SPDX-License-Identifier: Apache-2.0
// core/plugin/search.h - which files could be plugins, in order.
#ifndef COLLET_CORE_PLUGIN_SEARCH_H
#define COLLET_CORE_PLUGIN_SEARCH_H

#include <limits.h>
#include <stdbool.h>

#include "core/plugin/registry.h"

typedef struct collet_hit {
    char *path;
    const collet_plugin_pin *pin; // NULL: found in a folder
} collet_hit;

typedef struct collet_hits {
    collet_hit *list;
    size_t n, capacity;
} collet_hits;

// Pins first, then the folders as registry.h says: `libcollet_*.so` and `.dylib` by name, not recursive, never the
// current folder: a relative or empty entry is refused with a warning.
// Ownership: gives the paths; collet_hits_free() frees, accepts a zeroed list; borrows opts->pins.  Errors: NOMEM.
collet_status collet_search(collet_hits *hits, const collet_registry_opts *opts, collet_error *err);
void collet_hits_free(collet_hits *hits);

// The running program's folder with `relative` appended, or false.
bool collet_program_path(char out[PATH_MAX], const char *relative);

// A variable's value, or NULL when it is unset or empty, or when this process has more rights than its caller: whoever
// sets variables must not choose code for it.
const char *collet_user_env(const char *name);

// A file or folder of the user: $<variable>/<name>, or $HOME/<fallback>/<name>; false when neither is an absolute path.
bool collet_user_path(char out[PATH_MAX], const char *variable, const char *fallback, const char *name);

#endif
