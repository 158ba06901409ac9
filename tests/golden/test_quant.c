// SPDX-License-Identifier: Apache-2.0
// tests/golden/test_quant.c - the weight formats against ggml's bytes: decoders bit for bit, encoders by error.
//
// One test per format and direction, made from the manifest. What ggml loses when it is given importances is not in the
// goldens: data/quant_imatrix.json has it, recorded by record_quant_imatrix.py.
#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/common/f16.h"
#include "plugins/common/formats.h"
#include "tests/golden/golden.h"

#define FOLDER "quant"
#define RECORDED "tests/golden/data/quant_imatrix.json" // ctest runs in the source folder
#define CASE_TESTS 3

typedef struct quant_case {
    const json_t *manifest, *type;
    const json_t *with_imatrix; // of `type`, recorded; NULL: not
    uint64_t gauss_rows;        // of the recording
    char format[16];            // "q4_k"
    char names[CASE_TESTS][80]; // of its tests
} quant_case;

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    assert_non_null(text);
    return text;
}

static uint64_t count_of(const json_t *object, const char *key)
{
    assert_true(json_is_integer(json_object_get(object, key)));
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

// Formats that files have and nobody makes here: docs/FORMATS.md.
static int is_made(const char *format)
{
    static const char *const others[] = { "iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs",
                                          "iq3_s", "tq1_0", "tq2_0",   "nvfp4",  "q1_0",  "q2_0" };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(format, others[i]) == 0)
            return 0;
    return 1;
}

// The table's line, after its geometry was compared with the manifest's.
static const collet_format *format_of(const quant_case *c)
{
    const collet_format *f = collet_format_find(c->format);
    if (!f)
        fail_msg("%s: not in plugins/common/formats.inc", c->format);
    assert_int_equal(f->ggml_type, count_of(c->type, "id"));
    assert_int_equal(f->block_elems, count_of(c->type, "block_size"));
    assert_int_equal(f->block_bytes, count_of(c->type, "block_bytes"));
    return f;
}

static void assert_decodes(const collet_format *f, const char *bin, const char *f32, uint64_t n)
{
    size_t n_bin = 0, n_want = 0;
    void *blocks = golden_read(&n_bin, FOLDER, bin);
    uint32_t *want = golden_read(&n_want, FOLDER, f32);
    float *got = malloc(n * sizeof *got);
    assert_non_null(got);
    assert_int_equal(n_bin, n / f->block_elems * f->block_bytes);
    assert_int_equal(n_want, n * sizeof *got);
    f->dequantize(blocks, got, n);
    for (uint64_t i = 0; i < n; i++)
        if (collet_f32_bits(got[i]) != want[i])
            fail_msg("%s: element %llu is %a, wanted %a", bin, (unsigned long long)i, (double)got[i],
                     (double)collet_f32_from_bits(want[i]));
    free(got);
    free(want);
    free(blocks);
}

static void decodes_bit_for_bit(void **state)
{
    const quant_case *c = *state;
    const collet_format *f = format_of(c);
    const json_t *rand = json_object_get(c->type, "rand");
    uint64_t n = count_of(c->type, "rows") * count_of(c->type, "cols");
    assert_decodes(f, text_of(json_object_get(c->type, "bin"), "file"),
                   text_of(json_object_get(c->type, "f32"), "file"), n);
    if (rand)
        assert_decodes(f, text_of(rand, "bin"), text_of(rand, "f32"), count_of(rand, "rows") * count_of(rand, "cols"));
}

static double rms(const float *a, const float *b, uint64_t n)
{
    double sum = 0.0;
    for (uint64_t i = 0; i < n; i++) {
        double difference = (double)a[i] - (b ? (double)b[i] : 0.0);
        sum += difference * difference;
    }
    return sqrt(sum / (double)n);
}

// What is left of x (n values, one or more rows) after a round trip.
static double round_trip_rmse(const collet_format *f, const float *x, uint64_t n)
{
    void *blocks = malloc(n / f->block_elems * f->block_bytes);
    float *back = malloc(n * sizeof *back);
    assert_non_null(blocks);
    assert_non_null(back);
    f->quantize(x, blocks, n, NULL);
    f->dequantize(blocks, back, n);
    double error = rms(x, back, n);
    free(back);
    free(blocks);
    return error;
}

static void assert_no_worse(double got, double want, double size, const char *what, uint64_t row)
{
    // 0.1 %: another encoder may round a tie to the other side. 1e-7 of the values: f32 has no more than that.
    if (!(got <= want * 1.001 + size * 1e-7))
        fail_msg("%s, row %llu: RMSE %.9g, ggml's is %.9g", what, (unsigned long long)row, got, want);
}

static void encodes_no_worse(void **state)
{
    const quant_case *c = *state;
    const collet_format *f = format_of(c);
    if (!f->quantize)
        fail_msg("%s is listed as encoded here and has no encoder", c->format);
    const json_t *input = json_object_get(c->manifest, "input"), *gauss = json_object_get(c->manifest, "gauss");
    const json_t *row_rmse = json_object_get(c->type, "row_rmse");
    uint64_t rows = count_of(input, "rows"), cols = count_of(input, "cols");
    size_t n_bytes = 0;
    float *x = golden_read(&n_bytes, FOLDER, text_of(input, "file"));
    assert_int_equal(n_bytes, rows * cols * sizeof *x);
    assert_int_equal(json_array_size(row_rmse), rows);
    for (uint64_t r = 0; r < rows; r++)
        assert_no_worse(round_trip_rmse(f, x + r * cols, cols), json_real_value(json_array_get(row_rmse, r)),
                        rms(x + r * cols, NULL, cols), "input", r);
    free(x);

    uint16_t *halves = golden_read(&n_bytes, FOLDER, text_of(gauss, "file"));
    uint64_t n = count_of(gauss, "rows") * count_of(gauss, "cols");
    assert_int_equal(n_bytes, n * sizeof *halves);
    x = malloc(n * sizeof *x);
    assert_non_null(x);
    for (uint64_t i = 0; i < n; i++)
        x[i] = collet_f16_to_f32(halves[i]);
    assert_no_worse(round_trip_rmse(f, x, n), json_real_value(json_object_get(c->type, "gauss_rmse")), 1.0, "gauss", 0);
    free(x);
    free(halves);
}

static float importance(const char *kind, uint32_t column)
{
    uint32_t hash = column * 2654435761u >> 8 & 0xffffu;
    if (strcmp(kind, "hot") == 0)
        return hash % 64 == 0 ? 100.0f : 1.0f;
    return strcmp(kind, "tail") == 0 ? 65536.0f / (float)(hash + 1) : 1.0f;
}

// What is left of one row after a round trip with importances p, weighted with them.
static double weighted_rmse(const collet_format *f, const float *x, const float *p, uint64_t n)
{
    void *blocks = malloc(n / f->block_elems * f->block_bytes);
    float *back = malloc(n * sizeof *back);
    double sum = 0.0, total = 0.0;
    assert_non_null(blocks);
    assert_non_null(back);
    f->quantize(x, blocks, n, p);
    f->dequantize(blocks, back, n);
    for (uint64_t i = 0; i < n; i++) {
        double difference = (double)x[i] - (double)back[i];
        sum += difference * difference * (double)p[i];
        total += (double)p[i];
    }
    free(back);
    free(blocks);
    return sqrt(sum / total);
}

// A row of 512 is two blocks of a K format: what one sub-block of it loses more or less is luck. 0.2 %: the worst row
// here loses 0.14 % more (q5_k, importances of 1). Of `tail` most of a row's loss is that of its few heaviest elements,
// so the rows say little, and the Gaussian ones are held to the bound together.
static void encodes_no_worse_with(const quant_case *c, const char *kind)
{
    const collet_format *f = format_of(c);
    const json_t *recorded = json_object_get(c->with_imatrix, kind), *row_rmse = json_object_get(recorded, "row_rmse");
    const json_t *input = json_object_get(c->manifest, "input"), *gauss = json_object_get(c->manifest, "gauss");
    uint64_t cols = count_of(input, "cols"), n_cols = count_of(gauss, "cols");
    float p[8192], x_row[8192];
    size_t n_bytes = 0;
    assert_true(cols <= 8192 && n_cols <= 8192);
    for (uint32_t i = 0; i < 8192; i++)
        p[i] = importance(kind, i);
    float *x = golden_read(&n_bytes, FOLDER, text_of(input, "file"));
    for (uint64_t r = 0; r < json_array_size(row_rmse) && strcmp(kind, "tail") != 0; r++) {
        double got = weighted_rmse(f, x + r * cols, p, cols), want = json_real_value(json_array_get(row_rmse, r));
        assert_no_worse(got / 1.001, want, rms(x + r * cols, NULL, cols), kind, r);
    }
    free(x);
    uint16_t *halves = golden_read(&n_bytes, FOLDER, text_of(gauss, "file"));
    double sum = 0.0;
    for (uint64_t r = 0; r < c->gauss_rows; r++) {
        for (uint64_t i = 0; i < n_cols; i++)
            x_row[i] = collet_f16_to_f32(halves[r * n_cols + i]);
        double error = weighted_rmse(f, x_row, p, n_cols);
        sum += error * error;
    }
    assert_no_worse(sqrt(sum / (double)c->gauss_rows), json_real_value(json_object_get(recorded, "gauss_rmse")), 1.0,
                    kind, 0);
    free(halves);
}

static void encodes_no_worse_with_importances(void **state)
{
    static const char *const kinds[] = { "ones", "hot", "tail" };
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        encodes_no_worse_with(*state, kinds[k]);
}

static json_t *read_recorded(void)
{
    json_error_t error;
    json_t *json = json_load_file(RECORDED, 0, &error);
    if (!json)
        fprintf(stderr, "%s:%d: %s\n", RECORDED, error.line, error.text);
    return json;
}

static size_t add_test(struct CMUnitTest *tests, size_t n, quant_case *c, uint32_t which)
{
    static const struct {
        const char *promise;
        CMUnitTestFunction run;
    } kinds[CASE_TESTS] = { { "decodes_bit_for_bit", decodes_bit_for_bit },
                            { "encodes_no_worse_than_ggml", encodes_no_worse },
                            { "encodes_no_worse_than_ggml_with_importances", encodes_no_worse_with_importances } };
    snprintf(c->names[which], sizeof c->names[which], "test_quant__%s_%s", c->format, kinds[which].promise);
    tests[n] = (struct CMUnitTest){ .name = c->names[which], .test_func = kinds[which].run, .initial_state = c };
    return n + 1;
}

int main(void)
{
    json_t *manifest = golden_json(FOLDER, "manifest.json"), *recorded = read_recorded();
    const json_t *types = json_object_get(manifest, "types");
    size_t n = json_array_size(types); // 0 without a manifest: nothing runs, and golden_json() has said why
    quant_case *cases = calloc(n + 1, sizeof *cases);
    struct CMUnitTest *tests = calloc(CASE_TESTS * n + 1, sizeof *tests);
    size_t n_tests = 0;
    if (!cases || !tests || !recorded)
        return 1;
    for (size_t i = 0; i < n; i++) {
        quant_case *c = &cases[i];
        *c = (quant_case){ .manifest = manifest, .type = json_array_get(types, i) };
        const char *name = json_string_value(json_object_get(c->type, "type"));
        for (size_t j = 0; name && name[j] && j + 1 < sizeof c->format; j++)
            c->format[j] = (char)tolower((unsigned char)name[j]);
        c->with_imatrix = json_object_get(json_object_get(recorded, "types"), c->format);
        c->gauss_rows = (uint64_t)json_integer_value(json_object_get(recorded, "gauss_rows"));
        n_tests = add_test(tests, n_tests, c, 0);
        if (is_made(c->format))
            n_tests = add_test(tests, n_tests, c, 1);
        if (c->with_imatrix)
            n_tests = add_test(tests, n_tests, c, 2);
    }
    // The array's length is known only now, so the macro that counts it cannot be used.
    int failed = n ? _cmocka_run_group_tests("quant", tests, n_tests, NULL, NULL) : 0;
    free(tests);
    free(cases);
    json_decref(recorded);
    json_decref(manifest);
    return failed;
}
