// SPDX-License-Identifier: Apache-2.0
// tests/core/base/test_file.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"

static char folder[] = "/tmp/collet-test-file-XXXXXX";
static char path[128];

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[160];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void test_file__what_was_replaced_is_mapped_and_read(void **state)
{
    (void)state;
    collet_file file = { 0 };
    char *text = NULL;
    size_t n = 0;
    assert_int_equal(collet_file_replace(in_folder("a"), "hello", 5, NULL), COLLET_OK);
    assert_int_equal(collet_file_map(&file, path, NULL), COLLET_OK);
    assert_int_equal(file.n_bytes, 5);
    assert_memory_equal(file.data, "hello", 5);
    collet_file_unmap(&file);
    assert_int_equal(collet_file_read(&text, &n, path, 5, NULL), COLLET_OK);
    assert_string_equal(text, "hello");
    free(text);
    assert_int_equal(collet_file_read(&text, &n, path, 4, NULL), COLLET_E_INVALID);
}

static void test_file__an_empty_file_maps_to_nothing(void **state)
{
    (void)state;
    collet_file file = { 0 };
    assert_int_equal(collet_file_replace(in_folder("empty"), "", 0, NULL), COLLET_OK);
    assert_int_equal(collet_file_map(&file, path, NULL), COLLET_OK);
    assert_int_equal(file.n_bytes, 0);
    assert_null(file.data);
}

static void test_file__what_is_no_regular_file_is_refused_without_waiting(void **state)
{
    (void)state;
    collet_file file = { 0 };
    collet_error err = COLLET_ERROR_INIT;
    assert_int_equal(collet_file_map(&file, folder, &err), COLLET_E_IO);
    assert_non_null(strstr(err.msg, "is a directory"));
    assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
    assert_int_equal(collet_file_map(&file, path, &err), COLLET_E_IO); // must not block
    assert_int_equal(collet_file_map(&file, in_folder("missing"), &err), COLLET_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "missing"));
}

static void test_file__a_failed_replace_leaves_nothing(void **state)
{
    (void)state;
    char missing[160];
    snprintf(missing, sizeof missing, "%s/no/such/folder/x", folder);
    assert_int_equal(collet_file_replace(missing, "x", 1, NULL), COLLET_E_IO);
    assert_int_equal(access(missing, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file__what_was_replaced_is_mapped_and_read),
        cmocka_unit_test(test_file__an_empty_file_maps_to_nothing),
        cmocka_unit_test(test_file__what_is_no_regular_file_is_refused_without_waiting),
        cmocka_unit_test(test_file__a_failed_replace_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
