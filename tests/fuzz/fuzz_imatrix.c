// SPDX-License-Identifier: Apache-2.0
// tests/fuzz/fuzz_imatrix.c - any bytes as an importance matrix: refused with a message, or every promise of imatrix.h
// holds.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/model/imatrix.h"
#include "tests/fuzz/fuzz.h"

#define REQUIRE(condition) \
    do {                   \
        if (!(condition))  \
            abort();       \
    } while (0)

static void check_entries(const collet_imatrix *im)
{
    REQUIRE(collet_imatrix_n_entries(im) > 0);
    for (uint64_t i = 0; i < collet_imatrix_n_entries(im); i++) {
        const collet_imatrix_entry *e = collet_imatrix_entry_at(im, i);
        REQUIRE(e->n_values > 0 && collet_imatrix_find(im, e->name) == e);
        for (uint64_t k = 0; k < e->n_values; k++)
            REQUIRE(isfinite(e->values[k]) && e->values[k] >= 0.0f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    char path[64];
    int fd = memfd_create("fuzz.imatrix", MFD_CLOEXEC);
    REQUIRE(fd >= 0 && write(fd, data, n_bytes) == (ssize_t)n_bytes);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);

    collet_imatrix *im = NULL;
    collet_error err = COLLET_ERROR_INIT;
    collet_status st = collet_imatrix_open(&im, path, &err);
    REQUIRE((st == COLLET_OK) == (im != NULL));
    REQUIRE(st == COLLET_OK || (strncmp(err.msg, path, strlen(path)) == 0 && !strchr(err.msg, '\n')));
    if (im)
        check_entries(im);
    collet_imatrix_close(im);
    close(fd);
    return 0;
}
