// SPDX-License-Identifier: Apache-2.0
// core/plugin/registry_cache.h - answers of earlier scans, in one JSON file that may vanish, lie or be written twice.
//
// An answer is trusted while the file it is about, this core and this machine are the same. "The same file" is device,
// inode, size, mtime and ctime; a file that changed less than two seconds before it was scanned may have changed again
// without a trace in them, so its SHA-256 decides. mtime alone says nothing: some package systems set it to 1970.
#ifndef COLLET_CORE_PLUGIN_REGISTRY_CACHE_H
#define COLLET_CORE_PLUGIN_REGISTRY_CACHE_H

#include <jansson.h>
#include <stdbool.h>

#include "core/base/log.h"
#include "core/plugin/digest.h"
#include "core/plugin/path_safety.h"

typedef struct collet_cache collet_cache;

// Reads the file at `path` ("": no file). What cannot be used is forgotten with one warning.
// Ownership: gives; destroy frees, accepts NULL. NULL when memory ran out.
collet_cache *collet_cache_load(const char *path, const collet_log *log);
void collet_cache_destroy(collet_cache *cache);

// A new reference to the answer for this file, or NULL. hex gets its digest. fd is read when only that can tell.
json_t *collet_cache_find(collet_cache *cache, const collet_found *file, int fd, char hex[COLLET_DIGEST_CHARS]);

// Remembers an answer, unless it may be another one tomorrow on this machine: a missing library is installed, a driver
// is loaded. (What a `cpu` module lacks is part of the machine, so that is remembered.)
void collet_cache_put(collet_cache *cache, const collet_found *file, const char *hex, json_t *answer);

// Writes the file if something is new. A cache that cannot be written costs time, nothing else: one line at level info.
void collet_cache_save(collet_cache *cache);

#endif
