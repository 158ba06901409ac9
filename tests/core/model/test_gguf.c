// SPDX-License-Identifier: Apache-2.0
// tests/core/model/test_gguf.c - small files written byte by byte: the sound one is read, each fault has its message;
// longer than 600 lines because every fault of the format is one short test.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/model/ggml_types.h"
#include "core/model/gguf.h"

static char dir[] = "/tmp/collet_test_gguf.XXXXXX"; // current directory of the tests, so that messages are short

// ---- the Nth allocation fails (linked with --wrap) ----

static long allocations_left = -1; // -1: no limit

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);

static bool allocation_fails(void)
{
    return allocations_left >= 0 && allocations_left-- == 0;
}

void *__wrap_calloc(size_t n, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(n, size);
}

char *__wrap_strdup(const char *text)
{
    return allocation_fails() ? NULL : __real_strdup(text);
}

// ---- a file under construction ----

typedef struct maker {
    uint8_t data[4096];
    size_t n;
} maker;

static void put(maker *m, const void *data, size_t n)
{
    assert_true(m->n + n <= sizeof m->data);
    memcpy(m->data + m->n, data, n);
    m->n += n;
}

static void put_u32(maker *m, uint32_t v)
{
    put(m, &v, sizeof v);
}

static void put_u64(maker *m, uint64_t v)
{
    put(m, &v, sizeof v);
}

static void put_str(maker *m, const char *text)
{
    put_u64(m, strlen(text));
    put(m, text, strlen(text));
}

static void put_header(maker *m, uint32_t version, uint64_t n_tensors, uint64_t n_kv)
{
    put(m, "GGUF", 4);
    put_u32(m, version);
    put_u64(m, n_tensors);
    put_u64(m, n_kv);
}

static void put_key(maker *m, const char *key, uint32_t type)
{
    put_str(m, key);
    put_u32(m, type);
}

static void put_kv_u32(maker *m, const char *key, uint32_t value)
{
    put_key(m, key, COLLET_GGUF_U32);
    put_u32(m, value);
}

static void put_tensor(maker *m, const char *name, uint64_t row, uint64_t rows, uint32_t type, uint64_t offset)
{
    put_str(m, name);
    put_u32(m, 2);
    put_u64(m, row);
    put_u64(m, rows);
    put_u32(m, type);
    put_u64(m, offset);
}

static void pad(maker *m, size_t align)
{
    while (m->n % align)
        put(m, "", 1);
}

static void put_data(maker *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(m, &(uint8_t){ (uint8_t)(i + 1) }, 1);
}

// Every type of value, two tensors: 2 rows of 32 as q4_0 (36 bytes), then 3 x 1 of f32.
static maker sound(uint32_t version)
{
    maker m = { 0 };
    put_header(&m, version, 2, 12);
    put_key(&m, "general.architecture", COLLET_GGUF_STRING);
    put_str(&m, "llama");
    put_kv_u32(&m, "a.u32", 4000000000u);
    put_key(&m, "a.i32", COLLET_GGUF_I32);
    put_u32(&m, (uint32_t)-5);
    put_key(&m, "a.u64", COLLET_GGUF_U64);
    put_u64(&m, UINT64_MAX);
    put_key(&m, "a.f32", COLLET_GGUF_F32);
    put(&m, &(float){ 0.5f }, 4);
    put_key(&m, "a.nan", COLLET_GGUF_F64);
    put_u64(&m, 0x7ff8000000000000u);
    put_key(&m, "a.u8", COLLET_GGUF_U8);
    put(&m, "\x07", 1);
    put_key(&m, "a.i16", COLLET_GGUF_I16);
    put(&m, "\xfe\xff", 2);
    put_key(&m, "a.bool", COLLET_GGUF_BOOL);
    put(&m, "\x01", 1);
    put_key(&m, "a.tokens", COLLET_GGUF_ARRAY);
    put_u32(&m, COLLET_GGUF_STRING);
    put_u64(&m, 3);
    put_str(&m, "<s>");
    put_str(&m, "");
    put_str(&m, "caf\xc3\xa9\n");
    put_key(&m, "a.heads", COLLET_GGUF_ARRAY);
    put_u32(&m, COLLET_GGUF_I32);
    put_u64(&m, 2);
    put_u32(&m, 8);
    put_u32(&m, (uint32_t)-1);
    put_key(&m, "a.none", COLLET_GGUF_ARRAY);
    put_u32(&m, COLLET_GGUF_F32);
    put_u64(&m, 0);
    put_tensor(&m, "w.weight", 32, 2, 2, 0);
    put_tensor(&m, "b.bias", 3, 1, 0, 64);
    pad(&m, 32);
    put_data(&m, 36);
    pad(&m, 32);
    put_data(&m, 12);
    return m;
}

// Two keys and one f32 tensor of 4: what the faults below are made from.
static maker with_tensor(const char *name, uint64_t row, uint64_t rows, uint32_t type, uint64_t offset)
{
    maker m = { 0 };
    put_header(&m, 3, 1, 1);
    put_kv_u32(&m, "k", 1);
    put_tensor(&m, name, row, rows, type, offset);
    pad(&m, 32);
    put_data(&m, 16);
    return m;
}

static void write_file(const char *name, const uint8_t *data, size_t n)
{
    FILE *f = fopen(name, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static collet_gguf *open_made(const maker *m)
{
    collet_gguf *g = NULL;
    collet_error err = COLLET_ERROR_INIT;
    write_file("made.gguf", m->data, m->n);
    if (collet_gguf_open(&g, "made.gguf", &err) != COLLET_OK)
        fail_msg("%s", err.msg);
    assert_string_equal(err.msg, "");
    return g;
}

static void assert_refused(const maker *m, const char *message)
{
    collet_gguf *g = NULL;
    collet_error err = COLLET_ERROR_INIT;
    write_file("bad.gguf", m->data, m->n);
    assert_int_equal(collet_gguf_open(&g, "bad.gguf", &err), COLLET_E_FORMAT);
    assert_null(g);
    if (!strstr(err.msg, message) || strncmp(err.msg, "bad.gguf: ", 10) != 0 || strchr(err.msg, '\n'))
        fail_msg("got    %s\nwanted %s", err.msg, message);
}

// ---- the sound file ----

static void test_gguf__sound_file_gives_its_values(void **state)
{
    (void)state;
    for (uint32_t version = 2; version <= 3; version++) {
        maker m = sound(version);
        collet_gguf *g = open_made(&m);
        collet_error err = COLLET_ERROR_INIT;
        uint64_t u = 0;
        float f = 0;
        bool b = false;
        const char *s = NULL;
        size_t n = 0;
        assert_int_equal(collet_gguf_version(g), version);
        assert_int_equal(collet_gguf_file_bytes(g), m.n);
        assert_string_equal(collet_gguf_path(g), "made.gguf");
        assert_int_equal(collet_gguf_get_str(&s, &n, g, "general.architecture", &err), COLLET_OK);
        assert_int_equal(n, 5);
        assert_memory_equal(s, "llama", 5);
        assert_int_equal(collet_gguf_get_u64(&u, g, "a.u32", &err), COLLET_OK);
        assert_int_equal(u, 4000000000u);
        assert_int_equal(collet_gguf_get_u64(&u, g, "a.u64", &err), COLLET_OK);
        assert_true(u == UINT64_MAX);
        assert_int_equal(collet_gguf_get_u64(&u, g, "a.u8", &err), COLLET_OK);
        assert_int_equal(u, 7);
        assert_int_equal(collet_gguf_get_f32(&f, g, "a.f32", &err), COLLET_OK);
        assert_true(f == 0.5f);
        assert_int_equal(collet_gguf_get_bool(&b, g, "a.bool", &err), COLLET_OK);
        assert_true(b);
        assert_string_equal(err.msg, "");
        collet_gguf_close(g);
    }
}

static void test_gguf__tensors_have_shape_format_and_place(void **state)
{
    (void)state;
    maker m = sound(3);
    collet_gguf *g = open_made(&m);
    assert_int_equal(collet_gguf_n_tensors(g), 2);
    const collet_gguf_tensor *w = collet_gguf_find_tensor(g, "w.weight"), *b = collet_gguf_find_tensor(g, "b.bias");
    assert_ptr_equal(w, collet_gguf_tensor_at(g, 0));
    assert_ptr_equal(b, collet_gguf_tensor_at(g, 1));
    assert_null(collet_gguf_find_tensor(g, "w.weigh"));
    assert_string_equal(w->format, "q4_0");
    assert_int_equal(w->n_dims, 2);
    assert_int_equal(w->dims[0], 32);
    assert_int_equal(w->dims[1], 2);
    assert_int_equal(w->dims[2], 1);
    assert_int_equal(w->n_bytes, 36);
    assert_int_equal(w->offset % 32, 0);
    assert_int_equal(w->data[0], 1);
    assert_int_equal(b->n_bytes, 12);
    assert_int_equal(b->offset, w->offset + 64);
    assert_int_equal(b->data[11], 12);
    collet_gguf_close(g);
}

static void test_gguf__arrays_are_walked_and_indexed(void **state)
{
    (void)state;
    maker m = sound(3);
    collet_gguf *g = open_made(&m);
    collet_error err = COLLET_ERROR_INIT;
    collet_gguf_array a = { 0 };
    const char *text = NULL;
    uint64_t n = 0, u = 0;
    int64_t i = 0;
    assert_int_equal(collet_gguf_get_array(&a, g, "a.tokens", COLLET_GGUF_STRING, &err), COLLET_OK);
    assert_int_equal(a.n, 3);
    assert_true(collet_gguf_array_next(&a, &text, &n));
    assert_int_equal(n, 3);
    assert_memory_equal(text, "<s>", 3);
    assert_true(collet_gguf_array_next(&a, &text, &n));
    assert_int_equal(n, 0);
    assert_true(collet_gguf_array_next(&a, &text, &n));
    assert_int_equal(n, 6);
    assert_false(collet_gguf_array_next(&a, &text, &n));
    assert_int_equal(a.n_bytes, 0);
    assert_int_equal(collet_gguf_get_array(&a, g, "a.heads", COLLET_GGUF_ARRAY, &err), COLLET_OK);
    assert_true(collet_gguf_array_u64(&u, &a, 0));
    assert_int_equal(u, 8);
    assert_false(collet_gguf_array_u64(&u, &a, 1));
    assert_true(collet_gguf_array_i64(&i, &a, 1));
    assert_int_equal(i, -1);
    assert_int_equal(collet_gguf_get_u64_at(&u, g, "a.heads", 0, &err), COLLET_OK);
    assert_int_equal(collet_gguf_get_u64_at(&u, g, "a.u8", 99, &err), COLLET_OK);
    assert_int_equal(u, 7);
    assert_int_equal(collet_gguf_get_u64_at(&u, g, "a.heads", 2, &err), COLLET_E_FORMAT);
    collet_gguf_close(g);
}

static void test_gguf__values_of_the_wrong_kind_are_named(void **state)
{
    (void)state;
    maker m = sound(3);
    collet_gguf *g = open_made(&m);
    collet_error err = COLLET_ERROR_INIT;
    uint64_t u = 77;
    uint32_t u32 = 77;
    float f = 77;
    bool b = false;
    collet_gguf_array a = { 0 };
    assert_int_equal(collet_gguf_get_u64(&u, g, "a.i32", &err), COLLET_E_FORMAT);
    assert_string_equal(err.msg,
                        "made.gguf: key 'a.i32' is -5 (i32), an integer of at least 0 was wanted; correct the file");
    assert_int_equal(collet_gguf_get_u64(&u, g, "a.i16", &err), COLLET_E_FORMAT);
    assert_int_equal(collet_gguf_get_u64(&u, g, "a.bool", &err), COLLET_E_FORMAT);
    assert_int_equal(collet_gguf_get_u32(&u32, g, "a.u64", &err), COLLET_E_FORMAT);
    assert_int_equal(collet_gguf_get_f32(&f, g, "a.nan", &err), COLLET_E_FORMAT);
    assert_int_equal(collet_gguf_get_bool(&b, g, "a.u8", &err), COLLET_E_FORMAT);
    assert_int_equal(collet_gguf_get_array(&a, g, "a.heads", COLLET_GGUF_STRING, &err), COLLET_E_FORMAT);
    assert_string_equal(err.msg, "made.gguf: key 'a.heads' is [2 x i32] 8, -1 (array of i32), an array of string was "
                                 "wanted; correct the file");
    assert_int_equal(collet_gguf_get_u64(&u, g, "a.absent", &err), COLLET_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "'a.absent'"));
    assert_int_equal(u, 77); // untouched by all of them
    assert_int_equal(u32, 77);
    assert_true(f == 77);
    collet_gguf_close(g);
}

static void test_gguf__values_are_printed_within_their_buffer(void **state)
{
    (void)state;
    static const char *const want[][2] = {
        { "general.architecture", "\"llama\"" },
        { "a.u64", "18446744073709551615" },
        { "a.i16", "-2" },
        { "a.f32", "0.5" },
        { "a.bool", "true" },
        { "a.none", "[0 x f32]" },
        { "a.tokens", "[3 x string] \"<s>\", \"\", \"caf\xc3\xa9\\x0a\"" },
    };
    maker m = sound(3);
    collet_gguf *g = open_made(&m);
    for (size_t i = 0; i < COLLET_COUNT(want); i++) {
        char out[80];
        assert_string_equal(collet_gguf_format_value(out, sizeof out, collet_gguf_find(g, want[i][0])), want[i][1]);
        for (size_t n = 1; n < sizeof out; n++) {
            char *cut = malloc(n); // so that the sanitizer sees its end
            assert_true(strlen(collet_gguf_format_value(cut, n, collet_gguf_find(g, want[i][0]))) < n);
            free(cut);
        }
    }
    collet_gguf_close(g);
}

static void test_gguf__alignment_key_moves_the_data(void **state)
{
    (void)state;
    maker m = { 0 };
    put_header(&m, 3, 1, 1);
    put_kv_u32(&m, "general.alignment", 256);
    put_tensor(&m, "t", 4, 1, 0, 0);
    pad(&m, 256);
    put_data(&m, 16);
    collet_gguf *g = open_made(&m);
    assert_int_equal(collet_gguf_tensor_at(g, 0)->offset, 256);
    collet_gguf_close(g);
}

static void test_gguf__file_without_tensors_is_a_vocabulary(void **state)
{
    (void)state;
    maker m = { 0 };
    put_header(&m, 3, 0, 1);
    put_kv_u32(&m, "k", 1);
    collet_gguf *g = open_made(&m);
    assert_int_equal(collet_gguf_n_tensors(g), 0);
    assert_int_equal(collet_gguf_n_kv(g), 1);
    collet_gguf_close(g);
    collet_gguf_close(NULL);
}

// ---- faults ----

static void test_gguf__truncated_header_says_where(void **state)
{
    (void)state;
    collet_gguf *g = NULL;
    collet_error err = COLLET_ERROR_INIT;
    write_file("short.gguf", (const uint8_t *)"GGUF\3\0\0", 7);
    assert_int_equal(collet_gguf_open(&g, "short.gguf", &err), COLLET_E_FORMAT);
    assert_null(g);
    assert_string_equal(err.msg, "short.gguf: ends at byte 7, inside the 24-byte header");
}

static void test_gguf__every_prefix_is_refused(void **state)
{
    (void)state;
    maker whole = sound(3);
    for (size_t n = 0; n < whole.n; n++) {
        maker m = whole;
        m.n = n;
        assert_refused(&m, n ? "e" : "is empty");
    }
}

static void walk(const collet_gguf *g)
{
    char out[64];
    uint64_t sum = 0;
    for (uint64_t i = 0; i < collet_gguf_n_kv(g); i++)
        collet_gguf_format_value(out, sizeof out, collet_gguf_kv_at(g, i));
    for (uint64_t i = 0; i < collet_gguf_n_tensors(g); i++) {
        const collet_gguf_tensor *t = collet_gguf_tensor_at(g, i);
        sum += t->data[0] + t->data[t->n_bytes - 1];
        assert_ptr_equal(collet_gguf_find_tensor(g, t->name), t);
    }
    assert_true(sum < UINT64_MAX);
}

static void test_gguf__changed_bytes_never_crash(void **state)
{
    (void)state;
    static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
    maker whole = sound(3);
    for (size_t at = 0; at < whole.n; at++) {
        for (size_t v = 0; v < COLLET_COUNT(values); v++) {
            maker m = whole;
            m.data[at] = values[v];
            collet_gguf *g = NULL;
            collet_error err = COLLET_ERROR_INIT;
            write_file("changed.gguf", m.data, m.n);
            if (collet_gguf_open(&g, "changed.gguf", &err) == COLLET_OK)
                walk(g);
            else
                assert_int_equal(strncmp(err.msg, "changed.gguf: ", 14), 0);
            collet_gguf_close(g);
        }
    }
}

static void test_gguf__faults_of_the_header_are_named(void **state)
{
    (void)state;
    static const struct {
        uint32_t version;
        uint64_t n_tensors, n_kv;
        const char *message;
    } cases[] = {
        { 1, 0, 0, "is GGUF version 1 (at byte 4), 2 or 3 were wanted" },
        { 0, 0, 0, "is GGUF version 0 (at byte 4)" },
        { 99, 0, 0, "is GGUF version 99 (at byte 4)" },
        { 0x03000000, 0, 0, "is a big-endian GGUF file" },
        { 3, UINT64_MAX, 0, "claims 18446744073709551615 tensors (at byte 8)" },
        { 3, 0, UINT64_C(1) << 63, "claims 9223372036854775808 keys (at byte 16)" },
        { 3, 0, 2, "claims 2 keys (at byte 16)" },
    };
    for (size_t i = 0; i < COLLET_COUNT(cases); i++) {
        maker m = { 0 };
        put_header(&m, cases[i].version, cases[i].n_tensors, cases[i].n_kv);
        put_kv_u32(&m, "k", 1);
        assert_refused(&m, cases[i].message);
    }
    maker m = sound(3);
    memcpy(m.data, "GGML", 4);
    assert_refused(&m, "begins with 'GGML', not with 'GGUF'");
}

// One key of one byte, then `n` bytes of type and value.
static maker with_value(const void *value, size_t n)
{
    maker m = { 0 };
    put_header(&m, 3, 0, 1);
    put_str(&m, "k");
    put(&m, value, n);
    return m;
}

static void test_gguf__faults_of_keys_are_named(void **state)
{
    (void)state;
    maker m = with_value("\x63\0\0\0\0", 5);
    assert_refused(&m, "key 1 of 1 ('k') has the unknown value type 99 (at byte 33)");
    m = with_value("\x07\0\0\0\x02", 5);
    assert_refused(&m, "a bool of key 1 of 1 ('k') is 2 (at byte 37), 0 or 1 were wanted");
    m = with_value("\x08\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 12);
    assert_refused(&m,
                   "the string of key 1 of 1 ('k'), at byte 37, claims 18446744073709551615 bytes where 0 are left");
    m = with_value("\x09\0\0\0\x09\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_refused(&m, "key 1 of 1 ('k') is an array of arrays (at byte 37)");
    m = with_value("\x09\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\x40", 16);
    assert_refused(&m, "the 4611686018427387904 values (u32) of key 1 of 1 ('k'), from byte 49, do not fit");
    m = with_value("\x09\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\x40", 16);
    assert_refused(&m, "ends at byte 49, inside key 1 of 1 ('k')");

    m = (maker){ 0 };
    put_header(&m, 3, 0, 1);
    put_u64(&m, UINT64_C(1) << 63);
    put_data(&m, 16);
    assert_refused(&m, "the name of key 1 of 1, at byte 24, claims 9223372036854775808 bytes where 16 are left");
    m = (maker){ 0 };
    put_header(&m, 3, 0, 1);
    put_kv_u32(&m, "", 1);
    assert_refused(&m, "the name of key 1 of 1, at byte 24, has 0 bytes, 1 to 65535 were wanted");
    m = (maker){ 0 };
    put_header(&m, 3, 0, 2);
    put_kv_u32(&m, "k.\x01", 1);
    put_kv_u32(&m, "k.\x01", 2);
    assert_refused(&m, "key 'k.\\x01' stands twice (at bytes 32 and 51)");
}

static void test_gguf__faults_of_alignment_are_named(void **state)
{
    (void)state;
    static const uint32_t bad[] = { 0, 3, 48, 1u << 21, 1u << 31 };
    for (size_t i = 0; i < COLLET_COUNT(bad); i++) {
        maker m = { 0 };
        put_header(&m, 3, 0, 1);
        put_kv_u32(&m, "general.alignment", bad[i]);
        assert_refused(&m, "a power of two up to 1048576 was wanted");
    }
}

static void test_gguf__faults_of_tensors_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t row, rows;
        uint32_t type;
        uint64_t offset;
        const char *message;
    } cases[] = {
        { "t", 4, 1, 200, 0, "tensor 1 of 1 ('t') has the unknown type 200" },
        { "t", 256, 1, 144, 0, "has type 144, IQ4_KS (of ik_llama.cpp only;" },
        { "t", 256, 1, 4, 0, "has type 4, Q4_2 (removed from GGUF in 2023;" },
        { "t", 0, 1, 0, 0, "dimension 0 of tensor 1 of 1 ('t') is 0 (at byte 54)" },
        { "t", 4, 0, 0, 0, "dimension 1 of tensor 1 of 1 ('t') is 0 (at byte 62)" },
        { "t", UINT64_C(1) << 40, UINT64_C(1) << 40, 0, 0, "overflows 64 bits" },
        { "t", UINT64_C(1) << 62, 1, 0, 0, "overflows 64 bits" },
        { "t", UINT64_C(1) << 63, 1, 24, 0, "overflows 64 bits" },
        { "t", 33, 1, 2, 0, "rows of tensor 1 of 1 ('t') have 33 elements, a multiple of 32 was wanted for q4_0" },
        { "t", 4, 1, 0, 33, "is at offset 33, a multiple of 32 (general.alignment) was wanted" },
        { "t", 4, 1, 0, 32, "ends past the end of the file" },
        { "t", 5, 1, 0, 0, "20 bytes at offset 0 of the data from byte 96, ends past the end of the file" },
        { "t", 4, 1, 0, UINT64_MAX - 31, "ends past the end of the file" },
        { "t", UINT64_C(1) << 61, 1, 24, UINT64_C(7) << 61, "ends past the end of the file" },
        { "", 4, 1, 0, 0, "the name of tensor 1 of 1, at byte 41, has 0 bytes, 1 to 63 without NUL were wanted" },
        { "0123456789012345678901234567890123456789012345678901234567890123", 4, 1, 0, 0, "has 64 bytes, 1 to 63" },
    };
    for (size_t i = 0; i < COLLET_COUNT(cases); i++) {
        maker m = with_tensor(cases[i].name, cases[i].row, cases[i].rows, cases[i].type, cases[i].offset);
        assert_refused(&m, cases[i].message);
    }
    for (uint32_t n_dims = 0; n_dims <= 5; n_dims += 5) {
        maker m = with_tensor("t", 4, 1, 0, 0);
        m.data[50] = (uint8_t)n_dims;
        assert_refused(&m, "dimensions (at byte 50), 1 to 4 were wanted");
    }
    maker m = with_tensor("a?b", 4, 1, 0, 0);
    m.data[50] = '\0';
    assert_refused(&m, "has 3 bytes, a NUL among them");
}

static void test_gguf__tensors_must_follow_each_other(void **state)
{
    (void)state;
    static const struct {
        const char *second;
        uint64_t offset;
        const char *message;
    } cases[] = {
        { "b", 0, "tensor 2 of 2 ('b') is at offset 0, over the tensors before it; 32 was wanted" },
        { "b", 64, "tensor 2 of 2 ('b') is at offset 64, after a gap; 32 was wanted" },
        { "a", 32, "tensor 'a' stands twice (as tensors 1 and 2 of 2)" },
    };
    for (size_t i = 0; i < COLLET_COUNT(cases); i++) {
        maker m = { 0 };
        put_header(&m, 3, 2, 1);
        put_kv_u32(&m, "k", 1);
        put_tensor(&m, "a", 4, 1, 0, 0);
        put_tensor(&m, cases[i].second, 4, 1, 0, cases[i].offset);
        pad(&m, 32);
        put_data(&m, 128);
        assert_refused(&m, cases[i].message);
    }
}

static void test_gguf__missing_files_and_folders_are_named(void **state)
{
    (void)state;
    collet_gguf *g = NULL;
    collet_error err = COLLET_ERROR_INIT;
    assert_int_equal(collet_gguf_open(&g, "absent.gguf", &err), COLLET_E_NOT_FOUND);
    assert_int_equal(strncmp(err.msg, "absent.gguf: ", 13), 0);
    assert_int_equal(collet_gguf_open(&g, ".", &err), COLLET_E_IO);
    assert_null(g);
}

static void test_gguf__survives_each_allocation_failing(void **state)
{
    (void)state;
    maker m = sound(3);
    write_file("made.gguf", m.data, m.n);
    collet_status st = COLLET_E_NOMEM;
    for (long n = 0; st == COLLET_E_NOMEM; n++) {
        collet_gguf *g = NULL;
        collet_error err = COLLET_ERROR_INIT;
        allocations_left = n;
        st = collet_gguf_open(&g, "made.gguf", &err);
        allocations_left = -1;
        assert_int_equal(st == COLLET_OK, g != NULL);
        assert_int_equal(strncmp(err.msg, st == COLLET_OK ? "" : "made.gguf: no memory", 20), 0);
        collet_gguf_close(g);
        assert_true(n < 100);
    }
    assert_int_equal(st, COLLET_OK);
}

static void test_gguf__type_ids_are_unique_and_whole(void **state)
{
    (void)state;
    for (uint32_t id = 0; id < 512; id++) {
        const collet_ggml_type *type = collet_ggml_type_of(id);
        if (type)
            assert_true((type->format != NULL) != (type->gone_name != NULL));
        if (type && type->format)
            assert_true(type->block_elems > 0 && type->block_bytes > 0);
    }
    assert_null(collet_ggml_type_of(43));
}

// ---- real files ----

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void test_gguf__real_models_open_at_once(void **state)
{
    static const char *const names[] = { "smollm2-135m-instruct-q4_1.gguf", "gemma-3-270m-q4_k_m.gguf" };
    const char *models = *state; // absolute: the tests run elsewhere
    size_t n_opened = 0;
    for (size_t i = 0; i < COLLET_COUNT(names); i++) {
        char path[4352];
        snprintf(path, sizeof path, "%s/%s", models, names[i]);
        if (access(path, R_OK) != 0)
            continue;
        collet_gguf *g = NULL;
        collet_error err = COLLET_ERROR_INIT;
        double best_ms = 1e9;
        for (int run = 0; run < 3; run++) { // the first one may have to read the file
            double start_ms = now_ms();
            if (collet_gguf_open(&g, path, &err) != COLLET_OK)
                fail_msg("%s", err.msg);
            double ms = now_ms() - start_ms;
            best_ms = ms < best_ms ? ms : best_ms;
            if (run == 0)
                walk(g);
            collet_gguf_close(g);
        }
        print_message("%s: opened in %.2f ms\n", names[i], best_ms);
        assert_true(best_ms < 60.0);
        n_opened++;
    }
    if (n_opened == 0) {
        fprintf(stderr, "skipped: no real model in %s\n", models);
        skip();
    }
}

// ---- set-up ----

static int enter_temp_folder(void **state)
{
    static char models[4096];
    const char *folder = getenv("COLLET_MODELS");
    if (!realpath(folder ? folder : "models", models))
        snprintf(models, sizeof models, "models");
    *state = models;
    return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int leave_temp_folder(void **state)
{
    (void)state;
    static const char *const files[] = { "made.gguf", "bad.gguf", "changed.gguf", "short.gguf" };
    for (size_t i = 0; i < COLLET_COUNT(files); i++)
        unlink(files[i]);
    return chdir("/") == 0 ? rmdir(dir) : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gguf__sound_file_gives_its_values),
        cmocka_unit_test(test_gguf__tensors_have_shape_format_and_place),
        cmocka_unit_test(test_gguf__arrays_are_walked_and_indexed),
        cmocka_unit_test(test_gguf__values_of_the_wrong_kind_are_named),
        cmocka_unit_test(test_gguf__values_are_printed_within_their_buffer),
        cmocka_unit_test(test_gguf__alignment_key_moves_the_data),
        cmocka_unit_test(test_gguf__file_without_tensors_is_a_vocabulary),
        cmocka_unit_test(test_gguf__truncated_header_says_where),
        cmocka_unit_test(test_gguf__every_prefix_is_refused),
        cmocka_unit_test(test_gguf__changed_bytes_never_crash),
        cmocka_unit_test(test_gguf__faults_of_the_header_are_named),
        cmocka_unit_test(test_gguf__faults_of_keys_are_named),
        cmocka_unit_test(test_gguf__faults_of_alignment_are_named),
        cmocka_unit_test(test_gguf__faults_of_tensors_are_named),
        cmocka_unit_test(test_gguf__tensors_must_follow_each_other),
        cmocka_unit_test(test_gguf__missing_files_and_folders_are_named),
        cmocka_unit_test(test_gguf__survives_each_allocation_failing),
        cmocka_unit_test(test_gguf__type_ids_are_unique_and_whole),
        cmocka_unit_test(test_gguf__real_models_open_at_once),
    };
    return cmocka_run_group_tests(tests, enter_temp_folder, leave_temp_folder);
}
