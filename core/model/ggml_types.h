// SPDX-License-Identifier: Apache-2.0
// core/model/ggml_types.h - the ids that GGUF files give to weight formats.
#ifndef COLLET_CORE_MODEL_GGML_TYPES_H
#define COLLET_CORE_MODEL_GGML_TYPES_H

#include <stdint.h>

typedef struct collet_ggml_type {
    uint32_t id;
    const char *format;                // "q4_k"; NULL: a type that nobody here can read
    uint32_t block_elems, block_bytes; // 0 when format is NULL
    const char *gone_name, *gone_why;  // "IQ4_KS", "of ik_llama.cpp only"; NULL when format is set
} collet_ggml_type;

// Lends a constant; NULL when the id has never been given to anything.  Threads: [any-thread]
const collet_ggml_type *collet_ggml_type_of(uint32_t id);

// By format, "q4_k"; NULL when a GGUF file cannot hold it.  Threads: [any-thread]
const collet_ggml_type *collet_ggml_type_named(const char *format);

#endif
