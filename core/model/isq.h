// SPDX-License-Identifier: Apache-2.0
// core/model/isq.h - quantizing while loading: which weights change their format, and how a band of rows is made.
//
// The profile's `isq`, `topology` and `imatrix` decide (recipe.h). A weight that changes looks to plans as if the file
// had held it in the new format; its bytes come into being when a plan binds (plan_weights.c), band by band of rows, on
// all workers, straight into the layouts that the chosen modules asked for.
// Memory: the result, and for each worker one band of float rows and one of blocks; mapped pages are given back as soon
//         as their rows are done.
#ifndef COLLET_CORE_MODEL_ISQ_H
#define COLLET_CORE_MODEL_ISQ_H

#include "core/model/codec.h"
#include "core/model/imatrix.h"
#include "core/model/weight.h"

#define COLLET_ISQ_BAND_ELEMS (128u << 10) // of a band, at least a row group: 512 KiB of floats

// Where a weight that changes its format comes from.
typedef struct collet_isq_source {
    const collet_gguf_tensor *from;
    collet_codec decode, encode;
    const collet_imatrix_entry *importance; // NULL: none
    bool allow_nonfinite;
} collet_isq_source;

typedef struct collet_isq collet_isq;

// Asks the profile, and changes the weights (one per tensor of g, in its order) that it names. *out is NULL when none
// changes. What falls back is said once, as a warning.
//
// Ownership: gives *out, which the weights borrow; destroy() frees, accepts NULL; borrows rt and g until then
// Errors:    INVALID  names, rules, topology, an importance matrix of another model, or one of these files missing
//            UNSUPPORTED  no module decodes or encodes a format
//            FORMAT  the importance matrix is damaged      NOMEM
collet_status collet_isq_create(collet_isq **out, collet_runtime *rt, const collet_gguf *g, collet_weight *weights,
                                collet_error *err);
void collet_isq_destroy(collet_isq *q);

uint64_t collet_isq_row_bytes(const collet_weight *w); // of the new format
uint64_t collet_isq_n_rows(const collet_weight *w);

// Makes rows [row_begin, row_end) at `blocks`; `values` has room for as many rows of floats. Gives the pages of the
// source back that hold nothing else.
//
// Errors:  FORMAT       a weight is NaN or infinite: the message has tensor and index
//          UNSUPPORTED  the format cannot be made without an importance matrix
// Threads: [worker]
collet_status collet_isq_make_rows(const collet_weight *w, uint64_t row_begin, uint64_t row_end, float *values,
                                   uint8_t *blocks, collet_error *err);

#endif
