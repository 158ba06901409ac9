// SPDX-License-Identifier: Apache-2.0
// tests/core/model/test_gguf_write.c - what is written is read back; what goes wrong leaves no file behind.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/model/gguf_write.h"

static char dir[] = "/tmp/collet_test_gguf_write.XXXXXX"; // current directory of the tests

// ---- calls that fail when a test says so (linked with --wrap) ----

typedef struct faults {
    long pwrites_left; // -1: no limit; then pwrite_errno
    int pwrite_errno, fallocate_errno, linkat_errno, fsync_errno;
    bool no_tmpfile;      // as on a file system without O_TMPFILE
    uint64_t free_blocks; // of 4096 bytes; 0: as it is
} faults;

static faults fault;

ssize_t __real_pwrite(int fd, const void *data, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t n, off_t at);
int __real_fallocate(int fd, int mode, off_t at, off_t n);
int __wrap_fallocate(int fd, int mode, off_t at, off_t n);
int __real_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_fstatvfs(int fd, struct statvfs *fs);
int __wrap_fstatvfs(int fd, struct statvfs *fs);

static int failing(int code)
{
    errno = code;
    return -1;
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t n, off_t at)
{
    if (fault.pwrites_left == 0)
        return failing(fault.pwrite_errno);
    fault.pwrites_left -= fault.pwrites_left > 0;
    return __real_pwrite(fd, data, n > 100 ? 100 : n, at); // short, as a write may be
}

int __wrap_fallocate(int fd, int mode, off_t at, off_t n)
{
    return fault.fallocate_errno ? failing(fault.fallocate_errno) : __real_fallocate(fd, mode, at, n);
}

int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    return fault.linkat_errno ? failing(fault.linkat_errno) : __real_linkat(from_fd, from, to_fd, to, flags);
}

int __wrap_fsync(int fd)
{
    return fault.fsync_errno ? failing(fault.fsync_errno) : __real_fsync(fd);
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (fault.no_tmpfile && (flags & O_TMPFILE) == O_TMPFILE)
        return failing(EOPNOTSUPP);
    return __real_open(path, flags, mode);
}

int __wrap_fstatvfs(int fd, struct statvfs *fs)
{
    int rc = __real_fstatvfs(fd, fs);
    if (rc == 0 && fault.free_blocks) {
        fs->f_bavail = fault.free_blocks;
        fs->f_frsize = 4096;
    }
    return rc;
}

// ---- a source, and what is made of it ----

typedef struct text {
    char data[4096];
    size_t n;
} text;

static void put(text *t, const void *data, size_t n)
{
    assert_true(t->n + n <= sizeof t->data);
    memcpy(t->data + t->n, data, n);
    t->n += n;
}

static void put_n(text *t, uint64_t value, size_t n_bytes)
{
    put(t, &value, n_bytes);
}

static void put_str(text *t, const char *s)
{
    put_n(t, strlen(s), 8);
    put(t, s, strlen(s));
}

static void put_key(text *t, const char *key, uint32_t type)
{
    put_str(t, key);
    put_n(t, type, 4);
}

// Keys of every form, alignment 64, f32 tensors "a" (2 rows of 32) and "b" (3 elements).
static void write_source(const char *name)
{
    text t = { 0 };
    put(&t, "GGUF", 4);
    put_n(&t, 2, 4);
    put_n(&t, 2, 8);
    put_n(&t, 6, 8);
    put_key(&t, "general.architecture", COLLET_GGUF_STRING);
    put_str(&t, "llama");
    put_key(&t, "general.alignment", COLLET_GGUF_U32);
    put_n(&t, 64, 4);
    put_key(&t, "general.file_type", COLLET_GGUF_U32);
    put_n(&t, 0, 4);
    put_key(&t, "tokens", COLLET_GGUF_ARRAY);
    put_n(&t, COLLET_GGUF_STRING, 4);
    put_n(&t, 2, 8);
    put_str(&t, "<s>");
    put_str(&t, "");
    put_key(&t, "heads", COLLET_GGUF_ARRAY);
    put_n(&t, COLLET_GGUF_I16, 4);
    put_n(&t, 3, 8);
    put(&t, "\x01\x00\x02\x00\xff\xff", 6);
    put_key(&t, "flag", COLLET_GGUF_BOOL);
    put_n(&t, 1, 1);
    const struct {
        const char *name;
        uint32_t n_dims;
        uint64_t dims[2], offset;
    } tensors[] = { { "a", 2, { 32, 2 }, 0 }, { "b", 1, { 3 }, 256 } };
    for (size_t i = 0; i < COLLET_COUNT(tensors); i++) {
        put_str(&t, tensors[i].name);
        put_n(&t, tensors[i].n_dims, 4);
        for (uint32_t d = 0; d < tensors[i].n_dims; d++)
            put_n(&t, tensors[i].dims[d], 8);
        put_n(&t, 0, 4);
        put_n(&t, tensors[i].offset, 8);
    }
    while (t.n % 64)
        put_n(&t, 0, 1);
    for (size_t i = 0; i < 256 + 12; i++)
        put_n(&t, i, 1);
    FILE *out = fopen(name, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(t.data, 1, t.n, out), t.n);
    assert_int_equal(fclose(out), 0);
}

static collet_gguf *open_file(const char *name)
{
    collet_gguf *g = NULL;
    collet_error err = COLLET_ERROR_INIT;
    if (collet_gguf_open(&g, name, &err) != COLLET_OK)
        fail_msg("%s", err.msg);
    return g;
}

static const uint8_t rows[36] = { 1, 2, 3, [35] = 9 }; // "a" as q4_0
static const uint8_t bias[12] = { 7, [11] = 8 };

// Copies the source's keys, makes "a" q4_0 and keeps "b"; the first failure is returned.
static collet_status rewrite(const char *name, const collet_gguf *source, collet_error *err)
{
    collet_gguf_writer *w = NULL;
    assert_int_equal(collet_gguf_writer_create(&w, err), COLLET_OK);
    collet_gguf_writer_copy_keys(w, source);
    assert_int_equal(collet_gguf_writer_set_u32(w, "general.file_type", 2, err), COLLET_OK);
    assert_int_equal(collet_gguf_writer_set_str(w, "quantize.imatrix.file", "x.dat", err), COLLET_OK);
    assert_int_equal(collet_gguf_writer_add_tensor(w, collet_gguf_tensor_at(source, 0), 2, err), COLLET_OK);
    assert_int_equal(collet_gguf_writer_add_tensor(w, collet_gguf_tensor_at(source, 1), 0, err), COLLET_OK);
    collet_status st = collet_gguf_writer_open(w, name, source, err);
    if (st == COLLET_OK)
        st = collet_gguf_writer_write(w, 1, 0, bias, sizeof bias, err);
    if (st == COLLET_OK)
        st = collet_gguf_writer_write(w, 0, 18, rows + 18, 18, err);
    if (st == COLLET_OK)
        st = collet_gguf_writer_write(w, 0, 0, rows, 18, err);
    if (st == COLLET_OK)
        st = collet_gguf_writer_commit(w, err);
    collet_gguf_writer_destroy(w);
    return st;
}

static void assert_written(const char *name)
{
    collet_gguf *g = open_file(name);
    collet_error err = COLLET_ERROR_INIT;
    uint32_t value = 0;
    const char *file = NULL;
    size_t n = 0;
    assert_int_equal(collet_gguf_version(g), 3);
    assert_int_equal(collet_gguf_n_kv(g), 7);
    assert_int_equal(collet_gguf_get_u32(&value, g, "general.file_type", &err), COLLET_OK);
    assert_int_equal(value, 2);
    assert_int_equal(collet_gguf_get_str(&file, &n, g, "quantize.imatrix.file", &err), COLLET_OK);
    assert_int_equal(n, 5);
    assert_memory_equal(collet_gguf_kv_at(g, 2)->key, "general.file_type", 17); // in its place
    const collet_gguf_tensor *a = collet_gguf_tensor_at(g, 0), *b = collet_gguf_tensor_at(g, 1);
    assert_string_equal(a->name, "a");
    assert_string_equal(a->format, "q4_0");
    assert_int_equal(a->n_dims, 2);
    assert_int_equal(a->dims[1], 2);
    assert_memory_equal(a->data, rows, sizeof rows);
    assert_int_equal(b->n_dims, 1);
    assert_memory_equal(b->data, bias, sizeof bias);
    assert_int_equal(a->offset % 64, 0);
    assert_int_equal(b->offset, a->offset + 64);
    assert_int_equal(collet_gguf_file_bytes(g), b->offset + 64); // padded to its end
    for (int i = 36; i < 64; i++)
        assert_int_equal(a->data[i], 0);
    collet_gguf_close(g);
}

// All names in the folder are the ones given.
static void assert_folder(const char *one, const char *two)
{
    DIR *d = opendir(".");
    assert_non_null(d);
    for (const struct dirent *e = readdir(d); e; e = readdir(d))
        if (e->d_name[0] != '.' && strcmp(e->d_name, one) != 0 && (!two || strcmp(e->d_name, two) != 0))
            fail_msg("%s was left behind", e->d_name);
    closedir(d);
}

// ---- tests ----

static void test_gguf_write__keys_and_tensors_are_read_back(void **state)
{
    collet_gguf *g = *state;
    collet_error err = COLLET_ERROR_INIT;
    for (int i = 0; i < 2; i++) {
        fault.no_tmpfile = i == 1;
        if (rewrite("out.gguf", g, &err) != COLLET_OK)
            fail_msg("%s", err.msg);
        assert_written("out.gguf");
        struct stat st;
        assert_int_equal(stat("out.gguf", &st), 0);
        assert_int_equal(st.st_mode & 0777, 0644);
        assert_folder("in.gguf", "out.gguf");
        unlink("out.gguf");
    }
}

static void test_gguf_write__replaces_what_was_there(void **state)
{
    collet_gguf *g = *state;
    collet_error err = COLLET_ERROR_INIT;
    for (int i = 0; i < 2; i++) {
        fault.no_tmpfile = i == 1;
        int fd = creat("out.gguf", 0640);
        assert_true(fd >= 0 && close(fd) == 0);
        if (rewrite("out.gguf", g, &err) != COLLET_OK)
            fail_msg("%s", err.msg);
        struct stat st;
        assert_int_equal(stat("out.gguf", &st), 0);
        assert_int_equal(st.st_mode & 0777, 0640); // its permissions stay
        assert_written("out.gguf");
        assert_folder("in.gguf", "out.gguf");
        unlink("out.gguf");
    }
}

static void test_gguf_write__follows_a_link_to_the_file(void **state)
{
    collet_error err = COLLET_ERROR_INIT;
    write_source("real.gguf");
    assert_int_equal(symlink("real.gguf", "out.gguf"), 0);
    assert_int_equal(rewrite("out.gguf", *state, &err), COLLET_OK);
    struct stat st;
    assert_int_equal(lstat("out.gguf", &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_written("real.gguf");
    unlink("out.gguf");
    unlink("real.gguf");
}

static void assert_refused(const collet_gguf *g, const char *name, collet_status want, const char *message)
{
    collet_error err = COLLET_ERROR_INIT;
    assert_int_equal(rewrite(name, g, &err), want);
    if (!strstr(err.msg, message) || strncmp(err.msg, name, strlen(name)) != 0)
        fail_msg("got    %s\nwanted %s", err.msg, message);
}

static void test_gguf_write__refuses_its_own_source(void **state)
{
    assert_refused(*state, "in.gguf", COLLET_E_INVALID, "is the file that is read, in.gguf");
    assert_int_equal(link("in.gguf", "again.gguf"), 0);
    assert_refused(*state, "again.gguf", COLLET_E_INVALID, "is the file that is read");
    unlink("again.gguf");
}

static void test_gguf_write__refuses_folders_and_devices(void **state)
{
    assert_refused(*state, ".", COLLET_E_INVALID, "is a folder");
    assert_refused(*state, "/dev/null", COLLET_E_INVALID, "no regular file");
    assert_refused(*state, "nowhere/out.gguf", COLLET_E_IO, "cannot create a file in nowhere: No such file");
}

// Each fault, with a name in the folder and without one: the old file stays, and nothing is beside it.
static void test_gguf_write__faults_leave_what_was_there(void **state)
{
    collet_gguf *g = *state;
    for (int i = 0; i < 2; i++) {
        write_source("out.gguf");
        const struct {
            faults fault;
            const char *message;
        } cases[] = {
            { { .pwrites_left = 0, .pwrite_errno = ENOSPC }, "no space: needs " },
            { { .pwrites_left = 5, .pwrite_errno = ENOSPC }, "no space: needs " },
            { { .pwrites_left = 6, .pwrite_errno = EIO }, "cannot write: Input/output error" },
            { { .pwrites_left = -1, .fallocate_errno = ENOSPC }, " are free; free some" },
            { { .pwrites_left = -1, .fallocate_errno = EFBIG }, "ulimit -f" },
            { { .pwrites_left = -1, .free_blocks = 0, .fsync_errno = EIO }, "cannot bring it to the disk" },
        };
        for (size_t k = 0; k < COLLET_COUNT(cases); k++) {
            fault = cases[k].fault;
            fault.no_tmpfile = i == 1;
            assert_refused(g, "out.gguf", COLLET_E_IO, cases[k].message);
            assert_folder("in.gguf", "out.gguf");
            collet_gguf *old = open_file("out.gguf");
            assert_int_equal(collet_gguf_n_kv(old), 6);
            collet_gguf_close(old);
        }
        unlink("out.gguf");
    }
    fault = (faults){ .pwrites_left = -1, .linkat_errno = EPERM };
    assert_refused(g, "out.gguf", COLLET_E_IO, "cannot give it its name: Operation not permitted");
    assert_folder("in.gguf", NULL);
}

static void test_gguf_write__a_full_disk_is_seen_before_the_work(void **state)
{
    collet_error err = COLLET_ERROR_INIT;
    fault.free_blocks = 1;
    assert_int_equal(rewrite("out.gguf", *state, &err), COLLET_OK); // it has 576 bytes
    unlink("out.gguf");
    collet_gguf_writer *w = NULL;
    assert_int_equal(collet_gguf_writer_create(&w, &err), COLLET_OK);
    collet_gguf_tensor large = *collet_gguf_tensor_at(*state, 0);
    large.dims[1] = 1000;
    assert_int_equal(collet_gguf_writer_add_tensor(w, &large, 0, &err), COLLET_OK);
    assert_int_equal(collet_gguf_writer_open(w, "out.gguf", NULL, &err), COLLET_E_IO);
    collet_gguf_writer_destroy(w);
    assert_string_equal(err.msg, "out.gguf: no space: needs 128096 bytes (125.09 KiB), 4096 (4.00 KiB) are free; free "
                                 "some, or write to another disk");
    assert_int_equal(err.native, ENOSPC);
    assert_folder("in.gguf", NULL);
}

static void test_gguf_write__file_system_that_cannot_reserve_will_do(void **state)
{
    collet_error err = COLLET_ERROR_INIT;
    fault.fallocate_errno = EOPNOTSUPP;
    assert_int_equal(rewrite("out.gguf", *state, &err), COLLET_OK);
    assert_written("out.gguf");
    unlink("out.gguf");
}

static void test_gguf_write__tensors_that_cannot_be_are_refused(void **state)
{
    collet_gguf_writer *w = NULL;
    collet_error err = COLLET_ERROR_INIT;
    assert_int_equal(collet_gguf_writer_create(&w, &err), COLLET_OK);
    collet_gguf_tensor t = *collet_gguf_tensor_at(*state, 0);
    assert_int_equal(collet_gguf_writer_add_tensor(w, &t, 12, &err), COLLET_E_INVALID);
    assert_string_equal(err.msg, "a: rows of 32 elements do not divide into the blocks of 256 of q4_k");
    assert_int_equal(collet_gguf_writer_add_tensor(w, &t, 4, &err), COLLET_E_INVALID);
    assert_string_equal(err.msg, "a: type 4 is none that a GGUF file can have");
    t.dims[1] = t.dims[2] = (uint64_t)1 << 32;
    assert_int_equal(collet_gguf_writer_add_tensor(w, &t, 0, &err), COLLET_E_INVALID);
    assert_string_equal(err.msg, "a: as f32 it would have more than 2^64 bytes");
    t.dims[2] = (uint64_t)1 << 24;
    assert_int_equal(collet_gguf_writer_add_tensor(w, &t, 0, &err), COLLET_E_INVALID);
    assert_non_null(strstr(err.msg, "larger than any disk"));
    collet_gguf_writer_destroy(w);
    collet_gguf_writer_destroy(NULL);
}

// ---- set-up ----

static int begin(void **state)
{
    fault = (faults){ .pwrites_left = -1 };
    write_source("in.gguf");
    *state = open_file("in.gguf");
    return 0;
}

static int end(void **state)
{
    collet_gguf_close(*state);
    fault = (faults){ .pwrites_left = -1 };
    return unlink("in.gguf");
}

static int enter_temp_folder(void **state)
{
    (void)state;
    umask(022);
    return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int leave_temp_folder(void **state)
{
    (void)state;
    return chdir("/") == 0 ? rmdir(dir) : -1;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_gguf_write__keys_and_tensors_are_read_back),
        TEST(test_gguf_write__replaces_what_was_there),
        TEST(test_gguf_write__follows_a_link_to_the_file),
        TEST(test_gguf_write__refuses_its_own_source),
        TEST(test_gguf_write__refuses_folders_and_devices),
        TEST(test_gguf_write__faults_leave_what_was_there),
        TEST(test_gguf_write__a_full_disk_is_seen_before_the_work),
        TEST(test_gguf_write__file_system_that_cannot_reserve_will_do),
        TEST(test_gguf_write__tensors_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, enter_temp_folder, leave_temp_folder);
}
