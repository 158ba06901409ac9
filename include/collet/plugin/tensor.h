// SPDX-License-Identifier: Apache-2.0
// include/collet/plugin/tensor.h - a view of memory: shape, strides, element format, packed layout.
//
// A tensor never owns its memory; whoever made the view says until when it is valid. Shapes are written outermost
// first, as in the text of this project: a weight is (n_out, n_in), activations are (tokens, dim).
//
// Formats and layouts are strings interned by the host (host.h): a format is how elements are coded (`f32`, `i32`,
// `q4_k`), a layout how a kernel wants them arranged (`q4_k.r8.avx2`). Layout 0 is canonical: rows as the format
// defines them (quant.h), one after the other. Ids are valid for one host; a plugin keeps ids per module, not globally.
#ifndef COLLET_PLUGIN_TENSOR_H
#define COLLET_PLUGIN_TENSOR_H

#include "../base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COLLET_DIMS_MAX 8

enum {
    COLLET_TENSOR_READONLY = 1, // writing is a fault: mapped weights
    COLLET_TENSOR_DYNAMIC = 2   // in descriptors: shape[0] is an upper bound, calls may have fewer
};

// Shapes:    shape[i] counts elements; stride[i] is in BYTES. A block format has stride[n_dims-1] == 0: elements of
//            one row cannot be addressed alone. With a packed layout only shape, data and n_bytes have a meaning.
// Memory:    no alignment is promised beyond the element's own, but for buffers from host->buf_alloc (64 bytes)
// Ownership: lent by the maker; `data` is an address of `domain`: the host may not follow it in other domains
typedef struct collet_tensor {
    uint32_t size; // sizeof(collet_tensor) as the writer compiled it
    uint16_t n_dims, flags;
    uint32_t format; // interned; 0 is invalid
    uint32_t layout; // interned; 0 is canonical
    uint32_t domain; // interned domain id ("cpu", "sim", "cuda")
    uint32_t reserved;
    void *data;       // NULL in descriptors of activations
    uint64_t n_bytes; // of the whole view
    int64_t shape[COLLET_DIMS_MAX], stride[COLLET_DIMS_MAX];
} collet_tensor;

#ifdef __cplusplus
}
#endif
#endif
