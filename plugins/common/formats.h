// SPDX-License-Identifier: Apache-2.0
// plugins/common/formats.h - the table of weight formats: names, geometry, exact decoders, encoders.
//
// collet_dequantize_<name>: dst[i] = the value of element i, for n elements (a multiple of the block). The products and
// sums are in f32, in the order of docs/FORMATS.md, uncontracted: ggml's bits.
// collet_quantize_<name>: the plain encoders of docs/FORMATS.md. imatrix: n importances >= 0, or NULL; the docs say
// which encoders read it. A non-finite value spoils the block that it is in, and nothing else.
//
// Memory:  src and dst do not overlap; blocks are aligned to nothing, floats as floats are
// Threads: [any-thread] pure
#ifndef COLLET_PLUGINS_COMMON_FORMATS_H
#define COLLET_PLUGINS_COMMON_FORMATS_H

#include <stddef.h>
#include <stdint.h>

typedef void collet_dequantize_fn(const void *src, float *dst, uint64_t n);
typedef void collet_quantize_fn(const float *src, void *dst, uint64_t n, const float *imatrix);

#define FORMAT(name, ggml, elems, bytes)           \
    collet_dequantize_fn collet_dequantize_##name; \
    collet_quantize_fn collet_quantize_##name;
#define DECODED(name, ggml, elems, bytes) collet_dequantize_fn collet_dequantize_##name;
#include "plugins/common/formats.inc"
#undef FORMAT
#undef DECODED

typedef struct collet_format {
    const char *name;                  // "q4_k"
    int32_t ggml_type;                 // its id in a GGUF file
    uint32_t block_elems, block_bytes; // a row of n elements is n / block_elems blocks
    collet_dequantize_fn *dequantize;
    collet_quantize_fn *quantize; // NULL: cannot be made here
} collet_format;

extern const collet_format collet_formats[];
extern const size_t collet_n_formats;

// Lends a line of the table; NULL: unknown.
const collet_format *collet_format_find(const char *name);

#endif
