// SPDX-License-Identifier: Apache-2.0
// core/model/imatrix.c
#include "core/model/imatrix.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arith.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/text.h"

#define OLD_ENTRY_BYTES_MIN 17u // two lengths, n_calls, one byte of a name, one value
#define NAME_BYTES_MAX 255u
#define SUMS ".in_sum2"
#define COUNTS ".counts"
#define AGAIN "the file is damaged or incomplete: make it again"

struct collet_imatrix {
    char *path;
    collet_imatrix_entry *entries; // sorted by name; the memory of names and values is theirs
    uint64_t n_entries;            // complete ones, also while reading
    uint64_t n_chunks;
    char *dataset;
};

// ---- entries ----

static char *copy_text(const char *text, size_t n_bytes)
{
    char *copy = malloc(n_bytes + 1);
    if (copy) {
        memcpy(copy, text, n_bytes);
        copy[n_bytes] = '\0';
    }
    return copy;
}

static collet_status no_memory(const collet_imatrix *im, collet_error *err)
{
    return collet_fail(err, COLLET_E_NOMEM, "%s: no memory for the importance matrix", im->path);
}

// Room for at most n entries, which the file's size has bounded.
static collet_status reserve(collet_imatrix *im, uint64_t n, collet_error *err)
{
    im->entries = calloc((size_t)n + 1, sizeof *im->entries);
    return im->entries ? COLLET_OK : no_memory(im, err);
}

// The next entry, n_values unset floats. Takes nothing when it fails.
static float *add_entry(collet_imatrix *im, const char *name, size_t n_name, uint64_t n_values)
{
    char *own = copy_text(name, n_name);
    float *values = own ? malloc((size_t)n_values * sizeof *values) : NULL;
    if (!values) {
        free(own);
        return NULL;
    }
    im->entries[im->n_entries++] = (collet_imatrix_entry){ .name = own, .values = values, .n_values = n_values };
    return values;
}

static collet_status check_values(const collet_imatrix *im, const collet_imatrix_entry *e, collet_error *err)
{
    for (uint64_t i = 0; i < e->n_values; i++)
        if (!(e->values[i] >= 0.0f) || !isfinite(e->values[i])) {
            char name[96];
            return collet_fail(err, COLLET_E_FORMAT,
                               "%s: value %" PRIu64 " of '%s' is %g; a mean of squares, finite and at least 0, was "
                               "wanted; make the importance matrix again",
                               im->path, i, collet_escape(name, sizeof name, e->name, strlen(e->name)),
                               (double)e->values[i]);
        }
    return COLLET_OK;
}

static int order_entries(const void *a, const void *b)
{
    return strcmp(((const collet_imatrix_entry *)a)->name, ((const collet_imatrix_entry *)b)->name);
}

static collet_status finish(collet_imatrix *im, collet_error *err)
{
    if (im->n_entries == 0)
        return collet_fail(err, COLLET_E_FORMAT, "%s: is an importance matrix without entries; make it again",
                           im->path);
    qsort(im->entries, (size_t)im->n_entries, sizeof *im->entries, order_entries);
    for (uint64_t i = 0; i < im->n_entries; i++) {
        char name[96];
        if (i > 0 && strcmp(im->entries[i - 1].name, im->entries[i].name) == 0)
            return collet_fail(err, COLLET_E_FORMAT, "%s: '%s' stands twice; " AGAIN, im->path,
                               collet_escape(name, sizeof name, im->entries[i].name, strlen(im->entries[i].name)));
        collet_status st = check_values(im, &im->entries[i], err);
        if (st != COLLET_OK)
            return st;
    }
    return COLLET_OK;
}

// ---- the old form ----

typedef struct reader {
    const collet_imatrix *im;
    const collet_file *file;
    collet_error *err;
    uint64_t at, index; // index: of the entry
} reader;

static uint64_t left(const reader *r)
{
    return r->file->n_bytes - r->at;
}

static collet_status take_i32(reader *r, int32_t *out)
{
    if (left(r) < sizeof *out)
        return collet_fail(r->err, COLLET_E_FORMAT, "%s: ends at byte %" PRIu64 ", inside entry %" PRIu64 "; " AGAIN,
                           r->im->path, r->file->n_bytes, r->index + 1);
    memcpy(out, r->file->data + r->at, sizeof *out);
    r->at += sizeof *out;
    return COLLET_OK;
}

// A count of things of n_bytes each that lie in the file: at least 1, at most what is left.
static collet_status take_count(reader *r, uint64_t *out, const char *what, uint64_t n_bytes, uint64_t max)
{
    int32_t n = 0;
    uint64_t at = r->at;
    collet_status st = take_i32(r, &n);
    if (st != COLLET_OK)
        return st;
    if (n < 1 || (uint64_t)n > max || (uint64_t)n > left(r) / n_bytes)
        return collet_fail(r->err, COLLET_E_FORMAT,
                           "%s: the %s at byte %" PRIu64 " is %" PRId32 ", 1 to %" PRIu64
                           " were possible there; it is no importance matrix, or " AGAIN,
                           r->im->path, what, at, n, left(r) / n_bytes < max ? left(r) / n_bytes : max);
    *out = (uint64_t)n;
    return COLLET_OK;
}

static collet_status read_old_entry(reader *r, collet_imatrix *im)
{
    uint64_t n_name = 0, n_values = 0;
    int32_t n_calls = 0;
    collet_status st = take_count(r, &n_name, "length of a name", 1, NAME_BYTES_MAX);
    if (st != COLLET_OK)
        return st;
    const char *name = (const char *)r->file->data + r->at;
    r->at += n_name;
    if (memchr(name, '\0', (size_t)n_name))
        return collet_fail(r->err, COLLET_E_FORMAT, "%s: the name of entry %" PRIu64 " has a NUL in it; " AGAIN,
                           im->path, r->index + 1);
    st = take_i32(r, &n_calls);
    if (st == COLLET_OK && n_calls < 0)
        st = collet_fail(r->err, COLLET_E_FORMAT, "%s: entry %" PRIu64 " has %" PRId32 " calls; " AGAIN, im->path,
                         r->index + 1, n_calls);
    if (st == COLLET_OK)
        st = take_count(r, &n_values, "number of values", sizeof(float), INT32_MAX);
    if (st != COLLET_OK)
        return st;
    float *values = add_entry(im, name, (size_t)n_name, n_values);
    if (!values)
        return no_memory(im, r->err);
    memcpy(values, r->file->data + r->at, (size_t)n_values * sizeof *values);
    r->at += n_values * sizeof *values;
    for (uint64_t i = 0; i < n_values && n_calls > 0; i++)
        values[i] /= (float)n_calls;
    return COLLET_OK;
}

// Files of before 2024 end after the entries.
static collet_status read_old_trailer(reader *r, collet_imatrix *im)
{
    int32_t n_chunks = 0, n_name = 0;
    if (left(r) == 0)
        return COLLET_OK;
    collet_status st = take_i32(r, &n_chunks);
    if (st == COLLET_OK && left(r) > 0)
        st = take_i32(r, &n_name);
    if (st != COLLET_OK)
        return st;
    if (n_name < 0 || (uint64_t)n_name > left(r))
        return collet_fail(r->err, COLLET_E_FORMAT,
                           "%s: the name of the data set claims %" PRId32 " bytes where %" PRIu64 " are left; " AGAIN,
                           im->path, n_name, left(r));
    im->n_chunks = n_chunks > 0 ? (uint64_t)n_chunks : 0;
    if (n_name > 0) {
        im->dataset = copy_text((const char *)r->file->data + r->at, (size_t)n_name);
        if (!im->dataset)
            return no_memory(im, r->err);
    }
    return COLLET_OK;
}

static collet_status read_old(collet_imatrix *im, const collet_file *file, collet_error *err)
{
    reader r = { .im = im, .file = file, .err = err };
    uint64_t n = 0;
    collet_status st = take_count(&r, &n, "number of entries", OLD_ENTRY_BYTES_MIN, INT32_MAX);
    if (st == COLLET_OK)
        st = reserve(im, n, err);
    for (r.index = 0; r.index < n && st == COLLET_OK; r.index++)
        st = read_old_entry(&r, im);
    return st == COLLET_OK ? read_old_trailer(&r, im) : st;
}

// ---- GGUF ----

// Length of the weight's name when t is "<weight><suffix>", else 0.
static size_t stem(const collet_gguf_tensor *t, const char *suffix)
{
    size_t n = strlen(t->name), n_suffix = strlen(suffix);
    return n > n_suffix && strcmp(t->name + n - n_suffix, suffix) == 0 ? n - n_suffix : 0;
}

static const collet_gguf_tensor *partner(const collet_gguf *g, const collet_gguf_tensor *t, size_t n_stem,
                                         const char *suffix)
{
    char name[COLLET_GGUF_NAME_MAX + sizeof SUMS];
    memcpy(name, t->name, n_stem);
    strcpy(name + n_stem, suffix);
    return collet_gguf_find_tensor(g, name);
}

static uint64_t n_elements(const collet_gguf_tensor *t)
{
    return t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3]; // the reader has bounded it
}

static float float_at(const collet_gguf_tensor *t, uint64_t i)
{
    float value;
    memcpy(&value, t->data + i * sizeof value, sizeof value);
    return value;
}

static collet_status read_pair(collet_imatrix *im, const collet_gguf_tensor *sums, const collet_gguf_tensor *counts,
                               size_t n_stem, collet_error *err)
{
    char name[96];
    collet_escape(name, sizeof name, sums->name, n_stem);
    if (strcmp(sums->format, "f32") != 0 || strcmp(counts->format, "f32") != 0)
        return collet_fail(err, COLLET_E_FORMAT, "%s: sums and counts of '%s' are %s and %s, f32 was wanted; " AGAIN,
                           im->path, name, sums->format, counts->format);
    uint64_t n = n_elements(sums), n_matrices = n_elements(counts);
    if (n % n_matrices != 0)
        return collet_fail(err, COLLET_E_FORMAT,
                           "%s: '%s' has %" PRIu64 " sums for %" PRIu64 " counts, a multiple was wanted; " AGAIN,
                           im->path, name, n, n_matrices);
    float *values = add_entry(im, sums->name, n_stem, n);
    if (!values)
        return no_memory(im, err);
    uint64_t n_columns = n / n_matrices;
    for (uint64_t m = 0; m < n_matrices; m++) {
        float count = roundf(float_at(counts, m));
        if (!(count >= 0.0f) || !isfinite(count))
            return collet_fail(err, COLLET_E_FORMAT, "%s: count %" PRIu64 " of '%s' is %g; " AGAIN, im->path, m, name,
                               (double)count);
        for (uint64_t i = m * n_columns; i < (m + 1) * n_columns; i++)
            values[i] = count > 0.0f ? float_at(sums, i) / count : 1.0f;
    }
    return COLLET_OK;
}

static collet_status read_keys(collet_imatrix *im, const collet_gguf *g, collet_error *err)
{
    collet_gguf_array names = { 0 };
    const char *text = NULL;
    uint64_t n_text = 0;
    collet_status st = collet_gguf_get_u64(&im->n_chunks, g, "imatrix.chunk_count", err);
    if (st == COLLET_OK || st == COLLET_E_NOT_FOUND)
        st = collet_gguf_get_array(&names, g, "imatrix.datasets", COLLET_GGUF_STRING, err);
    if (st == COLLET_E_NOT_FOUND)
        return COLLET_OK;
    if (st == COLLET_OK && collet_gguf_array_next(&names, &text, &n_text)) {
        im->dataset = copy_text(text, (size_t)n_text);
        if (!im->dataset)
            return no_memory(im, err);
    }
    return st;
}

static collet_status read_gguf(collet_imatrix *im, const collet_gguf *g, collet_error *err)
{
    uint64_t n = collet_gguf_n_tensors(g);
    collet_status st = reserve(im, n, err);
    for (uint64_t i = 0; i < n && st == COLLET_OK; i++) {
        const collet_gguf_tensor *t = collet_gguf_tensor_at(g, i);
        size_t n_sums = stem(t, SUMS), n_counts = stem(t, COUNTS);
        const collet_gguf_tensor *other = n_sums     ? partner(g, t, n_sums, COUNTS)
                                          : n_counts ? partner(g, t, n_counts, SUMS)
                                                     : NULL;
        if (!other)
            st = collet_fail(err, COLLET_E_FORMAT,
                             "%s: tensor '%s' is no pair of <weight>" SUMS " and <weight>" COUNTS
                             ": it is no importance matrix (a model?), or " AGAIN,
                             im->path, t->name);
        else if (n_sums)
            st = read_pair(im, t, other, n_sums, err);
    }
    return st == COLLET_OK ? read_keys(im, g, err) : st;
}

// ---- opening ----

static collet_status open_into(collet_imatrix *im, collet_error *err)
{
    collet_file file = { 0 };
    collet_gguf *g = NULL;
    collet_status st = collet_file_map(&file, im->path, err);
    if (st != COLLET_OK)
        return st;
    if (file.n_bytes >= 4 && memcmp(file.data, "GGUF", 4) == 0) {
        st = collet_gguf_open(&g, im->path, err);
        if (st == COLLET_OK)
            st = read_gguf(im, g, err);
        collet_gguf_close(g);
    } else {
        st = read_old(im, &file, err);
    }
    collet_file_unmap(&file);
    return st == COLLET_OK ? finish(im, err) : st;
}

collet_status collet_imatrix_open(collet_imatrix **out, const char *path, collet_error *err)
{
    collet_imatrix *im = calloc(1, sizeof *im);
    if (im)
        im->path = strdup(path);
    collet_status st =
        im && im->path ? open_into(im, err) : collet_fail(err, COLLET_E_NOMEM, "%s: no memory to open it", path);
    if (st == COLLET_OK)
        *out = im;
    else
        collet_imatrix_close(im);
    return st;
}

void collet_imatrix_close(collet_imatrix *im)
{
    if (!im)
        return;
    for (uint64_t i = 0; i < im->n_entries; i++) {
        free((char *)(uintptr_t)im->entries[i].name);
        free((float *)(uintptr_t)im->entries[i].values);
    }
    free(im->entries);
    free(im->dataset);
    free(im->path);
    free(im);
}

// ---- asking ----

const char *collet_imatrix_path(const collet_imatrix *im)
{
    return im->path;
}

uint64_t collet_imatrix_n_entries(const collet_imatrix *im)
{
    return im->n_entries;
}

const collet_imatrix_entry *collet_imatrix_entry_at(const collet_imatrix *im, uint64_t i)
{
    return &im->entries[i];
}

const collet_imatrix_entry *collet_imatrix_find(const collet_imatrix *im, const char *tensor_name)
{
    const collet_imatrix_entry wanted = { .name = tensor_name };
    return bsearch(&wanted, im->entries, (size_t)im->n_entries, sizeof wanted, order_entries);
}

uint64_t collet_imatrix_n_chunks(const collet_imatrix *im)
{
    return im->n_chunks;
}

const char *collet_imatrix_dataset(const collet_imatrix *im)
{
    return im->dataset;
}

collet_status collet_imatrix_check(const collet_imatrix *im, const collet_gguf *g, collet_error *err)
{
    for (uint64_t i = 0; i < im->n_entries; i++) {
        const collet_imatrix_entry *e = &im->entries[i];
        const collet_gguf_tensor *t = collet_gguf_find_tensor(g, e->name);
        char name[96];
        collet_escape(name, sizeof name, e->name, strlen(e->name));
        if (!t)
            return collet_fail(err, COLLET_E_INVALID,
                               "%s: is of another model: it has the weight '%s', which %s has not", im->path, name,
                               collet_gguf_path(g));
        uint64_t wanted = t->dims[0] * t->dims[2] * t->dims[3];
        if (e->n_values != wanted)
            return collet_fail(err, COLLET_E_INVALID,
                               "%s: is of another model: it has %" PRIu64 " columns for '%s', which has %" PRIu64
                               " in %s",
                               im->path, e->n_values, name, wanted, collet_gguf_path(g));
    }
    return COLLET_OK;
}
