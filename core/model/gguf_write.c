// SPDX-License-Identifier: Apache-2.0
// core/model/gguf_write.c
#include "core/model/gguf_write.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/arith.h"
#include "core/base/error.h"
#include "core/base/text.h"
#include "core/model/ggml_types.h"
#include "core/model/gguf_internal.h"

#define VERSION 3u
#define ALIGNMENT_DEFAULT 32u
#define KEYS_SET_MAX 16

typedef struct set_key {
    const char *key;   // the caller's constant
    collet_text value; // type and value, as in the file
    bool written;
} set_key;

typedef struct out_tensor {
    const collet_gguf_tensor *like; // name and shape
    uint32_t ggml_type;
    uint64_t offset, n_bytes; // in the data
} out_tensor;

struct collet_gguf_writer {
    const collet_gguf *keys; // NULL: none copied
    uint64_t alignment;
    set_key set[KEYS_SET_MAX];
    size_t n_set;
    out_tensor *tensors;
    uint64_t n_tensors, capacity;
    uint64_t data_at, data_bytes; // data_bytes: of all tensors added so far, padded
    int fd;                       // -1: not open
    char path[PATH_MAX];          // as given, for messages
    char target[PATH_MAX];        // what is replaced: the path with its links followed
    char temp[PATH_MAX + 16];     // "": without a name
    mode_t replaced_mode;         // of the file that is replaced; 0: none
};

collet_status collet_gguf_writer_create(collet_gguf_writer **out, collet_error *err)
{
    collet_gguf_writer *w = calloc(1, sizeof *w);
    if (!w)
        return collet_fail(err, COLLET_E_NOMEM, "no memory to write a GGUF file");
    w->fd = -1;
    w->alignment = ALIGNMENT_DEFAULT;
    *out = w;
    return COLLET_OK;
}

void collet_gguf_writer_destroy(collet_gguf_writer *w)
{
    if (!w)
        return;
    if (w->fd >= 0)
        close(w->fd);
    if (w->temp[0])
        unlink(w->temp);
    for (size_t i = 0; i < w->n_set; i++)
        collet_text_free(&w->set[i].value);
    free(w->tensors);
    free(w);
}

// ---- what goes into it ----

void collet_gguf_writer_copy_keys(collet_gguf_writer *w, const collet_gguf *g)
{
    w->keys = g;
    w->alignment = g->alignment;
}

static void put_u32(collet_text *t, uint32_t value)
{
    collet_text_add(t, (const char *)&value, sizeof value);
}

static void put_u64(collet_text *t, uint64_t value)
{
    collet_text_add(t, (const char *)&value, sizeof value);
}

static void put_string(collet_text *t, const char *text, size_t n_bytes)
{
    put_u64(t, n_bytes);
    collet_text_add(t, text, n_bytes);
}

// The value's buffer of a new key, with the type in it; NULL with the error written.
static collet_text *new_key(collet_gguf_writer *w, const char *key, uint32_t type, collet_error *err)
{
    if (w->n_set == KEYS_SET_MAX) {
        collet_fail(err, COLLET_E_NOMEM, "%s: more than %d keys set", key, KEYS_SET_MAX);
        return NULL;
    }
    set_key *s = &w->set[w->n_set++];
    *s = (set_key){ .key = key };
    put_u32(&s->value, type);
    return &s->value;
}

static collet_status check_text(const collet_text *t, collet_error *err)
{
    return t->failed ? collet_fail(err, COLLET_E_NOMEM, "no memory for the keys of a GGUF file") : COLLET_OK;
}

collet_status collet_gguf_writer_set_u32(collet_gguf_writer *w, const char *key, uint32_t value, collet_error *err)
{
    collet_text *t = new_key(w, key, COLLET_GGUF_U32, err);
    if (!t)
        return COLLET_E_NOMEM;
    put_u32(t, value);
    return check_text(t, err);
}

collet_status collet_gguf_writer_set_str(collet_gguf_writer *w, const char *key, const char *text, collet_error *err)
{
    collet_text *t = new_key(w, key, COLLET_GGUF_STRING, err);
    if (!t)
        return COLLET_E_NOMEM;
    put_string(t, text, strlen(text));
    return check_text(t, err);
}

static collet_status tensor_bytes(uint64_t *n_bytes, const collet_gguf_tensor *like, uint32_t ggml_type,
                                  collet_error *err)
{
    const collet_ggml_type *type = collet_ggml_type_of(ggml_type);
    if (!type || !type->format)
        return collet_fail(err, COLLET_E_INVALID, "%s: type %" PRIu32 " is none that a GGUF file can have", like->name,
                           ggml_type);
    if (like->dims[0] % type->block_elems != 0)
        return collet_fail(err, COLLET_E_INVALID,
                           "%s: rows of %" PRIu64 " elements do not divide into the blocks of %u of %s", like->name,
                           like->dims[0], type->block_elems, type->format);
    bool fits = collet_mul_u64(like->dims[0] / type->block_elems, type->block_bytes, n_bytes);
    for (uint32_t d = 1; d < COLLET_GGUF_DIMS_MAX && fits; d++)
        fits = collet_mul_u64(*n_bytes, like->dims[d], n_bytes);
    return fits ? COLLET_OK
                : collet_fail(err, COLLET_E_INVALID, "%s: as %s it would have more than 2^64 bytes", like->name,
                              type->format);
}

collet_status collet_gguf_writer_add_tensor(collet_gguf_writer *w, const collet_gguf_tensor *like, uint32_t ggml_type,
                                            collet_error *err)
{
    uint64_t n_bytes = 0, end = 0;
    collet_status st = tensor_bytes(&n_bytes, like, ggml_type, err);
    if (st != COLLET_OK)
        return st;
    if (!collet_add_u64(w->data_bytes, n_bytes, &end) || !collet_align_u64(end, w->alignment, &end) ||
        end > INT64_MAX / 2)
        return collet_fail(err, COLLET_E_INVALID, "%s: with it the file would be larger than any disk", like->name);
    if (w->n_tensors == w->capacity) {
        uint64_t capacity = w->capacity ? 2 * w->capacity : 64;
        out_tensor *grown = realloc(w->tensors, capacity * sizeof *grown);
        if (!grown)
            return collet_fail(err, COLLET_E_NOMEM, "no memory for a directory of %" PRIu64 " tensors", capacity);
        w->tensors = grown;
        w->capacity = capacity;
    }
    w->tensors[w->n_tensors++] =
        (out_tensor){ .like = like, .ggml_type = ggml_type, .offset = w->data_bytes, .n_bytes = n_bytes };
    w->data_bytes = end;
    return COLLET_OK;
}

uint64_t collet_gguf_writer_file_bytes(const collet_gguf_writer *w)
{
    return w->data_at + w->data_bytes;
}

// ---- keys and directory as bytes ----

static void put_copied(collet_text *t, const collet_gguf_kv *kv)
{
    put_string(t, kv->key, kv->n_key);
    put_u32(t, kv->is_array ? (uint32_t)COLLET_GGUF_ARRAY : kv->value.type);
    if (kv->is_array) {
        put_u32(t, kv->value.type);
        put_u64(t, kv->value.n);
    }
    collet_text_add(t, (const char *)kv->value.data, (size_t)kv->value.n_bytes);
}

static void put_set(collet_text *t, set_key *s)
{
    put_string(t, s->key, strlen(s->key));
    collet_text_add(t, s->value.data, s->value.n_bytes);
    s->written = true;
}

static set_key *set_of(collet_gguf_writer *w, const collet_gguf_kv *kv)
{
    for (size_t i = 0; i < w->n_set; i++)
        if (strlen(w->set[i].key) == kv->n_key && memcmp(w->set[i].key, kv->key, kv->n_key) == 0)
            return &w->set[i];
    return NULL;
}

static uint64_t count_keys(const collet_gguf_writer *w)
{
    uint64_t n = w->n_set;
    for (uint64_t i = 0; w->keys && i < w->keys->n_kv; i++)
        n += set_of((collet_gguf_writer *)(uintptr_t)w, &w->keys->kv[i]) == NULL;
    return n;
}

static void put_keys(collet_text *t, collet_gguf_writer *w)
{
    for (uint64_t i = 0; w->keys && i < w->keys->n_kv; i++) {
        set_key *s = set_of(w, &w->keys->kv[i]);
        if (s)
            put_set(t, s);
        else
            put_copied(t, &w->keys->kv[i]);
    }
    for (size_t i = 0; i < w->n_set; i++)
        if (!w->set[i].written)
            put_set(t, &w->set[i]);
}

// Everything before the data, padded.
static collet_status make_head(collet_text *t, collet_gguf_writer *w, collet_error *err)
{
    collet_text_add(t, "GGUF", 4);
    put_u32(t, VERSION);
    put_u64(t, w->n_tensors);
    put_u64(t, count_keys(w));
    put_keys(t, w);
    for (uint64_t i = 0; i < w->n_tensors; i++) {
        const out_tensor *o = &w->tensors[i];
        put_string(t, o->like->name, strlen(o->like->name));
        put_u32(t, o->like->n_dims);
        for (uint32_t d = 0; d < o->like->n_dims; d++)
            put_u64(t, o->like->dims[d]);
        put_u32(t, o->ggml_type);
        put_u64(t, o->offset);
    }
    static const char zeros[64];
    uint64_t data_at = 0;
    collet_align_u64(t->n_bytes, w->alignment, &data_at);
    while (!t->failed && t->n_bytes < data_at)
        collet_text_add(t, zeros, data_at - t->n_bytes < sizeof zeros ? data_at - t->n_bytes : sizeof zeros);
    w->data_at = data_at;
    return check_text(t, err);
}

// ---- the file ----

// Follows links, so that the file and not the link to it is replaced; refuses what is no regular file.
static collet_status find_target(collet_gguf_writer *w, const char *path, const collet_gguf *source, collet_error *err)
{
    struct stat old, in;
    if (strlen(path) + sizeof ".tmp-XXXXXX" > sizeof w->target)
        return collet_fail(err, COLLET_E_INVALID, "%.200s...: path too long", path);
    strcpy(w->path, path);
    if (stat(path, &old) != 0) {
        strcpy(w->target, path); // in a folder that is missing, making it says so
        return COLLET_OK;
    }
    if (!S_ISREG(old.st_mode))
        return collet_fail(err, COLLET_E_INVALID, "%s: is %s; give the name of a file", path,
                           S_ISDIR(old.st_mode) ? "a folder" : "no regular file");
    if (source && stat(collet_gguf_path(source), &in) == 0 && in.st_dev == old.st_dev && in.st_ino == old.st_ino)
        return collet_fail(err, COLLET_E_INVALID, "%s: is the file that is read, %s; give another name", path,
                           collet_gguf_path(source));
    w->replaced_mode = old.st_mode & 0777;
    char *resolved = realpath(path, NULL);
    bool fits = resolved && strlen(resolved) + sizeof ".tmp-XXXXXX" <= sizeof w->target;
    if (fits)
        strcpy(w->target, resolved);
    free(resolved);
    return fits ? COLLET_OK : collet_fail_errno(err, COLLET_E_IO, "%s: cannot resolve", path);
}

static void folder_of(char *folder, const char *path)
{
    strcpy(folder, path);
    char *slash = strrchr(folder, '/');
    if (!slash)
        strcpy(folder, ".");
    else
        slash[slash == folder] = '\0'; // "/x" is in "/"
}

// Without a name if that is possible: then even SIGKILL leaves nothing. /proc gives it its name later.
static collet_status make_file(collet_gguf_writer *w, collet_error *err)
{
    char folder[PATH_MAX];
    folder_of(folder, w->target);
    if (access("/proc/self/fd", X_OK) == 0)
        w->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    else
        errno = EOPNOTSUPP;
    if (w->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
        strcpy(w->temp, w->target);
        strcat(w->temp, ".tmp-XXXXXX");
        w->fd = mkostemp(w->temp, O_CLOEXEC);
        if (w->fd < 0)
            w->temp[0] = '\0';
        else if (!w->replaced_mode)
            fchmod(w->fd, 0644); // best effort: mkostemp() makes them private
    }
    if (w->fd < 0)
        return collet_fail_errno(err, COLLET_E_IO, "%s: cannot create a file in %s", w->path, folder);
    if (w->replaced_mode)
        fchmod(w->fd, w->replaced_mode); // the same
    return COLLET_OK;
}

static uint64_t free_bytes(int fd)
{
    struct statvfs fs;
    return fstatvfs(fd, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : UINT64_MAX;
}

static collet_status no_space(const collet_gguf_writer *w, collet_error *err)
{
    char needed[32], there[32];
    uint64_t n_bytes = collet_gguf_writer_file_bytes(w), n_free = free_bytes(w->fd);
    collet_status st = collet_fail(err, COLLET_E_IO,
                                   "%s: no space: needs %" PRIu64 " bytes (%s), %" PRIu64
                                   " (%s) are free; free some, or write to another disk",
                                   w->path, n_bytes, collet_format_bytes(needed, sizeof needed, n_bytes), n_free,
                                   collet_format_bytes(there, sizeof there, n_free));
    if (err)
        err->native = ENOSPC;
    return st;
}

static collet_status too_large(const collet_gguf_writer *w, collet_error *err)
{
    char needed[32];
    uint64_t n_bytes = collet_gguf_writer_file_bytes(w);
    collet_status st =
        collet_fail(err, COLLET_E_IO,
                    "%s: needs %" PRIu64 " bytes (%s), more than one file may have here: see `ulimit -f`, or write "
                    "to another disk",
                    w->path, n_bytes, collet_format_bytes(needed, sizeof needed, n_bytes));
    if (err)
        err->native = EFBIG;
    return st;
}

static collet_status write_failed(const collet_gguf_writer *w, const char *what, collet_error *err)
{
    if (errno == ENOSPC || errno == EDQUOT)
        return no_space(w, err);
    if (errno == EFBIG)
        return too_large(w, err);
    return collet_fail_errno(err, COLLET_E_IO, "%s: cannot %s", w->path, what);
}

// Before hours of work, not after them.
static collet_status reserve(collet_gguf_writer *w, collet_error *err)
{
    uint64_t n_bytes = collet_gguf_writer_file_bytes(w);
    if (n_bytes > free_bytes(w->fd))
        return no_space(w, err);
    int rc;
    do
        rc = fallocate(w->fd, 0, 0, (off_t)n_bytes);
    while (rc != 0 && errno == EINTR);
    if (rc != 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL))
        rc = ftruncate(w->fd, (off_t)n_bytes); // this file system cannot reserve: a full disk is met later
    return rc == 0 ? COLLET_OK : write_failed(w, "reserve its space", err);
}

static collet_status write_at(collet_gguf_writer *w, uint64_t at, const char *data, uint64_t n_bytes, collet_error *err)
{
    while (n_bytes > 0) {
        ssize_t n = pwrite(w->fd, data, (size_t)n_bytes, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return write_failed(w, "write", err);
        data += n;
        at += (uint64_t)n;
        n_bytes -= (uint64_t)n;
    }
    return COLLET_OK;
}

collet_status collet_gguf_writer_open(collet_gguf_writer *w, const char *path, const collet_gguf *source,
                                      collet_error *err)
{
    collet_text head = { 0 };
    collet_status st = find_target(w, path, source, err);
    if (st == COLLET_OK)
        st = make_head(&head, w, err);
    if (st == COLLET_OK)
        st = make_file(w, err);
    if (st == COLLET_OK)
        st = reserve(w, err);
    if (st == COLLET_OK)
        st = write_at(w, 0, head.data, head.n_bytes, err);
    collet_text_free(&head);
    return st;
}

collet_status collet_gguf_writer_write(collet_gguf_writer *w, uint64_t index, uint64_t at, const void *data,
                                       uint64_t n_bytes, collet_error *err)
{
    return write_at(w, w->data_at + w->tensors[index].offset + at, data, n_bytes, err);
}

// Links the nameless file: straight to its name, or, where a file has that already, beside it.
static int give_name(collet_gguf_writer *w)
{
    char self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", w->fd);
    if (linkat(AT_FDCWD, self, AT_FDCWD, w->target, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    for (int i = 0; errno == EEXIST && i < 100; i++) {
        snprintf(w->temp, sizeof w->temp, "%s.tmp-%d", w->target, (int)getpid() % 10000 + i);
        if (linkat(AT_FDCWD, self, AT_FDCWD, w->temp, AT_SYMLINK_FOLLOW) == 0)
            return 0;
        w->temp[0] = '\0'; // not ours
    }
    return -1;
}

collet_status collet_gguf_writer_commit(collet_gguf_writer *w, collet_error *err)
{
    char folder[PATH_MAX];
    if (fsync(w->fd) != 0)
        return write_failed(w, "bring it to the disk", err);
    if ((!w->temp[0] && give_name(w) != 0) || (w->temp[0] && rename(w->temp, w->target) != 0))
        return collet_fail_errno(err, COLLET_E_IO, "%s: cannot give it its name", w->path);
    w->temp[0] = '\0';
    folder_of(folder, w->target);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd); // best effort: the content is safe, the name may be younger than a power cut
        close(fd);
    }
    return COLLET_OK;
}
