// SPDX-License-Identifier: Apache-2.0
// core/plugin/path_safety.h - may the file at this path become code of this process?
//
// A plugin runs with all rights of the user. So whoever can replace its file, or a folder on the way to it, must be
// somebody who could replace the program itself: root, the user of this process, or the owner of the running program
// (and its group, when the program is group-writable too).
#ifndef COLLET_CORE_PLUGIN_PATH_SAFETY_H
#define COLLET_CORE_PLUGIN_PATH_SAFETY_H

#include <limits.h>

#include "collet/base.h"

typedef struct collet_found { // a file, and what tells it from another or a changed one
    char path[PATH_MAX];      // without symbolic links
    uint64_t dev, inode, n_bytes;
    int64_t mtime_ns, ctime_ns;
    uint32_t mode, uid, gid;
} collet_found;

// Resolves and opens a regular file, never blocking: *fd is the caller's. Errors: NOT_FOUND (nothing there), FORMAT (a
// folder, pipe, device), IO. The messages leave out `path`.
collet_status collet_path_open(collet_found *out, int *fd, const char *path, collet_error *err);

// Is the file, and each folder above it, owned by somebody trusted and writable by nobody else? A sticky folder that
// everybody can write (/tmp) may lie above the plugin's own folder, but not be it.
// Errors: INVALID; the message says which path, why, and the chmod or chown that cures it.
collet_status collet_path_check(const collet_found *found, collet_error *err);

#endif
