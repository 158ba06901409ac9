// SPDX-License-Identifier: Apache-2.0
// core/model/gguf_values.c - asking an open GGUF file: by name, by type, for people.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/model/gguf_internal.h"

static const struct {
    const char *name;
    uint32_t n_bytes;
} value_types[] = {
    [COLLET_GGUF_U8] = { "u8", 1 },       [COLLET_GGUF_I8] = { "i8", 1 },     [COLLET_GGUF_U16] = { "u16", 2 },
    [COLLET_GGUF_I16] = { "i16", 2 },     [COLLET_GGUF_U32] = { "u32", 4 },   [COLLET_GGUF_I32] = { "i32", 4 },
    [COLLET_GGUF_F32] = { "f32", 4 },     [COLLET_GGUF_BOOL] = { "bool", 1 }, [COLLET_GGUF_STRING] = { "string", 0 },
    [COLLET_GGUF_ARRAY] = { "array", 0 }, [COLLET_GGUF_U64] = { "u64", 8 },   [COLLET_GGUF_I64] = { "i64", 8 },
    [COLLET_GGUF_F64] = { "f64", 8 },
};

uint32_t collet_gguf_scalar_bytes(uint32_t type)
{
    return type < COLLET_COUNT(value_types) ? value_types[type].n_bytes : 0;
}

const char *collet_gguf_type_name(uint32_t type)
{
    return type < COLLET_COUNT(value_types) ? value_types[type].name : "unknown";
}

int collet_gguf_name_order(const char *a, size_t n_a, const char *b, size_t n_b)
{
    int order = memcmp(a, b, n_a < n_b ? n_a : n_b);
    return order ? order : (n_a > n_b) - (n_a < n_b);
}

const char *collet_gguf_path(const collet_gguf *g)
{
    return g->path;
}

uint32_t collet_gguf_version(const collet_gguf *g)
{
    return g->version;
}

uint64_t collet_gguf_file_bytes(const collet_gguf *g)
{
    return g->file.n_bytes;
}

uint64_t collet_gguf_n_tensors(const collet_gguf *g)
{
    return g->n_tensors;
}

const collet_gguf_tensor *collet_gguf_tensor_at(const collet_gguf *g, uint64_t i)
{
    return &g->tensors[i];
}

static int order_name_tensor(const void *name, const void *tensor)
{
    return strcmp(name, (*(const collet_gguf_tensor *const *)tensor)->name);
}

const collet_gguf_tensor *collet_gguf_find_tensor(const collet_gguf *g, const char *name)
{
    const collet_gguf_tensor *const *at =
        bsearch(name, g->tensors_by_name, (size_t)g->n_tensors, sizeof *g->tensors_by_name, order_name_tensor);
    return at ? *at : NULL;
}

uint64_t collet_gguf_n_kv(const collet_gguf *g)
{
    return g->n_kv;
}

const collet_gguf_kv *collet_gguf_kv_at(const collet_gguf *g, uint64_t i)
{
    return &g->kv[i];
}

static int order_key_kv(const void *key, const void *entry)
{
    const collet_gguf_kv *kv = *(const collet_gguf_kv *const *)entry;
    return collet_gguf_name_order(key, strlen(key), kv->key, kv->n_key);
}

const collet_gguf_kv *collet_gguf_find(const collet_gguf *g, const char *key)
{
    const collet_gguf_kv *const *at = bsearch(key, g->kv_by_key, (size_t)g->n_kv, sizeof *g->kv_by_key, order_key_kv);
    return at ? *at : NULL;
}

// ---- elements ----

bool collet_gguf_array_i64(int64_t *out, const collet_gguf_array *a, uint64_t i)
{
    const uint8_t *p = a->data + i * collet_gguf_scalar_bytes(a->type);
    switch (a->type) {
    case COLLET_GGUF_U8:
    case COLLET_GGUF_BOOL:
        *out = *p;
        return true;
    case COLLET_GGUF_I8:
        *out = (int8_t)*p;
        return true;
    case COLLET_GGUF_U16:
        *out = (uint16_t)(p[0] | p[1] << 8);
        return true;
    case COLLET_GGUF_I16:
        *out = (int16_t)(p[0] | p[1] << 8);
        return true;
    case COLLET_GGUF_U32:
        *out = load_u32(p);
        return true;
    case COLLET_GGUF_I32:
        *out = (int32_t)load_u32(p);
        return true;
    case COLLET_GGUF_I64:
        *out = (int64_t)load_u64(p);
        return true;
    case COLLET_GGUF_U64:
        *out = (int64_t)load_u64(p);
        return *out >= 0;
    default:
        return false;
    }
}

bool collet_gguf_array_u64(uint64_t *out, const collet_gguf_array *a, uint64_t i)
{
    if (a->type == COLLET_GGUF_U64) {
        *out = load_u64(a->data + i * sizeof(uint64_t));
        return true;
    }
    int64_t value = 0;
    if (!collet_gguf_array_i64(&value, a, i) || value < 0)
        return false;
    *out = (uint64_t)value;
    return true;
}

bool collet_gguf_array_f64(double *out, const collet_gguf_array *a, uint64_t i)
{
    float f32;
    uint64_t u64;
    int64_t i64;
    if (a->type == COLLET_GGUF_F32) {
        memcpy(&f32, a->data + i * sizeof f32, sizeof f32);
        *out = (double)f32;
    } else if (a->type == COLLET_GGUF_F64) {
        memcpy(out, a->data + i * sizeof *out, sizeof *out);
    } else if (collet_gguf_array_u64(&u64, a, i)) {
        *out = (double)u64;
    } else if (collet_gguf_array_i64(&i64, a, i)) {
        *out = (double)i64;
    } else {
        return false;
    }
    return true;
}

bool collet_gguf_array_next(collet_gguf_array *rest, const char **text, uint64_t *n_bytes)
{
    if (rest->n == 0 || rest->type != COLLET_GGUF_STRING)
        return false;
    *n_bytes = load_u64(rest->data); // open() has walked here: it fits
    *text = (const char *)rest->data + sizeof(uint64_t);
    rest->data += sizeof(uint64_t) + *n_bytes;
    rest->n_bytes -= sizeof(uint64_t) + *n_bytes;
    rest->n--;
    return true;
}

// ---- one value, with a clear refusal ----

static collet_status find(const collet_gguf_kv **kv, const collet_gguf *g, const char *key, collet_error *err)
{
    *kv = collet_gguf_find(g, key);
    if (*kv)
        return COLLET_OK;
    return collet_fail(err, COLLET_E_NOT_FOUND, "%s: has no key '%s', which this model needs; convert it again",
                       g->path, key);
}

static collet_status refuse(const collet_gguf *g, const collet_gguf_kv *kv, const char *wanted, collet_error *err)
{
    char key[96], value[96];
    return collet_fail(err, COLLET_E_FORMAT, "%s: key '%s' is %s (%s%s), %s was wanted; correct the file", g->path,
                       collet_escape(key, sizeof key, kv->key, kv->n_key),
                       collet_gguf_format_value(value, sizeof value, kv), kv->is_array ? "array of " : "",
                       collet_gguf_type_name(kv->value.type), wanted);
}

static bool is_integer(uint32_t type)
{
    return collet_gguf_scalar_bytes(type) > 0 && type != COLLET_GGUF_F32 && type != COLLET_GGUF_F64 &&
           type != COLLET_GGUF_BOOL;
}

collet_status collet_gguf_get_u64(uint64_t *out, const collet_gguf *g, const char *key, collet_error *err)
{
    const collet_gguf_kv *kv;
    collet_status st = find(&kv, g, key, err);
    if (st == COLLET_OK && (kv->is_array || !is_integer(kv->value.type) || !collet_gguf_array_u64(out, &kv->value, 0)))
        st = refuse(g, kv, "an integer of at least 0", err);
    return st;
}

collet_status collet_gguf_get_u32(uint32_t *out, const collet_gguf *g, const char *key, collet_error *err)
{
    uint64_t value = 0;
    collet_status st = collet_gguf_get_u64(&value, g, key, err);
    if (st == COLLET_OK && value > UINT32_MAX)
        st = refuse(g, collet_gguf_find(g, key), "an integer below 2^32", err);
    if (st == COLLET_OK)
        *out = (uint32_t)value;
    return st;
}

collet_status collet_gguf_get_f32(float *out, const collet_gguf *g, const char *key, collet_error *err)
{
    const collet_gguf_kv *kv;
    double value = 0.0;
    collet_status st = find(&kv, g, key, err);
    if (st == COLLET_OK && (kv->is_array || kv->value.type == COLLET_GGUF_BOOL ||
                            !collet_gguf_array_f64(&value, &kv->value, 0) || !isfinite((float)value)))
        st = refuse(g, kv, "a finite number", err);
    if (st == COLLET_OK)
        *out = (float)value;
    return st;
}

collet_status collet_gguf_get_bool(bool *out, const collet_gguf *g, const char *key, collet_error *err)
{
    const collet_gguf_kv *kv;
    collet_status st = find(&kv, g, key, err);
    if (st == COLLET_OK && (kv->is_array || kv->value.type != COLLET_GGUF_BOOL))
        st = refuse(g, kv, "a bool", err);
    if (st == COLLET_OK)
        *out = kv->value.data[0] != 0;
    return st;
}

collet_status collet_gguf_get_str(const char **text, size_t *n_bytes, const collet_gguf *g, const char *key,
                                  collet_error *err)
{
    const collet_gguf_kv *kv;
    collet_status st = find(&kv, g, key, err);
    if (st == COLLET_OK && (kv->is_array || kv->value.type != COLLET_GGUF_STRING))
        st = refuse(g, kv, "a string", err);
    if (st == COLLET_OK) {
        *text = (const char *)kv->value.data + sizeof(uint64_t);
        *n_bytes = (size_t)(kv->value.n_bytes - sizeof(uint64_t));
    }
    return st;
}

collet_status collet_gguf_get_u64_at(uint64_t *out, const collet_gguf *g, const char *key, uint64_t i,
                                     collet_error *err)
{
    const collet_gguf_kv *kv;
    collet_status st = find(&kv, g, key, err);
    if (st != COLLET_OK || !kv->is_array)
        return st == COLLET_OK ? collet_gguf_get_u64(out, g, key, err) : st;
    char wanted[64];
    snprintf(wanted, sizeof wanted, "an array with an integer of at least 0 as element %" PRIu64, i);
    if (i >= kv->value.n || !collet_gguf_array_u64(out, &kv->value, i))
        st = refuse(g, kv, wanted, err);
    return st;
}

collet_status collet_gguf_get_array(collet_gguf_array *out, const collet_gguf *g, const char *key, uint32_t type,
                                    collet_error *err)
{
    const collet_gguf_kv *kv;
    collet_status st = find(&kv, g, key, err);
    char wanted[32];
    snprintf(wanted, sizeof wanted, "an array of %s",
             type == COLLET_GGUF_ARRAY ? "values" : collet_gguf_type_name(type));
    if (st == COLLET_OK && (!kv->is_array || (type != COLLET_GGUF_ARRAY && kv->value.type != type)))
        st = refuse(g, kv, wanted, err);
    if (st == COLLET_OK)
        *out = kv->value;
    return st;
}

// ---- for people ----

static void format_scalar(char *out, size_t n_out, const collet_gguf_array *a, uint64_t i)
{
    uint64_t u64 = 0;
    int64_t i64 = 0;
    double f64 = 0.0;
    if (a->type == COLLET_GGUF_BOOL)
        snprintf(out, n_out, "%s", a->data[i] ? "true" : "false");
    else if (collet_gguf_array_u64(&u64, a, i))
        snprintf(out, n_out, "%" PRIu64, u64);
    else if (collet_gguf_array_i64(&i64, a, i))
        snprintf(out, n_out, "%" PRId64, i64);
    else if (collet_gguf_array_f64(&f64, a, i))
        snprintf(out, n_out, "%.9g", f64);
}

// Appends a quoted string, cut so that its quote still fits.
static size_t format_string(char *out, size_t n_out, const char *text, uint64_t n_bytes)
{
    if (n_out < 8)
        return 0;
    out[0] = '"';
    collet_escape(out + 1, n_out - 2, text, (size_t)n_bytes);
    size_t n = strlen(out);
    out[n] = '"';
    out[n + 1] = '\0';
    return n + 1;
}

const char *collet_gguf_format_value(char *out, size_t n_out, const collet_gguf_kv *kv)
{
    collet_gguf_array rest = kv->value;
    const char *text = NULL;
    uint64_t n_text = 0;
    if (n_out == 0)
        return out;
    out[0] = '\0';
    if (!kv->is_array && kv->value.type == COLLET_GGUF_STRING) {
        if (collet_gguf_array_next(&rest, &text, &n_text))
            format_string(out, n_out, text, n_text);
        return out;
    }
    if (!kv->is_array) {
        format_scalar(out, n_out, &kv->value, 0);
        return out;
    }
    size_t n = (size_t)snprintf(out, n_out, "[%" PRIu64 " x %s]", kv->value.n, collet_gguf_type_name(kv->value.type));
    for (uint64_t i = 0; i < kv->value.n && n < n_out; i++) {
        char item[64] = "";
        if (kv->value.type != COLLET_GGUF_STRING)
            format_scalar(item, sizeof item, &kv->value, i);
        else if (collet_gguf_array_next(&rest, &text, &n_text))
            format_string(item, sizeof item, text, n_text);
        bool fits = i < 8 && n + strlen(item) + sizeof ", , ..." <= n_out;
        snprintf(out + n, n_out - n, "%s%s", i ? ", " : " ", fits ? item : "...");
        if (!fits)
            break;
        n += strlen(out + n);
    }
    return out;
}
