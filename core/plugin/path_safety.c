// SPDX-License-Identifier: Apache-2.0
// core/plugin/path_safety.c - stat() from the file up to the root.
#include "core/plugin/path_safety.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/error.h"

static int64_t to_ns(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static const char *kind_name(mode_t mode)
{
    return S_ISDIR(mode) ? "a folder" : S_ISFIFO(mode) ? "a pipe" : S_ISSOCK(mode) ? "a socket" : "a device";
}

static collet_status not_regular(mode_t mode, collet_error *err)
{
    return collet_fail(err, COLLET_E_FORMAT, "is %s, a regular file was wanted", kind_name(mode));
}

collet_status collet_path_open(collet_found *out, int *fd, const char *path, collet_error *err)
{
    struct stat st;
    if (!realpath(path, out->path))
        return collet_fail_errno(err, errno == ENOENT ? COLLET_E_NOT_FOUND : COLLET_E_IO, "cannot resolve the path");
    // Before the open: opening some devices does something.
    if (lstat(out->path, &st) == 0 && !S_ISREG(st.st_mode))
        return not_regular(st.st_mode, err);
    int opened = open(out->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (opened < 0)
        return collet_fail_errno(err, errno == ENOENT ? COLLET_E_NOT_FOUND : COLLET_E_IO, "cannot open");
    collet_status status = COLLET_OK;
    if (fstat(opened, &st) != 0)
        status = collet_fail_errno(err, COLLET_E_IO, "cannot stat");
    else if (!S_ISREG(st.st_mode))
        status = not_regular(st.st_mode, err);
    if (status != COLLET_OK) {
        close(opened);
        return status;
    }
    out->dev = st.st_dev;
    out->inode = st.st_ino;
    out->n_bytes = (uint64_t)st.st_size;
    out->mtime_ns = to_ns(st.st_mtim);
    out->ctime_ns = to_ns(st.st_ctim);
    out->mode = st.st_mode;
    out->uid = st.st_uid;
    out->gid = st.st_gid;
    *fd = opened;
    return COLLET_OK;
}

typedef struct trusted {
    uid_t program_uid;
    gid_t program_gid;
    bool group; // the program is writable by its group, which could replace it
} trusted;

static trusted find_trusted(void)
{
    struct stat st;
    if (stat("/proc/self/exe", &st) != 0)
        return (trusted){ .program_uid = 0 };
    return (trusted){ .program_uid = st.st_uid, .program_gid = st.st_gid, .group = (st.st_mode & S_IWGRP) != 0 };
}

// sticky_ok: others may make entries here, but not replace ours.
static collet_status check_one(const char *path, const struct stat *st, const trusted *t, bool sticky_ok,
                               collet_error *err)
{
    if (st->st_uid != 0 && st->st_uid != geteuid() && st->st_uid != t->program_uid)
        return collet_fail(err, COLLET_E_INVALID,
                           "%s belongs to user %u, who could put code into this process; root or user %u was wanted: "
                           "chown it, or copy the plugin to a folder of your own",
                           path, (unsigned)st->st_uid, (unsigned)geteuid());
    if (sticky_ok && (st->st_mode & S_ISVTX))
        return COLLET_OK;
    if (st->st_mode & S_IWOTH)
        return collet_fail(err, COLLET_E_INVALID, "%s is writable by everybody (mode %04o): chmod o-w %s", path,
                           (unsigned)st->st_mode & 07777, path);
    if ((st->st_mode & S_IWGRP) && !(t->group && st->st_gid == t->program_gid))
        return collet_fail(err, COLLET_E_INVALID, "%s is writable by its group (mode %04o): chmod g-w %s", path,
                           (unsigned)st->st_mode & 07777, path);
    return COLLET_OK;
}

collet_status collet_path_check(const collet_found *found, collet_error *err)
{
    const trusted t = find_trusted();
    const struct stat file = { .st_mode = found->mode, .st_uid = found->uid, .st_gid = found->gid };
    char path[PATH_MAX];
    memcpy(path, found->path, strlen(found->path) + 1);
    collet_status status = check_one(path, &file, &t, false, err);
    bool holder = true; // the folder that holds the plugin
    for (char *slash = strrchr(path, '/'); status == COLLET_OK && slash; slash = strrchr(path, '/')) {
        struct stat st;
        bool root = slash == path;
        slash[root ? 1 : 0] = '\0';
        if (lstat(path, &st) != 0)
            return collet_fail_errno(err, COLLET_E_IO, "%s: cannot stat", path);
        status = check_one(path, &st, &t, !holder, err);
        holder = false;
        if (root)
            break;
    }
    return status;
}
