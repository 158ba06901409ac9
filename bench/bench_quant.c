// SPDX-License-Identifier: Apache-2.0
// bench/bench_quant.c - a row per format and level: how many weights a second its encoder makes, on one thread.
//
//     bench_quant [--filter TEXT] [--rows N] [--cols N] [--rounds N] [--json]
//
// Rows are Gaussian (sums of four uniforms), importances are 1 with one column of 64 at 100. Each figure is the median
// of `rounds` of this thread's own time, so that a shared machine disturbs it little. `ref` is the plain encoder, whose
// bytes the others write.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/isa.h"
#include "plugins/common/formats.h"
#include "plugins/cpu/quant/quant_kernels.h"

#define ROUNDS_MAX 99u

typedef struct encoder {
    const char *format, *level;
    uint32_t isa;
    collet_quantize_fn *run;
} encoder;

static const encoder fast[] = {
#define QUANTIZER(l, i, f, ggml, elems, bytes) { #f, #l, COLLET_ISA_##i, collet_cpu_quantize_##f##_##l },
#include "plugins/cpu/quant/quant_kernels.inc"
#undef QUANTIZER
    { NULL, NULL, 0, NULL },
};

typedef struct options {
    const char *filter;
    uint32_t n_rows, n_cols, n_rounds;
    bool json;
} options;

typedef struct data {
    float *x, *importances;
    uint8_t *blocks;
} data;

static double thread_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *allocate(size_t n_bytes)
{
    void *p = malloc(n_bytes);
    if (!p) {
        fprintf(stderr, "bench_quant: no memory for %zu bytes\n", n_bytes);
        exit(1);
    }
    memset(p, 0, n_bytes); // so that no round pays for the pages
    return p;
}

static data make(const options *o)
{
    const size_t n = (size_t)o->n_rows * o->n_cols;
    data d = { allocate(n * sizeof(float)), allocate(o->n_cols * sizeof(float)), allocate(n * sizeof(float)) };
    uint32_t seed = 2463534242u;
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 4; k++) {
            seed ^= seed << 13, seed ^= seed >> 17, seed ^= seed << 5;
            d.x[i] += (float)(seed >> 8) / 8388608.0f - 1.0f;
        }
    for (uint32_t i = 0; i < o->n_cols; i++)
        d.importances[i] = i % 64 == 7 ? 100.0f : 1.0f;
    return d;
}

static int order(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Million weights a second, the median. Without importances all rows are one call, as `collet quantize` makes it.
static double measure(const encoder *e, const collet_format *f, const data *d, const options *o, bool with)
{
    double seconds[ROUNDS_MAX];
    const size_t n = (size_t)o->n_rows * o->n_cols, row_bytes = o->n_cols / f->block_elems * f->block_bytes;
    for (uint32_t round = 0; round < o->n_rounds; round++) {
        const double begin = thread_s();
        if (!with)
            e->run(d->x, d->blocks, n, NULL);
        for (uint32_t r = 0; with && r < o->n_rows; r++)
            e->run(d->x + (size_t)r * o->n_cols, d->blocks + r * row_bytes, o->n_cols, d->importances);
        seconds[round] = thread_s() - begin;
    }
    qsort(seconds, o->n_rounds, sizeof seconds[0], order);
    return (double)n / seconds[o->n_rounds / 2] / 1e6;
}

static void bench(const encoder *e, const collet_format *f, const data *d, const options *o, bool *first)
{
    char name[64];
    snprintf(name, sizeof name, "quantize_%s_%s", e->format, e->level);
    if (!strstr(name, o->filter))
        return;
    const double plain = measure(e, f, d, o, false), with = measure(e, f, d, o, true);
    if (o->json)
        printf("%s\n  {\"encoder\": \"%s\", \"format\": \"%s\", \"level\": \"%s\", \"mweights_per_s\": %.1f, "
               "\"mweights_per_s_with_importances\": %.1f}",
               *first ? "" : ",", name, e->format, e->level, plain, with);
    else
        printf("%-28s %12.1f %16.1f\n", name, plain, with);
    fflush(stdout);
    *first = false;
}

static bool parse(options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            o->json = true;
            continue;
        }
        if (i + 1 == argc)
            return false;
        const char *name = argv[i++];
        if (strcmp(name, "--filter") == 0)
            o->filter = argv[i];
        else if (strcmp(name, "--rows") == 0)
            o->n_rows = (uint32_t)strtoul(argv[i], NULL, 10);
        else if (strcmp(name, "--cols") == 0)
            o->n_cols = (uint32_t)strtoul(argv[i], NULL, 10);
        else if (strcmp(name, "--rounds") == 0)
            o->n_rounds = (uint32_t)strtoul(argv[i], NULL, 10);
        else
            return false;
    }
    return o->n_rows && o->n_cols && o->n_cols % 256 == 0 && o->n_rounds && o->n_rounds <= ROUNDS_MAX;
}

int main(int argc, char **argv)
{
    options o = { .filter = "", .n_rows = 64, .n_cols = 4096, .n_rounds = 5 };
    if (!parse(&o, argc, argv)) {
        fprintf(stderr,
                "usage: bench_quant [--filter TEXT] [--rows N] [--cols N (a multiple of 256)] [--rounds N (to "
                "%u)] [--json]\n",
                ROUNDS_MAX);
        return 2;
    }
    collet_isa isa;
    collet_isa_probe(&isa);
    data d = make(&o);
    bool first = true;
    if (o.json)
        printf("{\"cpu\": \"%s\", \"rows\": %u, \"cols\": %u, \"rounds\": %u, \"encoders\": [", isa.cpu_name, o.n_rows,
               o.n_cols, o.n_rounds);
    else
        printf("%s, one thread, %u rows of %u, million weights/s\n%-28s %12s %16s\n", isa.cpu_name, o.n_rows, o.n_cols,
               "encoder", "plain", "with importances");
    for (size_t i = 0; i < collet_n_formats; i++) {
        const collet_format *f = &collet_formats[i];
        const encoder plain = { f->name, "ref", COLLET_ISA_REF, f->quantize };
        if (f->quantize)
            bench(&plain, f, &d, &o, &first);
        for (const encoder *e = fast; e->format; e++)
            if (strcmp(e->format, f->name) == 0 && (e->isa & isa.mask))
                bench(e, f, &d, &o, &first);
    }
    if (o.json)
        printf("\n]}\n");
    free(d.x);
    free(d.importances);
    free(d.blocks);
    return 0;
}
