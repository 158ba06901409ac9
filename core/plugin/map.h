// SPDX-License-Identifier: Apache-2.0
// core/plugin/map.h - dlopen of a checked descriptor, and the one symbol that a plugin exports.
#ifndef COLLET_CORE_PLUGIN_MAP_H
#define COLLET_CORE_PLUGIN_MAP_H

#include "collet/plugin/plugin.h"

// Maps the file behind `fd` (not its path again, which may have been swapped) with RTLD_NOW | RTLD_LOCAL. Nothing is
// ever unmapped. `path` is for messages, and for systems without /proc.
//
// When *keep_fd comes back as 1 the descriptor must stay open as long as the process: the dynamic linker knows the file
// as /proc/<pid>/fd/<fd>, and that name must never mean another one. (With the pid, and not `self`, gdb finds it too.)
//
// Errors: UNAVAILABLE  a library that it needs is missing        } dlerror()'s text
//         ABI          undefined symbols, too old a libc, ...    } and a remedy
collet_status collet_map(void **handle, int *keep_fd, int fd, const char *path, collet_error *err);

// Finds the entry function. Errors: NOT_FOUND (not a Collet plugin), ABI (the symbol is no function).
collet_status collet_map_entry(collet_plugin_entry_fn *entry, void *handle, collet_error *err);

// Calls it, twice: it must be pure. Errors: ABI.
collet_status collet_map_record(const collet_plugin **record, collet_plugin_entry_fn entry, collet_error *err);

#endif
