// SPDX-License-Identifier: Apache-2.0
// core/model/gguf.c - opening a GGUF file: header, keys, tensor directory. Nothing is believed before it was checked.
//
// Layout:  | "GGUF" | u32 version | u64 n_tensors | u64 n_kv | keys | tensor infos | padding | tensor data |
//          key:         | u64 length, bytes | u32 type | value |
//          tensor info: | u64 length, name | u32 n_dims | n_dims x u64 | u32 type | u64 offset in the data |
#include "core/model/gguf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/arith.h"
#include "core/base/error.h"
#include "core/base/text.h"
#include "core/model/ggml_types.h"
#include "core/model/gguf_internal.h"

#define HEADER_BYTES 24u
#define KV_BYTES_MIN 14u          // length, one byte, type, one byte
#define TENSOR_INFO_BYTES_MIN 33u // length, one byte, n_dims, one dimension, type, offset
#define KEY_BYTES_MAX 65535u
#define ALIGNMENT_DEFAULT 32u
#define ALIGNMENT_MAX (1u << 20) // larger ones only serve to make offsets wrap
#define AGAIN "the file is damaged or incomplete: fetch it again"

// Where reading has got to, and what it is inside of, for messages.
typedef struct reader {
    collet_gguf *g;
    collet_error *err;
    uint64_t at;
    const char *part; // "key", "tensor"; NULL in the header
    uint64_t index;
    const char *name; // of this key or tensor, once known
    size_t n_name;
    char text[160]; // what inside() returned last
} reader;

// "key 3 of 22 ('llama.block_count')".
static const char *inside(reader *r)
{
    if (!r->part)
        return "the 24-byte header";
    char name[96];
    uint64_t n = r->part[0] == 'k' ? r->g->n_kv : r->g->n_tensors;
    int used = snprintf(r->text, sizeof r->text, "%s %" PRIu64 " of %" PRIu64, r->part, r->index + 1, n);
    if (r->name)
        snprintf(r->text + used, sizeof r->text - (size_t)used, " ('%s')",
                 collet_escape(name, sizeof name, r->name, r->n_name));
    return r->text;
}

static uint64_t left(const reader *r)
{
    return r->g->file.n_bytes - r->at;
}

// The next n_bytes, or NULL with the error written.
static const uint8_t *take(reader *r, uint64_t n_bytes)
{
    if (n_bytes > left(r)) {
        collet_fail(r->err, COLLET_E_FORMAT,
                    r->part ? "%s: ends at byte %" PRIu64 ", inside %s; " AGAIN
                            : "%s: ends at byte %" PRIu64 ", inside %s",
                    r->g->path, r->g->file.n_bytes, inside(r));
        return NULL;
    }
    const uint8_t *p = r->g->file.data + r->at;
    r->at += n_bytes;
    return p;
}

static collet_status take_u32(reader *r, uint32_t *out)
{
    const uint8_t *p = take(r, sizeof *out);
    if (!p)
        return COLLET_E_FORMAT;
    *out = load_u32(p);
    return COLLET_OK;
}

static collet_status take_u64(reader *r, uint64_t *out)
{
    const uint8_t *p = take(r, sizeof *out);
    if (!p)
        return COLLET_E_FORMAT;
    *out = load_u64(p);
    return COLLET_OK;
}

static collet_status take_string(reader *r, const char **text, uint64_t *n_bytes, const char *what)
{
    uint64_t at = r->at;
    collet_status st = take_u64(r, n_bytes);
    if (st != COLLET_OK)
        return st;
    if (*n_bytes > left(r))
        return collet_fail(r->err, COLLET_E_FORMAT,
                           "%s: %s of %s, at byte %" PRIu64 ", claims %" PRIu64 " bytes where %" PRIu64
                           " are left; " AGAIN,
                           r->g->path, what, inside(r), at, *n_bytes, left(r));
    *text = (const char *)take(r, *n_bytes);
    return COLLET_OK;
}

static collet_status read_header(reader *r)
{
    collet_gguf *g = r->g;
    if (g->file.n_bytes == 0)
        return collet_fail(r->err, COLLET_E_FORMAT, "%s: is empty, a GGUF file was wanted; fetch it again", g->path);
    if (g->file.n_bytes >= 4 && memcmp(g->file.data, "GGUF", 4) != 0) {
        char magic[24];
        return collet_fail(r->err, COLLET_E_FORMAT,
                           "%s: begins with '%s', not with 'GGUF': it is no GGUF file; give one, or convert it",
                           g->path, collet_escape(magic, sizeof magic, (const char *)g->file.data, 4));
    }
    const uint8_t *p = take(r, HEADER_BYTES);
    if (!p)
        return COLLET_E_FORMAT;
    g->version = load_u32(p + 4);
    g->n_tensors = load_u64(p + 8);
    g->n_kv = load_u64(p + 16);
    if (g->version != 0 && (g->version & 0xffff) == 0)
        return collet_fail(r->err, COLLET_E_FORMAT,
                           "%s: is a big-endian GGUF file (version 0x%08x at byte 4); convert it to little-endian",
                           g->path, g->version);
    if (g->version != 2 && g->version != 3)
        return collet_fail(r->err, COLLET_E_FORMAT,
                           "%s: is GGUF version %" PRIu32 " (at byte 4), 2 or 3 were wanted; convert it again with %s",
                           g->path, g->version, g->version < 2 ? "a current converter" : "an older converter");
    // Before anything is allocated: so many keys and tensors must be able to lie in a file of this size.
    if (g->n_tensors > left(r) / TENSOR_INFO_BYTES_MIN)
        return collet_fail(r->err, COLLET_E_FORMAT,
                           "%s: claims %" PRIu64 " tensors (at byte 8), its %" PRIu64
                           " bytes cannot hold more than %" PRIu64 "; " AGAIN,
                           g->path, g->n_tensors, g->file.n_bytes, left(r) / TENSOR_INFO_BYTES_MIN);
    if (g->n_kv > left(r) / KV_BYTES_MIN)
        return collet_fail(r->err, COLLET_E_FORMAT,
                           "%s: claims %" PRIu64 " keys (at byte 16), its %" PRIu64
                           " bytes cannot hold more than %" PRIu64 "; " AGAIN,
                           g->path, g->n_kv, g->file.n_bytes, left(r) / KV_BYTES_MIN);
    return COLLET_OK;
}

static collet_status allocate(reader *r)
{
    collet_gguf *g = r->g;
    size_t n_kv = (size_t)g->n_kv + 1, n_tensors = (size_t)g->n_tensors + 1; // + 1: none is no special case
    g->kv = calloc(n_kv, sizeof *g->kv);
    g->kv_by_key = calloc(n_kv, sizeof *g->kv_by_key);
    g->tensors = calloc(n_tensors, sizeof *g->tensors);
    g->tensors_by_name = calloc(n_tensors, sizeof *g->tensors_by_name);
    if (!g->kv || !g->kv_by_key || !g->tensors || !g->tensors_by_name)
        return collet_fail(r->err, COLLET_E_NOMEM,
                           "%s: no memory for a directory of %" PRIu64 " keys and %" PRIu64 " tensors", g->path,
                           g->n_kv, g->n_tensors);
    return COLLET_OK;
}

// Steps over the values and checks what can be wrong inside them.
static collet_status read_values(reader *r, collet_gguf_array *a)
{
    uint64_t at = r->at, n_bytes = 0;
    a->data = r->g->file.data + at;
    if (a->type == COLLET_GGUF_STRING) {
        const char *text;
        for (uint64_t i = 0; i < a->n; i++) {
            collet_status st = take_string(r, &text, &n_bytes, a->n == 1 ? "the string" : "a string");
            if (st != COLLET_OK)
                return st;
        }
        a->n_bytes = r->at - at;
        return COLLET_OK;
    }
    if (!collet_mul_u64(a->n, collet_gguf_scalar_bytes(a->type), &n_bytes) || n_bytes > left(r))
        return collet_fail(r->err, COLLET_E_FORMAT,
                           "%s: the %" PRIu64 " values (%s) of %s, from byte %" PRIu64 ", do not fit into the %" PRIu64
                           " bytes left; " AGAIN,
                           r->g->path, a->n, collet_gguf_type_name(a->type), inside(r), at, left(r));
    a->n_bytes = n_bytes;
    r->at += n_bytes;
    if (a->type == COLLET_GGUF_BOOL)
        for (uint64_t i = 0; i < a->n; i++)
            if (a->data[i] > 1)
                return collet_fail(r->err, COLLET_E_FORMAT,
                                   "%s: a bool of %s is %u (at byte %" PRIu64 "), 0 or 1 were wanted; " AGAIN,
                                   r->g->path, inside(r), a->data[i], at + i);
    return COLLET_OK;
}

static collet_status read_kv(reader *r, collet_gguf_kv *kv)
{
    const char *key = NULL;
    uint64_t n_key = 0, at = r->at;
    collet_status st = take_string(r, &key, &n_key, "the name");
    if (st != COLLET_OK)
        return st;
    if (n_key == 0 || n_key > KEY_BYTES_MAX)
        return collet_fail(r->err, COLLET_E_FORMAT,
                           "%s: the name of %s, at byte %" PRIu64 ", has %" PRIu64
                           " bytes, 1 to %u were wanted; " AGAIN,
                           r->g->path, inside(r), at, n_key, KEY_BYTES_MAX);
    r->name = kv->key = key;
    r->n_name = kv->n_key = (uint32_t)n_key;

    at = r->at;
    st = take_u32(r, &kv->value.type);
    kv->value.n = 1;
    kv->is_array = kv->value.type == COLLET_GGUF_ARRAY;
    if (st == COLLET_OK && kv->is_array) {
        at = r->at;
        st = take_u32(r, &kv->value.type);
        if (st == COLLET_OK)
            st = take_u64(r, &kv->value.n);
    }
    if (st != COLLET_OK)
        return st;
    if (kv->is_array && kv->value.type == COLLET_GGUF_ARRAY)
        return collet_fail(r->err, COLLET_E_FORMAT,
                           "%s: %s is an array of arrays (at byte %" PRIu64
                           "), which GGUF readers do not take; remove the key",
                           r->g->path, inside(r), at);
    if (kv->value.type > COLLET_GGUF_F64)
        return collet_fail(r->err, COLLET_E_FORMAT,
                           "%s: %s has the unknown value type %" PRIu32 " (at byte %" PRIu64
                           "), 0 to 12 were wanted; " AGAIN,
                           r->g->path, inside(r), kv->value.type, at);
    return read_values(r, &kv->value);
}

static int order_kv(const void *a, const void *b)
{
    const collet_gguf_kv *x = *(const collet_gguf_kv *const *)a, *y = *(const collet_gguf_kv *const *)b;
    int order = collet_gguf_name_order(x->key, x->n_key, y->key, y->n_key);
    return order ? order : (x > y) - (x < y); // equal keys in the order of the file
}

static collet_status read_kvs(reader *r)
{
    collet_gguf *g = r->g;
    for (uint64_t i = 0; i < g->n_kv; i++) {
        r->part = "key";
        r->index = i;
        r->name = NULL;
        collet_status st = read_kv(r, &g->kv[i]);
        if (st != COLLET_OK)
            return st;
        g->kv_by_key[i] = &g->kv[i];
    }
    qsort(g->kv_by_key, (size_t)g->n_kv, sizeof *g->kv_by_key, order_kv);
    for (uint64_t i = 1; i < g->n_kv; i++) {
        const collet_gguf_kv *a = g->kv_by_key[i - 1], *b = g->kv_by_key[i];
        char name[160];
        if (collet_gguf_name_order(a->key, a->n_key, b->key, b->n_key) == 0)
            return collet_fail(
                r->err, COLLET_E_FORMAT, "%s: key '%s' stands twice (at bytes %" PRIu64 " and %" PRIu64 "); remove one",
                g->path, collet_escape(name, sizeof name, a->key, a->n_key),
                (uint64_t)((const uint8_t *)a->key - g->file.data), (uint64_t)((const uint8_t *)b->key - g->file.data));
    }
    return COLLET_OK;
}

static collet_status read_alignment(reader *r)
{
    collet_gguf *g = r->g;
    g->alignment = ALIGNMENT_DEFAULT;
    collet_status st = COLLET_OK;
    if (collet_gguf_find(g, "general.alignment"))
        st = collet_gguf_get_u64(&g->alignment, g, "general.alignment", r->err);
    if (st != COLLET_OK)
        return st;
    if (g->alignment == 0 || g->alignment > ALIGNMENT_MAX || (g->alignment & (g->alignment - 1)) != 0)
        return collet_fail(r->err, COLLET_E_FORMAT,
                           "%s: general.alignment is %" PRIu64 ", a power of two up to %u was wanted; correct the key",
                           g->path, g->alignment, ALIGNMENT_MAX);
    return COLLET_OK;
}

// Name and shape.
static collet_status read_shape(reader *r, collet_gguf_tensor *t)
{
    const char *name = NULL;
    uint64_t n_name = 0, at = r->at;
    collet_status st = take_string(r, &name, &n_name, "the name");
    if (st != COLLET_OK)
        return st;
    if (n_name == 0 || n_name > COLLET_GGUF_NAME_MAX || memchr(name, '\0', (size_t)n_name))
        return collet_fail(r->err, COLLET_E_FORMAT,
                           "%s: the name of %s, at byte %" PRIu64 ", has %" PRIu64
                           " bytes%s, 1 to %d without NUL were wanted; " AGAIN,
                           r->g->path, inside(r), at, n_name,
                           n_name && n_name <= COLLET_GGUF_NAME_MAX ? ", a NUL among them" : "", COLLET_GGUF_NAME_MAX);
    memcpy(t->name, name, (size_t)n_name);
    r->name = name;
    r->n_name = (size_t)n_name;

    at = r->at;
    st = take_u32(r, &t->n_dims);
    if (st != COLLET_OK)
        return st;
    if (t->n_dims < 1 || t->n_dims > COLLET_GGUF_DIMS_MAX)
        return collet_fail(r->err, COLLET_E_FORMAT,
                           "%s: %s has %" PRIu32 " dimensions (at byte %" PRIu64 "), 1 to 4 were wanted; " AGAIN,
                           r->g->path, inside(r), t->n_dims, at);
    for (uint32_t d = 0; d < COLLET_GGUF_DIMS_MAX; d++) {
        t->dims[d] = 1;
        at = r->at;
        if (d < t->n_dims)
            st = take_u64(r, &t->dims[d]);
        if (st != COLLET_OK)
            return st;
        if (t->dims[d] == 0)
            return collet_fail(r->err, COLLET_E_FORMAT,
                               "%s: dimension %" PRIu32 " of %s is 0 (at byte %" PRIu64
                               "), at least 1 was wanted; " AGAIN,
                               r->g->path, d, inside(r), at);
    }
    return COLLET_OK;
}

static collet_status set_type(reader *r, collet_gguf_tensor *t, uint64_t at)
{
    const collet_ggml_type *type = collet_ggml_type_of(t->ggml_type);
    if (!type)
        return collet_fail(r->err, COLLET_E_FORMAT,
                           "%s: %s has the unknown type %" PRIu32 " (at byte %" PRIu64
                           "); convert or quantize the model to a known format",
                           r->g->path, inside(r), t->ggml_type, at);
    if (!type->format)
        return collet_fail(r->err, COLLET_E_FORMAT,
                           "%s: %s has type %" PRIu32 ", %s (%s; at byte %" PRIu64
                           "); quantize the model again, to a format like q4_k",
                           r->g->path, inside(r), type->id, type->gone_name, type->gone_why, at);
    t->format = type->format;
    t->block_elems = type->block_elems;
    t->block_bytes = type->block_bytes;
    if (t->dims[0] % t->block_elems != 0)
        return collet_fail(r->err, COLLET_E_FORMAT,
                           "%s: rows of %s have %" PRIu64 " elements, a multiple of %" PRIu32
                           " was wanted for %s; " AGAIN,
                           r->g->path, inside(r), t->dims[0], t->block_elems, t->format);
    // Elements are counted in int64 by everyone, so they must fit there too.
    uint64_t n_elems = t->dims[0];
    bool fits = collet_mul_u64(t->dims[0] / t->block_elems, t->block_bytes, &t->n_bytes);
    for (uint32_t d = 1; d < COLLET_GGUF_DIMS_MAX && fits; d++)
        fits = collet_mul_u64(n_elems, t->dims[d], &n_elems) && collet_mul_u64(t->n_bytes, t->dims[d], &t->n_bytes);
    if (!fits || n_elems > INT64_MAX)
        return collet_fail(r->err, COLLET_E_FORMAT,
                           "%s: the shape of %s (%" PRIu64 " x %" PRIu64 " x %" PRIu64 " x %" PRIu64
                           ") overflows 64 bits; " AGAIN,
                           r->g->path, inside(r), t->dims[0], t->dims[1], t->dims[2], t->dims[3]);
    return COLLET_OK;
}

static collet_status read_tensor(reader *r, collet_gguf_tensor *t)
{
    collet_status st = read_shape(r, t);
    uint64_t at = r->at;
    if (st == COLLET_OK)
        st = take_u32(r, &t->ggml_type);
    if (st == COLLET_OK)
        st = take_u64(r, &t->offset); // in the data section, until place_tensors()
    if (st == COLLET_OK)
        st = set_type(r, t, at);
    return st;
}

static int order_tensor(const void *a, const void *b)
{
    const collet_gguf_tensor *x = *(const collet_gguf_tensor *const *)a, *y = *(const collet_gguf_tensor *const *)b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x > y) - (x < y);
}

static collet_status read_tensors(reader *r)
{
    collet_gguf *g = r->g;
    for (uint64_t i = 0; i < g->n_tensors; i++) {
        r->part = "tensor";
        r->index = i;
        r->name = NULL;
        collet_status st = read_tensor(r, &g->tensors[i]);
        if (st != COLLET_OK)
            return st;
        g->tensors_by_name[i] = &g->tensors[i];
    }
    qsort(g->tensors_by_name, (size_t)g->n_tensors, sizeof *g->tensors_by_name, order_tensor);
    for (uint64_t i = 1; i < g->n_tensors; i++) {
        const collet_gguf_tensor *a = g->tensors_by_name[i - 1], *b = g->tensors_by_name[i];
        char name[96];
        if (strcmp(a->name, b->name) == 0)
            return collet_fail(r->err, COLLET_E_FORMAT,
                               "%s: tensor '%s' stands twice (as tensors %" PRIu64 " and %" PRIu64 " of %" PRIu64
                               "); remove one",
                               g->path, collet_escape(name, sizeof name, a->name, strlen(a->name)),
                               (uint64_t)(a - g->tensors) + 1, (uint64_t)(b - g->tensors) + 1, g->n_tensors);
    }
    return COLLET_OK;
}

// The offset that tensor `t` claims in the data section, against `wanted`, where the one before it ended.
static collet_status check_offset(reader *r, const collet_gguf_tensor *t, uint64_t wanted, uint64_t data_at)
{
    const collet_gguf *g = r->g;
    uint64_t end = 0;
    if (t->offset % g->alignment != 0)
        return collet_fail(r->err, COLLET_E_FORMAT,
                           "%s: %s is at offset %" PRIu64 ", a multiple of %" PRIu64
                           " (general.alignment) was wanted; " AGAIN,
                           g->path, inside(r), t->offset, g->alignment);
    if (!collet_add_u64(data_at, t->offset, &end) || !collet_add_u64(end, t->n_bytes, &end) || end > g->file.n_bytes)
        return collet_fail(r->err, COLLET_E_FORMAT,
                           "%s: %s, %" PRIu64 " bytes at offset %" PRIu64 " of the data from byte %" PRIu64
                           ", ends past the end of the file (%" PRIu64 " bytes); " AGAIN,
                           g->path, inside(r), t->n_bytes, t->offset, data_at, g->file.n_bytes);
    if (t->offset != wanted)
        return collet_fail(
            r->err, COLLET_E_FORMAT,
            "%s: %s is at offset %" PRIu64 ", %s; %" PRIu64 " was wanted, where the tensor before it ends; " AGAIN,
            g->path, inside(r), t->offset, t->offset < wanted ? "over the tensors before it" : "after a gap", wanted);
    return COLLET_OK;
}

static collet_status place_tensors(reader *r)
{
    collet_gguf *g = r->g;
    uint64_t data_at = 0, wanted = 0; // neither can wrap: the file's size and a tensor in it bound them
    collet_align_u64(r->at, g->alignment, &data_at);
    for (uint64_t i = 0; i < g->n_tensors; i++) {
        collet_gguf_tensor *t = &g->tensors[i];
        r->index = i;
        r->name = t->name;
        r->n_name = strlen(t->name);
        collet_status st = check_offset(r, t, wanted, data_at);
        if (st != COLLET_OK)
            return st;
        collet_align_u64(t->offset + t->n_bytes, g->alignment, &wanted);
        t->offset += data_at;
        t->data = g->file.data + t->offset;
    }
    return COLLET_OK;
}

static collet_status open_into(collet_gguf *g, const char *path, collet_error *err)
{
    reader r = { .g = g, .err = err };
    collet_status st = collet_file_map(&g->file, path, err);
    if (st == COLLET_OK)
        st = read_header(&r);
    if (st == COLLET_OK)
        st = allocate(&r);
    if (st == COLLET_OK)
        st = read_kvs(&r);
    if (st == COLLET_OK)
        st = read_alignment(&r);
    if (st == COLLET_OK)
        st = read_tensors(&r);
    if (st == COLLET_OK)
        st = place_tensors(&r);
    return st;
}

collet_status collet_gguf_open(collet_gguf **out, const char *path, collet_error *err)
{
    collet_gguf *g = calloc(1, sizeof *g);
    if (g)
        g->path = strdup(path);
    collet_status st =
        g && g->path ? open_into(g, path, err) : collet_fail(err, COLLET_E_NOMEM, "%s: no memory to open it", path);
    if (st == COLLET_OK)
        *out = g;
    else
        collet_gguf_close(g);
    return st;
}

void collet_gguf_forget_header(const collet_gguf *g)
{
    if (g->n_tensors > 0) // tensor data begin where the header ends
        collet_file_forget(g->file.data, (uint64_t)(g->tensors[0].data - g->file.data));
}

void collet_gguf_close(collet_gguf *g)
{
    if (!g)
        return;
    free(g->tensors_by_name);
    free(g->tensors);
    free(g->kv_by_key);
    free(g->kv);
    free(g->path);
    collet_file_unmap(&g->file);
    free(g);
}
