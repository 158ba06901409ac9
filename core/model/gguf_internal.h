// SPDX-License-Identifier: Apache-2.0
// core/model/gguf_internal.h - what gguf.c (opening) and gguf_values.c (asking) share.
#ifndef COLLET_CORE_MODEL_GGUF_INTERNAL_H
#define COLLET_CORE_MODEL_GGUF_INTERNAL_H

#include <string.h>

#include "core/base/file.h"
#include "core/model/gguf.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "GGUF is read as it lies in the file");

struct collet_gguf {
    collet_file file;
    char *path;
    uint32_t version;
    uint64_t alignment;
    uint64_t n_kv, n_tensors;
    collet_gguf_kv *kv;                         // in the order of the file
    collet_gguf_tensor *tensors;                // in the order of the file
    const collet_gguf_kv **kv_by_key;           // sorted by key; sorting, unlike hashing, cannot be made quadratic
    const collet_gguf_tensor **tensors_by_name; // sorted by name
};

static inline uint32_t load_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t load_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

// Bytes of one value; 0 for strings, arrays and unknown types.
uint32_t collet_gguf_scalar_bytes(uint32_t type);

// Orders names: by bytes, a prefix first.
int collet_gguf_name_order(const char *a, size_t n_a, const char *b, size_t n_b);

#endif
