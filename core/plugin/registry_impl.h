// SPDX-License-Identifier: Apache-2.0
// core/plugin/registry_impl.h - the registry's structs, for registry.c and registry_open.c alone.
#ifndef COLLET_CORE_PLUGIN_REGISTRY_IMPL_H
#define COLLET_CORE_PLUGIN_REGISTRY_IMPL_H

#include <jansson.h>
#include <stdbool.h>

#include "core/plugin/digest.h"
#include "core/plugin/path_safety.h"
#include "core/plugin/registry.h"

typedef struct collet_entry { // one path
    collet_plugin_info info;  // texts lent by `answer`
    char *path;
    const collet_plugin_pin *pin; // during create() only
    collet_found file;            // file.path is "" until it was opened, and for built-in records
    char sha256[COLLET_DIGEST_CHARS];
    json_t *answer;
    collet_plugin_entry_fn entry; // once mapped
    const collet_plugin *record;  // built in, or once mapped
    size_t n_used;                // the how many-th plugin that was asked for a module, from 1; 0: not asked
} collet_entry;

struct collet_registry {
    const collet_log *log;
    bool unsafe_paths;
    collet_entry *entries;
    size_t n_entries;
    collet_module_info *modules;
    size_t n_modules;
    char **full_names;                 // "plugin:module" of each module whose id alone is ambiguous, else NULL
    const collet_module_info **opened; // room for n_modules
    size_t n_opened;
    size_t n_used; // plugins that were asked for a module
};

// Opens the file and applies the path rules of path_safety.h, or warns where unsafe_paths allows it.
// Errors: of collet_path_open() and collet_path_check().
collet_status collet_entry_open(const collet_registry *r, collet_found *file, int *fd, const char *path,
                                collet_error *err);

// Calls the plugin's shutdown(), when it has one.
void collet_entry_shutdown(const collet_entry *e);

#endif
