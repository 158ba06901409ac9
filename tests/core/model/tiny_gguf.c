// SPDX-License-Identifier: Apache-2.0
// tests/core/model/tiny_gguf.c
#include "tests/core/model/tiny_gguf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/error.h"

#define ALIGN 32u
enum { F32 = 0, F16 = 1, U32 = 4, STRING = 8 }; // as in the file

static void put_n(FILE *f, uint64_t value, size_t n_bytes)
{
    assert_int_equal(fwrite(&value, n_bytes, 1, f), 1); // little-endian, as every machine that runs this
}

static void put_text(FILE *f, const char *text)
{
    put_n(f, strlen(text), 8);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
}

static void put_u32_key(FILE *f, const char *key, uint32_t value)
{
    put_text(f, key);
    put_n(f, U32, 4);
    put_n(f, value, 4);
}

static uint64_t put_tensor(FILE *f, const tiny_tensor *t, uint64_t at)
{
    const uint64_t dims[] = { t->n_in, t->n_out, t->n_stack };
    uint32_t n_dims = 0;
    uint64_t n = 1;
    while (n_dims < 3 && dims[n_dims])
        n *= dims[n_dims++];
    put_text(f, t->name);
    put_n(f, n_dims, 4);
    for (uint32_t d = 0; d < n_dims; d++)
        put_n(f, dims[d], 8);
    put_n(f, n_dims == 1 ? F32 : F16, 4);
    put_n(f, at, 8);
    return at + (n * (n_dims == 1 ? 4 : 2) + ALIGN - 1) / ALIGN * ALIGN;
}

void tiny_gguf_write(const char *path, const tiny_gguf *t)
{
    const struct {
        const char *key;
        uint32_t value;
    } keys[] = { { "llama.block_count", t->n_layers },
                 { "llama.attention.head_count", t->n_heads },
                 { "llama.attention.head_count_kv", t->n_kv_heads },
                 { "llama.expert_count", t->n_experts } };
    uint64_t n_tensors = 0, n_keys = 1, at = 0;
    while (t->tensors[n_tensors].name)
        n_tensors++;
    for (size_t i = 0; i < COLLET_COUNT(keys); i++)
        n_keys += keys[i].value > 0;
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite("GGUF", 1, 4, f), 4);
    put_n(f, 3, 4);
    put_n(f, n_tensors, 8);
    put_n(f, n_keys, 8);
    put_text(f, "general.architecture");
    put_n(f, STRING, 4);
    put_text(f, "llama");
    for (size_t i = 0; i < COLLET_COUNT(keys); i++)
        if (keys[i].value > 0)
            put_u32_key(f, keys[i].key, keys[i].value);
    for (uint64_t i = 0; i < n_tensors; i++)
        at = put_tensor(f, &t->tensors[i], at);
    const uint64_t head = ((uint64_t)ftell(f) + ALIGN - 1) / ALIGN * ALIGN;
    fflush(f);
    assert_int_equal(ftruncate(fileno(f), (off_t)(head + at)), 0); // the weights are a hole
    fclose(f);
}

collet_gguf *tiny_gguf_open(const char *path, const tiny_gguf *t)
{
    collet_gguf *g = NULL;
    collet_error err = COLLET_ERROR_INIT;
    tiny_gguf_write(path, t);
    if (collet_gguf_open(&g, path, &err) != COLLET_OK)
        fail_msg("%s", err.msg);
    return g;
}
