// SPDX-License-Identifier: Apache-2.0
// core/model/imatrix.h - an importance matrix as llama.cpp's llama-imatrix writes it, in its old form (.dat) and as
// GGUF.
//
// One entry per weight: for each column (input) of its rows the mean of the squared activations that met it, per matrix
// of a stack of experts. Quantizers weight their errors with it. A matrix of a stack that met no token has 1
// everywhere.
//
// Old form, little-endian, nothing aligned:
//     | i32 n_entries | n_entries x { i32 length, name | i32 n_calls | i32 n | n x f32: means times n_calls } |
//     then, optional: | i32 n_chunks | i32 length, name of the data set |
// GGUF: per weight W the f32 tensors "W.in_sum2" (columns, matrices), sums of squares, and "W.counts" (1, matrices);
//     keys imatrix.datasets, imatrix.chunk_count.
//
// Invariant: names are unique, values finite and >= 0, sizes checked against the file.
// Threads:   [any-thread] once opened
#ifndef COLLET_CORE_MODEL_IMATRIX_H
#define COLLET_CORE_MODEL_IMATRIX_H

#include "core/model/gguf.h"

typedef struct collet_imatrix collet_imatrix;

typedef struct collet_imatrix_entry {
    const char *name;    // of the weight, terminated
    const float *values; // n_values: columns of the first matrix, of the second, ...
    uint64_t n_values;
} collet_imatrix_entry;

// Ownership: gives *out, close() frees; close accepts NULL
// Errors:    NOT_FOUND, IO   the file cannot be read
//            FORMAT          it is no importance matrix, or a damaged one
//            NOMEM
collet_status collet_imatrix_open(collet_imatrix **out, const char *path, collet_error *err);
void collet_imatrix_close(collet_imatrix *im);

const char *collet_imatrix_path(const collet_imatrix *im);
uint64_t collet_imatrix_n_entries(const collet_imatrix *im);
const collet_imatrix_entry *collet_imatrix_entry_at(const collet_imatrix *im, uint64_t i);          // sorted by name
const collet_imatrix_entry *collet_imatrix_find(const collet_imatrix *im, const char *tensor_name); // NULL: not there
uint64_t collet_imatrix_n_chunks(const collet_imatrix *im);   // of text that it was made with; 0: unknown
const char *collet_imatrix_dataset(const collet_imatrix *im); // name of that text; NULL: unknown

// Holds every entry against the model: a weight of this name must be there, with that many columns.
// Errors: INVALID: the message names both files, the tensor and both lengths
collet_status collet_imatrix_check(const collet_imatrix *im, const collet_gguf *g, collet_error *err);

// The dims[0] importances of row `row` (counted over all matrices) of tensor t, whose entry e is and passed check().
static inline const float *collet_imatrix_row(const collet_imatrix_entry *e, const collet_gguf_tensor *t, uint64_t row)
{
    return e->values + row / t->dims[1] * t->dims[0];
}

#endif
