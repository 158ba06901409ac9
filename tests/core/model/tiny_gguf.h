// SPDX-License-Identifier: Apache-2.0
// tests/core/model/tiny_gguf.h - model files for tests of what is decided by names and shapes: all weights are zero.
#ifndef COLLET_TESTS_MODEL_TINY_GGUF_H
#define COLLET_TESTS_MODEL_TINY_GGUF_H

#include "core/model/gguf.h"

typedef struct tiny_tensor {
    const char *name;
    uint64_t n_in, n_out, n_stack; // innermost first; 0: that dimension is not there
} tiny_tensor;

typedef struct tiny_gguf {
    uint32_t n_layers, n_heads, n_kv_heads, n_experts; // keys of the architecture `llama`; 0: no such key
    const tiny_tensor *tensors;                        // ends with a NULL name; all in f16, vectors in f32
} tiny_gguf;

// Writes the file; a failure ends the test.
void tiny_gguf_write(const char *path, const tiny_gguf *t);

// The same, opened.  Ownership: gives; collet_gguf_close() frees
collet_gguf *tiny_gguf_open(const char *path, const tiny_gguf *t);

#endif
