// SPDX-License-Identifier: Apache-2.0
// core/base/file.h - whole files: mapped for reading, or read into memory.
#ifndef COLLET_CORE_BASE_FILE_H
#define COLLET_CORE_BASE_FILE_H

#include "collet/base.h"

typedef struct collet_file {
    const uint8_t *data; // mapped read-only and shared; NULL when n_bytes is 0
    uint64_t n_bytes;
} collet_file;

// Maps a regular file. Errors: NOT_FOUND, IO (a directory, a pipe, no permission), NOMEM; messages begin with `path`.
// Ownership: gives *file; collet_file_unmap() frees, accepts a zeroed one.
collet_status collet_file_map(collet_file *file, const char *path, collet_error *err);
void collet_file_unmap(collet_file *file);

// Bytes of a mapped file that will hardly be read again: the whole pages among them leave this process's memory, and
// stay in the page cache. Reading them later is right, and brings them back.  Threads: [any-thread]
void collet_file_forget(const void *data, uint64_t n_bytes);

// Reads a text of at most n_bytes_max bytes, NUL-terminated; "-" is stdin. Ownership: gives *text, free() it.
// Errors: NOT_FOUND, IO, NOMEM, INVALID (larger than the bound).
collet_status collet_file_read(char **text, size_t *n_bytes, const char *path, size_t n_bytes_max, collet_error *err);

// Writes all of it under a temporary name, then renames: a reader sees the old file or the new one.
collet_status collet_file_replace(const char *path, const void *data, size_t n_bytes, collet_error *err);

#endif
