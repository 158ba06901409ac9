// SPDX-License-Identifier: Apache-2.0
// core/base/file.c
#include "core/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/error.h"

static collet_status open_regular(int *fd, struct stat *st, const char *path, collet_error *err)
{
    // O_NONBLOCK: a FIFO must not block the open.
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return collet_fail_errno(err, errno == ENOENT ? COLLET_E_NOT_FOUND : COLLET_E_IO, "%s: cannot open", path);
    if (fstat(*fd, st) != 0)
        return collet_fail_errno(err, COLLET_E_IO, "%s: cannot stat", path);
    if (!S_ISREG(st->st_mode))
        return collet_fail(err, COLLET_E_IO, "%s: %s, a regular file was wanted", path,
                           S_ISDIR(st->st_mode) ? "is a directory" : "is not a regular file");
    return COLLET_OK;
}

collet_status collet_file_map(collet_file *file, const char *path, collet_error *err)
{
    int fd = -1;
    struct stat st;
    collet_status status = open_regular(&fd, &st, path, err);
    if (status == COLLET_OK && st.st_size > 0) {
        void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED)
            status = collet_fail_errno(err, errno == ENOMEM ? COLLET_E_NOMEM : COLLET_E_IO, "%s: cannot map %lld bytes",
                                       path, (long long)st.st_size);
        else
            *file = (collet_file){ .data = data, .n_bytes = (uint64_t)st.st_size };
    } else if (status == COLLET_OK) {
        *file = (collet_file){ 0 };
    }
    if (fd >= 0)
        close(fd);
    return status;
}

void collet_file_unmap(collet_file *file)
{
    if (file && file->data)
        munmap((void *)(uintptr_t)file->data, (size_t)file->n_bytes);
    if (file)
        *file = (collet_file){ 0 };
}

void collet_file_forget(const void *data, uint64_t n_bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t begin = ((uintptr_t)data + page - 1) & ~(page - 1), end = ((uintptr_t)data + n_bytes) & ~(page - 1);
    if (end > begin)
        madvise((void *)begin, end - begin, MADV_DONTNEED);
}

static collet_status read_stream(char **text, size_t *n_bytes, FILE *in, const char *name, size_t max,
                                 collet_error *err)
{
    char *buf = NULL;
    size_t n = 0, capacity = 0;
    collet_status status = COLLET_OK;
    for (;;) {
        if (n + 1 >= capacity) {
            capacity = capacity ? 2 * capacity : 4096;
            char *grown = realloc(buf, capacity);
            if (!grown) {
                status = collet_fail(err, COLLET_E_NOMEM, "%s: no memory for its text", name);
                break;
            }
            buf = grown;
        }
        size_t got = fread(buf + n, 1, capacity - 1 - n, in);
        n += got;
        if (n > max) {
            status = collet_fail(err, COLLET_E_INVALID, "%s: larger than the %zu bytes accepted here", name, max);
            break;
        }
        if (got == 0) {
            if (ferror(in))
                status = collet_fail_errno(err, COLLET_E_IO, "%s: cannot read", name);
            break;
        }
    }
    if (status != COLLET_OK) {
        free(buf);
        return status;
    }
    buf[n] = '\0';
    *text = buf;
    *n_bytes = n;
    return COLLET_OK;
}

collet_status collet_file_read(char **text, size_t *n_bytes, const char *path, size_t n_bytes_max, collet_error *err)
{
    if (strcmp(path, "-") == 0)
        return read_stream(text, n_bytes, stdin, "stdin", n_bytes_max, err);
    int fd = -1;
    struct stat st;
    collet_status status = open_regular(&fd, &st, path, err);
    FILE *in = status == COLLET_OK ? fdopen(fd, "rb") : NULL;
    if (status == COLLET_OK && !in)
        status = collet_fail_errno(err, COLLET_E_IO, "%s: cannot read", path);
    if (status == COLLET_OK)
        status = read_stream(text, n_bytes, in, path, n_bytes_max, err);
    if (in)
        fclose(in);
    else if (fd >= 0)
        close(fd);
    return status;
}

static collet_status write_all(int fd, const uint8_t *data, size_t n_bytes)
{
    while (n_bytes > 0) {
        ssize_t n = write(fd, data, n_bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return COLLET_E_IO;
        data += n;
        n_bytes -= (size_t)n;
    }
    return COLLET_OK;
}

collet_status collet_file_replace(const char *path, const void *data, size_t n_bytes, collet_error *err)
{
    char temp[4096];
    if (snprintf(temp, sizeof temp, "%s.XXXXXX", path) >= (int)sizeof temp)
        return collet_fail(err, COLLET_E_INVALID, "%s: path too long", path);
    int fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return collet_fail_errno(err, COLLET_E_IO, "%s: cannot create", temp);
    collet_status status = COLLET_OK;
    if (write_all(fd, data, n_bytes) != COLLET_OK || fchmod(fd, 0644) != 0 || fsync(fd) != 0)
        status = collet_fail_errno(err, COLLET_E_IO, "%s: cannot write", temp);
    if (close(fd) != 0 && status == COLLET_OK)
        status = collet_fail_errno(err, COLLET_E_IO, "%s: cannot write", temp);
    if (status == COLLET_OK && rename(temp, path) != 0)
        status = collet_fail_errno(err, COLLET_E_IO, "%s: cannot rename from %s", path, temp);
    if (status != COLLET_OK)
        unlink(temp);
    return status;
}
