// SPDX-License-Identifier: Apache-2.0
// core/model/quantize.h - one GGUF file into another: each tensor decoded, encoded as a recipe says, written.
//
// Tensors are cut into bands of rows; each worker of the pool takes the next band, decodes it in pieces that stay in
// its cache, encodes them row by row, and writes the band where it belongs: nothing waits for anything else, and the
// file is the same whatever the number of threads.
// Memory: per worker one band of the result (up to about 1 MiB) and one piece of float rows; not the tensors.
#ifndef COLLET_CORE_MODEL_QUANTIZE_H
#define COLLET_CORE_MODEL_QUANTIZE_H

#include <stdatomic.h>

#include "core/model/imatrix.h"
#include "core/model/recipe.h"
#include "core/plugin/runtime.h"

typedef struct collet_quantize_opts {
    collet_runtime *rt; // its pool does the work, its modules know the formats
    const collet_gguf *source;
    const collet_recipe *recipe;   // of `source`
    const collet_imatrix *imatrix; // NULL: without; was held against `source`
    const char *imatrix_name;      // as the file shall remember it
    const char *out_path;
    bool allow_nonfinite;
    const atomic_bool *cancel;                                    // may become true at any time; NULL: never
    void (*progress)(void *ctx, uint64_t n_done, uint64_t n_all); // elements; on the calling thread; NULL: none
    void *progress_ctx;
} collet_quantize_opts;

typedef struct collet_quantize_result {
    uint64_t n_elements;       // of all tensors
    uint64_t n_quantized;      // of those that were encoded anew
    uint64_t in_bytes;         // of all tensors
    uint64_t out_bytes;        // the same, padding not counted
    uint64_t file_bytes;       // of the whole new file
    uint64_t n_requantized;    // tensors that are encoded anew from a format that had already lost something
    uint64_t n_no_importance;  // encoded tensors that the imatrix says nothing of
    const char *no_importance; // the first of them; lent by `source`
    double work_s;             // decoding, encoding, writing
    double sync_s;             // waiting for the disk at the end
} collet_quantize_result;

// Fills a result with what can be said before the work: sizes, and what the imatrix lacks. For --dry-run.
// Errors: UNSUPPORTED, FORMAT (one part of several) as below
collet_status collet_quantize_plan(const collet_quantize_opts *opts, collet_quantize_result *result, collet_error *err);

// Errors: INVALID      the output is the input, or no file
//         FORMAT       a weight is NaN or infinite: the message has tensor and index
//         UNSUPPORTED  no module decodes or encodes a format, or one needs an imatrix for this tensor
//         IO           it cannot be written; too little space
//         CANCELLED, NOMEM
// Nothing stays under out_path, or what was there stays, unless OK is returned.
collet_status collet_quantize(const collet_quantize_opts *opts, collet_quantize_result *result, collet_error *err);

#endif
