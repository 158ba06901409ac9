// SPDX-License-Identifier: Apache-2.0
// include/collet/plugin/quant.h - collet.quant/0: one weight format: geometry, exact dequantize, quantize.
//
// The module defines what bytes mean; kernels (matmul.h) are compared with it. A row of n elements is n / block_elems
// blocks of block_bytes, one after the other, little-endian. Sources of the formats shipped here: ggml's block layouts,
// restated in docs/FORMATS.md.
#ifndef COLLET_PLUGIN_QUANT_H
#define COLLET_PLUGIN_QUANT_H

#include "plugin.h"

#define COLLET_QUANT_IFACE "collet.quant/0"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct collet_quant_vt {
    uint32_t size;
    uint32_t block_elems, block_bytes;
    int32_t ggml_type;  // the id in a GGUF file; -1: none
    const char *format; // "q4_k"

    // dst[i] = the value of element i, for n elements (a multiple of block_elems). Pure, bit-exact: products and sums
    // in f32 in the order of docs/FORMATS.md, no contraction. Mandatory.
    // Memory:  no alignment is assumed.  Threads: [any-thread]
    void (*dequantize)(void *mod, const void *src, float *dst, uint64_t n);

    // Writes n / block_elems blocks. imatrix: n importances >= 0, or NULL. NULL slot: the format cannot be made.
    // Errors:  UNSUPPORTED (needs an imatrix).  Threads: [any-thread]
    collet_status (*quantize)(void *mod, const float *src, void *dst, uint64_t n, const float *imatrix,
                              collet_error *err);
} collet_quant_vt;

#ifdef __cplusplus
}
#endif
#endif
