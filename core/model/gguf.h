// SPDX-License-Identifier: Apache-2.0
// core/model/gguf.h - a GGUF file (version 2 or 3, little-endian): its keys and its tensors, mapped and checked.
//
// Invariant: what open() returned is sound: every count, length, type, shape and offset was checked against the file,
//            keys and tensor names are unique, tensors lie in the file one after the other. What keys mean is the
//            business of others (core/model/arch*, core/text).
// Memory:    a small multiple of what the file itself spends on its directory; tensor data and strings stay in the
//            mapping and are lent until close().
// Threads:   [any-thread] once opened: nothing here changes
#ifndef COLLET_CORE_MODEL_GGUF_H
#define COLLET_CORE_MODEL_GGUF_H

#include <stdbool.h>

#include "collet/base.h"

typedef struct collet_gguf collet_gguf;

#define COLLET_GGUF_DIMS_MAX 4
#define COLLET_GGUF_NAME_MAX 63 // bytes of a tensor's name

// Types of values, as numbered in the file.
enum {
    COLLET_GGUF_U8 = 0,
    COLLET_GGUF_I8 = 1,
    COLLET_GGUF_U16 = 2,
    COLLET_GGUF_I16 = 3,
    COLLET_GGUF_U32 = 4,
    COLLET_GGUF_I32 = 5,
    COLLET_GGUF_F32 = 6,
    COLLET_GGUF_BOOL = 7,
    COLLET_GGUF_STRING = 8,
    COLLET_GGUF_ARRAY = 9,
    COLLET_GGUF_U64 = 10,
    COLLET_GGUF_I64 = 11,
    COLLET_GGUF_F64 = 12
};

// n values of one type, in the mapping and unaligned: read them with the functions below.
typedef struct collet_gguf_array {
    const uint8_t *data;
    uint64_t n;       // 1 for a scalar
    uint64_t n_bytes; // of all of them, length fields of strings included
    uint32_t type;    // COLLET_GGUF_*, never ARRAY
} collet_gguf_array;

typedef struct collet_gguf_kv {
    const char *key; // n_key bytes, not terminated
    uint32_t n_key;
    bool is_array;
    collet_gguf_array value;
} collet_gguf_kv;

typedef struct collet_gguf_tensor {
    char name[COLLET_GGUF_NAME_MAX + 1];
    uint32_t n_dims;                     // 1..4
    uint32_t ggml_type;                  // as in the file
    uint64_t dims[COLLET_GGUF_DIMS_MAX]; // innermost first: dims[0] is the length of a row; those not in use are 1
    const char *format;                  // "q4_k"
    uint32_t block_elems, block_bytes;   // dims[0] is a multiple of block_elems
    const uint8_t *data;                 // n_bytes, aligned as the file is
    uint64_t n_bytes;
    uint64_t offset; // of data, from the start of the file
} collet_gguf_tensor;

// Ownership: gives *out, close() frees; close accepts NULL
// Errors:    NOT_FOUND, IO   the file cannot be read
//            FORMAT          it breaks the format: the message says what, where, and what was wanted
//            NOMEM
collet_status collet_gguf_open(collet_gguf **out, const char *path, collet_error *err);
void collet_gguf_close(collet_gguf *g);

// The keys' values will hardly be read again: their pages leave this process's memory until they are.
void collet_gguf_forget_header(const collet_gguf *g);

const char *collet_gguf_path(const collet_gguf *g);
uint32_t collet_gguf_version(const collet_gguf *g);
uint64_t collet_gguf_file_bytes(const collet_gguf *g);

// ---- tensors, in the order of the file ----
uint64_t collet_gguf_n_tensors(const collet_gguf *g);
const collet_gguf_tensor *collet_gguf_tensor_at(const collet_gguf *g, uint64_t i);         // i < n_tensors
const collet_gguf_tensor *collet_gguf_find_tensor(const collet_gguf *g, const char *name); // NULL: not there

// ---- keys, in the order of the file ----
uint64_t collet_gguf_n_kv(const collet_gguf *g);
const collet_gguf_kv *collet_gguf_kv_at(const collet_gguf *g, uint64_t i);     // i < n_kv
const collet_gguf_kv *collet_gguf_find(const collet_gguf *g, const char *key); // NULL: not there

// One value. For a key with a default, set *out to it first and accept NOT_FOUND too.
//
// Ownership: strings are lent until close(), not terminated, and may hold any byte
// Errors:    NOT_FOUND  the file has no such key      } outputs are
//            FORMAT     of another type or out of range } untouched
collet_status collet_gguf_get_u64(uint64_t *out, const collet_gguf *g, const char *key, collet_error *err);
collet_status collet_gguf_get_u32(uint32_t *out, const collet_gguf *g, const char *key, collet_error *err);
collet_status collet_gguf_get_f32(float *out, const collet_gguf *g, const char *key, collet_error *err);
collet_status collet_gguf_get_bool(bool *out, const collet_gguf *g, const char *key, collet_error *err);
collet_status collet_gguf_get_str(const char **text, size_t *n_bytes, const collet_gguf *g, const char *key,
                                  collet_error *err);

// For keys that are one number or one per layer (head counts, feed-forward lengths): element i of the array, or the
// scalar whatever i is. FORMAT when the array is too short.
collet_status collet_gguf_get_u64_at(uint64_t *out, const collet_gguf *g, const char *key, uint64_t i,
                                     collet_error *err);

// A whole array; `type` is the element type wanted, or ARRAY for any.
collet_status collet_gguf_get_array(collet_gguf_array *out, const collet_gguf *g, const char *key, uint32_t type,
                                    collet_error *err);

// Element i < a->n: integers and bool (0, 1) by the first two, any number by the third. False, *out undefined: not a
// number of that kind, or out of range.
bool collet_gguf_array_u64(uint64_t *out, const collet_gguf_array *a, uint64_t i);
bool collet_gguf_array_i64(int64_t *out, const collet_gguf_array *a, uint64_t i);
bool collet_gguf_array_f64(double *out, const collet_gguf_array *a, uint64_t i);

// Strings come one after the other: takes the first off a copy of the array; false at its end. Gemma's 262144 take
// under 2 ms.
bool collet_gguf_array_next(collet_gguf_array *rest, const char **text, uint64_t *n_bytes);

// ---- for people ----
const char *collet_gguf_type_name(uint32_t type); // "u32", "string", "array"; "unknown"

// "2048", "0.5", "\"llama\"", "[262144 x string] \"<pad>\", \"<eos>\", ...": printable, cut at n_out, terminated.
const char *collet_gguf_format_value(char *out, size_t n_out, const collet_gguf_kv *kv);

#endif
