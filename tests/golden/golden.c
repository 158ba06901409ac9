// SPDX-License-Identifier: Apache-2.0
// tests/golden/golden.c - where the golden data lie, and reading them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/golden/golden.h"

#define PATH_BYTES 4096

const char *golden_path(char *out, const char *folder, const char *file)
{
    const char *goldens = getenv("COLLET_GOLDENS");
    int n = snprintf(out, PATH_BYTES, "%s/%s/%s", goldens ? goldens : "../shared/goldens", folder, file);
    assert_true(n > 0 && n < PATH_BYTES);
    return out;
}

json_t *golden_json(const char *folder, const char *file)
{
    char path[PATH_BYTES];
    if (access(golden_path(path, folder, file), R_OK) != 0) {
        fprintf(stderr, "skipped: no golden data: %s (set COLLET_GOLDENS)\n", path);
        return NULL;
    }
    json_error_t error;
    json_t *json = json_load_file(path, 0, &error);
    if (!json)
        fail_msg("%s:%d: %s", path, error.line, error.text);
    return json;
}

void *golden_read(size_t *n_bytes, const char *folder, const char *file)
{
    char path[PATH_BYTES];
    FILE *in = fopen(golden_path(path, folder, file), "rb");
    if (!in)
        fail_msg("%s: cannot be opened", path);
    assert_int_equal(fseek(in, 0, SEEK_END), 0);
    long size = ftell(in);
    assert_true(size >= 0);
    rewind(in);
    void *data = malloc((size_t)size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)size, in), size);
    fclose(in);
    *n_bytes = (size_t)size;
    return data;
}
