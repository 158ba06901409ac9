// SPDX-License-Identifier: Apache-2.0
// tests/fuzz/fuzz_gguf.c - any bytes as a GGUF file: refused with a message, or every promise of gguf.h holds.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/model/gguf.h"
#include "tests/fuzz/fuzz.h"

#define REQUIRE(condition) \
    do {                   \
        if (!(condition))  \
            abort();       \
    } while (0)

static void check_keys(const collet_gguf *g)
{
    for (uint64_t i = 0; i < collet_gguf_n_kv(g); i++) {
        const collet_gguf_kv *kv = collet_gguf_kv_at(g, i);
        char text[256], key[64];
        collet_gguf_array rest = kv->value;
        const char *item;
        uint64_t n_item, n_items = 0;
        REQUIRE(strlen(collet_gguf_format_value(text, sizeof text, kv)) < sizeof text);
        while (collet_gguf_array_next(&rest, &item, &n_item))
            n_items++;
        REQUIRE(kv->value.type != COLLET_GGUF_STRING || (n_items == kv->value.n && rest.n_bytes == 0));
        if (kv->n_key < sizeof key && !memchr(kv->key, '\0', kv->n_key)) {
            snprintf(key, sizeof key, "%.*s", (int)kv->n_key, kv->key);
            REQUIRE(collet_gguf_find(g, key) == kv);
        }
    }
}

static void check_tensors(const collet_gguf *g)
{
    volatile uint8_t sink = 0;
    for (uint64_t i = 0; i < collet_gguf_n_tensors(g); i++) {
        const collet_gguf_tensor *t = collet_gguf_tensor_at(g, i);
        REQUIRE(collet_gguf_find_tensor(g, t->name) == t);
        REQUIRE(t->n_dims >= 1 && t->n_dims <= COLLET_GGUF_DIMS_MAX && t->dims[0] % t->block_elems == 0);
        REQUIRE(t->n_bytes > 0 && t->offset + t->n_bytes <= collet_gguf_file_bytes(g));
        sink = (uint8_t)(sink + t->data[0] + t->data[t->n_bytes - 1]); // in the mapping
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    char path[64];
    int fd = memfd_create("fuzz.gguf", MFD_CLOEXEC);
    REQUIRE(fd >= 0 && write(fd, data, n_bytes) == (ssize_t)n_bytes);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);

    collet_gguf *g = NULL;
    collet_error err = COLLET_ERROR_INIT;
    collet_status st = collet_gguf_open(&g, path, &err);
    REQUIRE((st == COLLET_OK) == (g != NULL));
    REQUIRE(st == COLLET_OK || (strncmp(err.msg, path, strlen(path)) == 0 && !strchr(err.msg, '\n')));
    if (g) {
        check_keys(g);
        check_tensors(g);
    }
    collet_gguf_close(g);
    close(fd);
    return 0;
}
