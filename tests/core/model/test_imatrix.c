// SPDX-License-Identifier: Apache-2.0
// tests/core/model/test_imatrix.c - importance matrices written byte by byte: both forms give the same values, each
// fault has its message.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/model/imatrix.h"

static char dir[] = "/tmp/collet_test_imatrix.XXXXXX"; // current directory of the tests, so that messages are short

// ---- the Nth allocation fails (linked with --wrap) ----

static long allocations_left = -1; // -1: no limit

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
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

void *__wrap_malloc(size_t size)
{
    return allocation_fails() ? NULL : __real_malloc(size);
}

char *__wrap_strdup(const char *text)
{
    return allocation_fails() ? NULL : __real_strdup(text);
}

// ---- files ----

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

static void put_n(maker *m, uint64_t value, size_t n_bytes)
{
    put(m, &value, n_bytes);
}

static void put_floats(maker *m, const float *values, size_t n)
{
    put(m, values, n * sizeof *values);
}

static void put_old_entry(maker *m, const char *name, int32_t n_calls, const float *values, int32_t n)
{
    put_n(m, strlen(name), 4);
    put(m, name, strlen(name));
    put_n(m, (uint32_t)n_calls, 4);
    put_n(m, (uint32_t)n, 4);
    put_floats(m, values, (size_t)n);
}

static const float twice[] = { 2, 4, 6, 8 }, stack[] = { 3, 6, 9, 12, 1, 1, 1, 1 };

// "w" has the means 1 2 3 4; "e", two matrices, 1 2 3 4 and, without a token, 1 1 1 1 (as the old form writes that: the
// number of calls).
static maker old_form(void)
{
    static const float means[] = { 3, 6, 9, 12, 3, 3, 3, 3 };
    maker m = { 0 };
    put_n(&m, 2, 4);
    put_old_entry(&m, "w", 2, twice, 4);
    put_old_entry(&m, "e", 3, means, 8);
    put_n(&m, 7, 4);
    put_n(&m, 5, 4);
    put(&m, "a.txt", 5);
    return m;
}

static void put_str(maker *m, const char *text)
{
    put_n(m, strlen(text), 8);
    put(m, text, strlen(text));
}

static void put_tensor(maker *m, const char *name, uint64_t columns, uint64_t matrices, uint64_t *offset)
{
    put_str(m, name);
    put_n(m, 2, 4);
    put_n(m, columns, 8);
    put_n(m, matrices, 8);
    put_n(m, 0, 4);
    put_n(m, *offset, 8);
    *offset += (columns * matrices * 4 + 31) / 32 * 32;
}

static void pad(maker *m)
{
    while (m->n % 32)
        put_n(m, 0, 1);
}

typedef struct pair {
    const char *sums, *counts; // names
    uint64_t columns, matrices, n_counts;
    const float *sum, *count;
} pair;

static maker gguf_form(const pair *pairs, size_t n)
{
    maker m = { 0 };
    uint64_t offset = 0;
    put(&m, "GGUF", 4);
    put_n(&m, 3, 4);
    put_n(&m, 2 * n, 8);
    put_n(&m, 3, 8);
    put_str(&m, "general.type");
    put_n(&m, COLLET_GGUF_STRING, 4);
    put_str(&m, "imatrix");
    put_str(&m, "imatrix.datasets");
    put_n(&m, COLLET_GGUF_ARRAY, 4);
    put_n(&m, COLLET_GGUF_STRING, 4);
    put_n(&m, 1, 8);
    put_str(&m, "a.txt");
    put_str(&m, "imatrix.chunk_count");
    put_n(&m, COLLET_GGUF_U32, 4);
    put_n(&m, 7, 4);
    for (size_t i = 0; i < n; i++) {
        put_tensor(&m, pairs[i].sums, pairs[i].columns, pairs[i].matrices, &offset);
        put_tensor(&m, pairs[i].counts, 1, pairs[i].n_counts, &offset);
    }
    for (size_t i = 0; i < n; i++) {
        pad(&m);
        put_floats(&m, pairs[i].sum, pairs[i].columns * pairs[i].matrices);
        pad(&m);
        put_floats(&m, pairs[i].count, pairs[i].n_counts);
    }
    pad(&m);
    return m;
}

static const float two = 2, three_none[] = { 3, 0 };

static maker new_form(void)
{
    const pair pairs[] = { { "w.in_sum2", "w.counts", 4, 1, 1, twice, &two },
                           { "e.in_sum2", "e.counts", 4, 2, 2, stack, three_none } };
    return gguf_form(pairs, 2);
}

static void write_file(const char *name, const maker *m)
{
    FILE *f = fopen(name, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(m->data, 1, m->n, f), m->n);
    assert_int_equal(fclose(f), 0);
}

static collet_imatrix *open_made(const maker *m)
{
    collet_imatrix *im = NULL;
    collet_error err = COLLET_ERROR_INIT;
    write_file("im", m);
    if (collet_imatrix_open(&im, "im", &err) != COLLET_OK)
        fail_msg("%s", err.msg);
    return im;
}

static void assert_refused(const maker *m, const char *message)
{
    collet_imatrix *im = NULL;
    collet_error err = COLLET_ERROR_INIT;
    write_file("im", m);
    assert_int_equal(collet_imatrix_open(&im, "im", &err), COLLET_E_FORMAT);
    assert_null(im);
    if (!strstr(err.msg, message) || strncmp(err.msg, "im: ", 4) != 0 || strchr(err.msg, '\n'))
        fail_msg("got    %s\nwanted %s", err.msg, message);
}

// ---- what both forms say ----

static void test_imatrix__both_forms_give_the_same_means(void **state)
{
    static const float w[] = { 1, 2, 3, 4 }, e[] = { 1, 2, 3, 4, 1, 1, 1, 1 };
    const maker made[] = { old_form(), new_form() };
    (void)state;
    for (size_t i = 0; i < COLLET_COUNT(made); i++) {
        collet_imatrix *im = open_made(&made[i]);
        assert_int_equal(collet_imatrix_n_entries(im), 2);
        assert_string_equal(collet_imatrix_entry_at(im, 0)->name, "e");
        const collet_imatrix_entry *found = collet_imatrix_find(im, "w");
        assert_ptr_equal(found, collet_imatrix_entry_at(im, 1));
        assert_int_equal(found->n_values, 4);
        assert_memory_equal(found->values, w, sizeof w);
        assert_memory_equal(collet_imatrix_find(im, "e")->values, e, sizeof e);
        assert_null(collet_imatrix_find(im, "x"));
        assert_int_equal(collet_imatrix_n_chunks(im), 7);
        assert_string_equal(collet_imatrix_dataset(im), "a.txt");
        assert_string_equal(collet_imatrix_path(im), "im");
        collet_imatrix_close(im);
    }
}

static void test_imatrix__old_form_may_end_after_its_entries(void **state)
{
    (void)state;
    maker m = old_form();
    for (size_t cut = 13; cut >= 9; cut -= 4) { // the whole trailer, all but the number of chunks
        maker shorter = m;
        shorter.n -= cut;
        collet_imatrix *im = open_made(&shorter);
        assert_int_equal(collet_imatrix_n_chunks(im), cut == 13 ? 0 : 7);
        assert_null(collet_imatrix_dataset(im));
        collet_imatrix_close(im);
    }
}

static void test_imatrix__rows_of_a_stack_have_their_matrix(void **state)
{
    (void)state;
    maker m = new_form();
    collet_imatrix *im = open_made(&m);
    const collet_imatrix_entry *e = collet_imatrix_find(im, "e");
    const collet_gguf_tensor t = { .dims = { 4, 3, 2, 1 } };
    assert_ptr_equal(collet_imatrix_row(e, &t, 2), e->values);
    assert_ptr_equal(collet_imatrix_row(e, &t, 3), e->values + 4);
    collet_imatrix_close(im);
}

// ---- faults ----

static void test_imatrix__every_prefix_is_refused_or_whole(void **state)
{
    const maker made[] = { old_form(), new_form() };
    (void)state;
    for (size_t i = 0; i < COLLET_COUNT(made); i++)
        for (size_t n = 0; n < made[i].n; n++) {
            maker m = made[i];
            collet_imatrix *im = NULL;
            collet_error err = COLLET_ERROR_INIT;
            m.n = n;
            write_file("im", &m);
            collet_status st = collet_imatrix_open(&im, "im", &err);
            assert_true((st == COLLET_OK) == (im != NULL));
            if (im)
                assert_int_equal(collet_imatrix_n_entries(im), 2); // only the trailer or padding was cut
            collet_imatrix_close(im);
        }
}

static void test_imatrix__faults_of_the_old_form_are_named(void **state)
{
    static const float nan_at_1[] = { 1, NAN }, negative[] = { -1 }, endless[] = { INFINITY };
    (void)state;
    maker m = { 0 };
    put_n(&m, 0, 4);
    assert_refused(&m, "the number of entries at byte 0 is 0, 1 to 0 were possible");
    m.n = 0;
    put_n(&m, 100, 4);
    put_n(&m, 0, 8);
    assert_refused(&m, "the number of entries at byte 0 is 100");
    m = old_form();
    memset(m.data + 4, 0x7f, 4);
    assert_refused(&m, "the length of a name at byte 4 is 2139062143");
    m = old_form();
    memset(m.data + 13, 0xff, 4);
    assert_refused(&m, "the number of values at byte 13 is -1");
    m = old_form();
    memset(m.data + 9, 0xff, 4);
    assert_refused(&m, "entry 1 has -1 calls");
    m = old_form();
    m.data[8] = 0;
    assert_refused(&m, "the name of entry 1 has a NUL in it");
    m = (maker){ 0 };
    put_n(&m, 2, 4);
    put_old_entry(&m, "w", 1, twice, 4);
    put_old_entry(&m, "w", 1, twice, 4);
    assert_refused(&m, "'w' stands twice");
    const struct {
        const float *values;
        int32_t n;
        const char *message;
    } bad[] = { { nan_at_1, 2, "value 1 of 'w' is nan" },
                { negative, 1, "value 0 of 'w' is -1" },
                { endless, 1, "value 0 of 'w' is inf" } };
    for (size_t i = 0; i < COLLET_COUNT(bad); i++) {
        m = (maker){ 0 };
        put_n(&m, 1, 4);
        put_old_entry(&m, "w", 1, bad[i].values, bad[i].n);
        assert_refused(&m, bad[i].message);
    }
}

static void test_imatrix__faults_of_the_gguf_form_are_named(void **state)
{
    static const float negative = -1, nan_count = NAN, three[] = { 1, 1, 1 };
    const struct {
        pair pair;
        const char *message;
    } bad[] = {
        { { "w.in_sum2", "v.counts", 4, 1, 1, twice, &two }, "tensor 'w.in_sum2' is no pair" },
        { { "token_embd.weight", "w.counts", 4, 1, 1, twice, &two }, "'token_embd.weight' is no pair" },
        { { "w.in_sum2", "w.counts", 4, 1, 1, twice, &negative }, "count 0 of 'w' is -1" },
        { { "w.in_sum2", "w.counts", 4, 1, 1, twice, &nan_count }, "count 0 of 'w' is nan" },
        { { "w.in_sum2", "w.counts", 4, 1, 3, twice, three }, "'w' has 4 sums for 3 counts" },
    };
    (void)state;
    for (size_t i = 0; i < COLLET_COUNT(bad); i++) {
        maker m = gguf_form(&bad[i].pair, 1);
        assert_refused(&m, bad[i].message);
    }
    maker m = gguf_form(NULL, 0);
    assert_refused(&m, "without entries");
}

static void test_imatrix__missing_files_are_named(void **state)
{
    collet_imatrix *im = NULL;
    collet_error err = COLLET_ERROR_INIT;
    (void)state;
    assert_int_equal(collet_imatrix_open(&im, "nowhere.dat", &err), COLLET_E_NOT_FOUND);
    assert_string_equal(err.msg, "nowhere.dat: cannot open: No such file or directory");
    collet_imatrix_close(NULL);
}

// A model with "w", 4 columns and 2 rows, and "e", 4 columns, 1 row, 2 matrices.
static collet_gguf *model(uint64_t w_columns, uint64_t n_matrices)
{
    maker m = { 0 };
    collet_gguf *g = NULL;
    collet_error err = COLLET_ERROR_INIT;
    put(&m, "GGUF", 4);
    put_n(&m, 3, 4);
    put_n(&m, 2, 8);
    put_n(&m, 0, 8);
    const struct {
        const char *name;
        uint64_t dims[3], offset;
    } tensors[] = { { "w", { w_columns, 2, 1 }, 0 }, { "e", { 4, 1, n_matrices }, w_columns * 8 } };
    for (size_t i = 0; i < 2; i++) {
        put_str(&m, tensors[i].name);
        put_n(&m, 3, 4);
        for (int d = 0; d < 3; d++)
            put_n(&m, tensors[i].dims[d], 8);
        put_n(&m, 0, 4);
        put_n(&m, tensors[i].offset, 8);
    }
    pad(&m);
    for (int i = 0; i < 128; i++)
        put_n(&m, 0, 1);
    write_file("model.gguf", &m);
    if (collet_gguf_open(&g, "model.gguf", &err) != COLLET_OK)
        fail_msg("%s", err.msg);
    return g;
}

static void test_imatrix__of_another_model_is_refused(void **state)
{
    collet_error err = COLLET_ERROR_INIT;
    (void)state;
    maker m = new_form();
    collet_imatrix *im = open_made(&m);
    collet_gguf *g = model(4, 2);
    assert_int_equal(collet_imatrix_check(im, g, &err), COLLET_OK);
    collet_gguf_close(g);
    g = model(8, 2);
    assert_int_equal(collet_imatrix_check(im, g, &err), COLLET_E_INVALID);
    assert_string_equal(err.msg, "im: is of another model: it has 4 columns for 'w', which has 8 in model.gguf");
    collet_gguf_close(g);
    g = model(4, 3);
    assert_int_equal(collet_imatrix_check(im, g, &err), COLLET_E_INVALID);
    assert_string_equal(err.msg, "im: is of another model: it has 8 columns for 'e', which has 12 in model.gguf");
    collet_imatrix_close(im);
    m = (maker){ 0 };
    put_n(&m, 1, 4);
    put_old_entry(&m, "blk.9.ffn_up.weight", 1, twice, 4);
    im = open_made(&m);
    assert_int_equal(collet_imatrix_check(im, g, &err), COLLET_E_INVALID);
    assert_string_equal(err.msg,
                        "im: is of another model: it has the weight 'blk.9.ffn_up.weight', which model.gguf has not");
    collet_imatrix_close(im);
    collet_gguf_close(g);
}

static void test_imatrix__survives_each_allocation_failing(void **state)
{
    const maker made[] = { old_form(), new_form() };
    (void)state;
    for (size_t i = 0; i < COLLET_COUNT(made); i++) {
        write_file("im", &made[i]);
        int n_failed = 0;
        for (long nth = 0;; nth++) {
            collet_imatrix *im = NULL;
            collet_error err = COLLET_ERROR_INIT;
            allocations_left = nth;
            collet_status st = collet_imatrix_open(&im, "im", &err);
            bool untouched = allocations_left >= 0;
            allocations_left = -1;
            collet_imatrix_close(im);
            if (untouched) {
                assert_int_equal(st, COLLET_OK);
                break;
            }
            if (st != COLLET_OK) { // qsort() has another way to go
                assert_int_equal(st, COLLET_E_NOMEM);
                n_failed++;
            }
        }
        assert_true(n_failed >= 7);
    }
}

// ---- set-up ----

static int enter_temp_folder(void **state)
{
    (void)state;
    return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int leave_temp_folder(void **state)
{
    (void)state;
    unlink("im");
    unlink("model.gguf");
    return chdir("/") == 0 ? rmdir(dir) : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_imatrix__both_forms_give_the_same_means),
        cmocka_unit_test(test_imatrix__old_form_may_end_after_its_entries),
        cmocka_unit_test(test_imatrix__rows_of_a_stack_have_their_matrix),
        cmocka_unit_test(test_imatrix__every_prefix_is_refused_or_whole),
        cmocka_unit_test(test_imatrix__faults_of_the_old_form_are_named),
        cmocka_unit_test(test_imatrix__faults_of_the_gguf_form_are_named),
        cmocka_unit_test(test_imatrix__missing_files_are_named),
        cmocka_unit_test(test_imatrix__of_another_model_is_refused),
        cmocka_unit_test(test_imatrix__survives_each_allocation_failing),
    };
    return cmocka_run_group_tests(tests, enter_temp_folder, leave_temp_folder);
}
