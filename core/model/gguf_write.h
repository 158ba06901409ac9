// SPDX-License-Identifier: Apache-2.0
// core/model/gguf_write.h - writes a GGUF file (version 3), whole or not at all.
//
// Invariant: nothing under the final name until commit(): the file grows without a name (O_TMPFILE) where the file
//            system can do that, else under a temporary one in the same folder, which destroy() removes. What stood
//            under the name before is replaced in one step.
// Lifecycle: create -> { copy_keys, set_*, add_tensor }* -> open -> { write }* -> commit -> destroy
// Layout:    as gguf.c reads it, and as other writers lay it out: tensors in the order in which they were added, each
//            padded to the alignment, the last one too
#ifndef COLLET_CORE_MODEL_GGUF_WRITE_H
#define COLLET_CORE_MODEL_GGUF_WRITE_H

#include "core/model/gguf.h"

typedef struct collet_gguf_writer collet_gguf_writer;

// Ownership: gives; destroy frees, and drops a file that was not committed; accepts NULL.  Errors: NOMEM
collet_status collet_gguf_writer_create(collet_gguf_writer **out, collet_error *err);
void collet_gguf_writer_destroy(collet_gguf_writer *w);

// All keys of `g`, in its order, and its alignment. Once; borrows `g` until open().
void collet_gguf_writer_copy_keys(collet_gguf_writer *w, const collet_gguf *g);

// Sets a key: in the place of a copied one of that name, else after them all. Setting twice is a defect.
// Errors: NOMEM
collet_status collet_gguf_writer_set_u32(collet_gguf_writer *w, const char *key, uint32_t value, collet_error *err);
collet_status collet_gguf_writer_set_str(collet_gguf_writer *w, const char *key, const char *text, collet_error *err);

// A tensor with the name and the shape of `like`, of another type. Borrows `like` until destroy.
// Errors: NOMEM, INVALID (an unknown type; rows that are no whole blocks of it; more than 2^64 bytes)
collet_status collet_gguf_writer_add_tensor(collet_gguf_writer *w, const collet_gguf_tensor *like, uint32_t ggml_type,
                                            collet_error *err);

// Makes the file: reserves the disk space of all of it, writes keys and tensor directory.
//
// Errors:  INVALID  `path` is a folder or a device, or the same file as `source` (may be NULL)
//          IO       it cannot be made; too little space: the message has needed and free bytes
//          NOMEM
// Signals: a limit on file sizes (ulimit -f) raises SIGXFSZ, which the program must ignore to get the error instead
collet_status collet_gguf_writer_open(collet_gguf_writer *w, const char *path, const collet_gguf *source,
                                      collet_error *err);
uint64_t collet_gguf_writer_file_bytes(const collet_gguf_writer *w); // once opened

// Writes n_bytes of tensor `index` (in the order of adding), from byte `at` of it. Every byte is written by the caller;
// padding is there already.  Errors: IO.  Threads: [any-thread] parts that do not overlap
collet_status collet_gguf_writer_write(collet_gguf_writer *w, uint64_t index, uint64_t at, const void *data,
                                       uint64_t n_bytes, collet_error *err);

// Brings it to the disk and gives it its name.  Errors: IO
collet_status collet_gguf_writer_commit(collet_gguf_writer *w, collet_error *err);

#endif
