// SPDX-License-Identifier: Apache-2.0
// tests/fuzz/fuzz_profile.c - any bytes as a profile: refused with places, or what is shown is read back as the same.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/text.h"
#include "core/plugin/profile.h"
#include "tests/fuzz/fuzz.h"

#define REQUIRE(condition) \
    do {                   \
        if (!(condition))  \
            abort();       \
    } while (0)

static collet_status load(collet_profile **p, collet_text *problems, const void *data, size_t n_bytes)
{
    char path[64];
    int fd = memfd_create("fuzz.yaml", MFD_CLOEXEC);
    REQUIRE(fd >= 0 && write(fd, data, n_bytes) == (ssize_t)n_bytes);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    collet_error err = COLLET_ERROR_INIT;
    const collet_profile_opts opts = { .path = path, .no_user = true };
    collet_status st = collet_profile_load(p, &opts, problems, &err);
    REQUIRE((st == COLLET_OK) == (*p != NULL) && (st == COLLET_OK) == (problems->n_bytes == 0));
    REQUIRE(st == COLLET_OK || (err.code == st && err.msg[0]));
    close(fd);
    return st;
}

static char *shown(const collet_profile *p, size_t *n_bytes)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, n_bytes);
    REQUIRE(out != NULL);
    collet_profile_print(p, out, false);
    REQUIRE(fclose(out) == 0);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    collet_profile *p = NULL, *again = NULL;
    collet_text problems = { 0 };
    if (load(&p, &problems, data, n_bytes) == COLLET_OK) {
        size_t n_first = 0, n_second = 0;
        char *first = shown(p, &n_first);
        REQUIRE(load(&again, &problems, first, n_first) == COLLET_OK);
        char *second = shown(again, &n_second);
        REQUIRE(n_first == n_second && memcmp(first, second, n_first) == 0);
        char *json = collet_profile_json(p);
        REQUIRE(json != NULL);
        free(json);
        free(second);
        free(first);
    }
    collet_profile_destroy(again);
    collet_profile_destroy(p);
    collet_text_free(&problems);
    return 0;
}
