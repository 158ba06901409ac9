// SPDX-License-Identifier: Apache-2.0
// bench/bench_kernels.c - a row per matmul kernel: how fast it streams weights (decode), what a step of five tokens
// costs, how fast it multiplies (prefill).
//
//     bench_kernels [--filter TEXT] [--shape N_OUTxN_IN] [--tokens N] [--threads N] [--rounds N] [--json]
//
// A round takes the read probe, one token, the probe again, five tokens, the peak probe and a prefill in turn, so that
// a noisy moment touches a number and what it is divided by alike; each figure is the median of the rounds' own.
// Weights rotate over more memory than the last-level cache holds, so a decode row is about memory. `of peak` is of f32
// multiply-adds for weights that are read as they are, of bytes for packed ones, of tiles for AMX. `pack GB/s` is of
// canonical bytes, one thread.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/isa.h"
#include "core/base/pool.h"
#include "core/measure/probe.h"
#include "core/measure/stats.h"
#include "plugins/common/formats.h"
#include "plugins/cpu/matmul/matmul_dense.h"

#define ROTATE_BYTES (128u << 20) // at least, and
#define ROTATE_CACHES 2u          // times the last-level cache, but
#define ROTATE_MAX (768ull << 20) // at most: some machines show the cache of the whole socket
#define PROBE_BYTES (192u << 20)
#define COPIES_MAX 4096u
#define STEP_TOKENS 5u // of target C8: a step that verifies a draft of four
#define ROUNDS_MAX 99u

typedef struct options {
    const char *filter;
    uint32_t n_out, n_in, n_tokens, n_threads, n_rounds, isa_mask;
    uint64_t rotate_bytes;
    bool json;
} options;

// One kernel on one shape; `copies` of the weight lie one after the other.
typedef struct subject {
    const collet_cpu_matmul_kernel *kernel;
    const collet_cpu_packing *packing;
    uint32_t n_in, n_out, n_panels, copies, n_tasks;
    uint64_t panel_bytes, weight_bytes; // of one copy, as the kernel reads it
    double pack_gbps;
    uint8_t *weights;
} subject;

// A number of tokens to multiply it with.
typedef struct product {
    const subject *s;
    collet_cpu_matmul_args args;
    uint32_t n_tokens, next_copy;
    collet_cpu_act *act;
    uint16_t *tiles; // AMX: instead of act
    uint8_t *scratch;
    void *dense; // workspace of weights that are read as they are, with many tokens; else NULL
    float *x, *y;
} product;

// Of every round.
typedef struct samples {
    double gbps[ROUNDS_MAX], of_read[ROUNDS_MAX], step[ROUNDS_MAX], gops[ROUNDS_MAX], of_peak[ROUNDS_MAX];
} samples;

// What dense kernels need of a host: the pool.
static uint32_t host_workers(void *self)
{
    return collet_pool_workers(self);
}

static void host_parallel(void *self, uint32_t n_tasks, collet_task_fn fn, void *ctx)
{
    collet_pool_run(self, n_tasks, fn, ctx);
}

static void *allocate(size_t n_bytes)
{
    void *p = aligned_alloc(64, (n_bytes + 63) / 64 * 64);
    if (!p) {
        fprintf(stderr, "bench_kernels: no memory for %zu bytes\n", n_bytes);
        exit(1);
    }
    return p;
}

// Bytes from 0x20 to 0x3f: whatever the format, no scale is NaN, infinite or denormal.
static void fill(uint8_t *p, size_t n_bytes)
{
    uint32_t x = 2463534242u;
    for (size_t i = 0; i < n_bytes; i++) {
        x ^= x << 13, x ^= x >> 17, x ^= x << 5;
        p[i] = (uint8_t)(0x20 | (x & 0x1f));
    }
}

static void pack_rows(uint8_t *out, const uint8_t *canonical, const collet_cpu_packing *p, uint32_t n_out,
                      uint32_t n_blocks)
{
    for (uint32_t row = 0; row < n_out; row += R8_ROWS)
        for (uint32_t b = 0; b < n_blocks; b++, out += p->record_bytes) {
            const uint8_t *rows[R8_ROWS] = { 0 };
            for (uint32_t r = 0; r < R8_ROWS && row + r < n_out; r++)
                rows[r] = canonical + ((uint64_t)(row + r) * n_blocks + b) * p->block_bytes;
            p->pack(out, rows);
        }
}

static subject make_subject(const collet_cpu_matmul_kernel *kernel, const options *o)
{
    const collet_format *format = collet_format_find(kernel->format);
    const uint32_t n_blocks = o->n_in / format->block_elems;
    const uint64_t row_bytes = (uint64_t)n_blocks * format->block_bytes, canonical_bytes = o->n_out * row_bytes;
    subject s = { .kernel = kernel,
                  .packing = collet_cpu_packing_find(kernel->format),
                  .n_in = o->n_in,
                  .n_out = o->n_out,
                  .n_panels = (o->n_out + R8_ROWS - 1) / R8_ROWS,
                  .n_tasks = o->n_threads };
    uint8_t *canonical = allocate(canonical_bytes);
    fill(canonical, canonical_bytes);
    s.panel_bytes = s.packing ? (uint64_t)n_blocks * s.packing->record_bytes : row_bytes;
    s.weight_bytes = s.packing ? s.n_panels * s.panel_bytes : canonical_bytes;
    s.copies = (uint32_t)(o->rotate_bytes / s.weight_bytes) + 1;
    s.copies = s.copies < COPIES_MAX ? s.copies : COPIES_MAX;
    s.weights = allocate(s.copies * s.weight_bytes);
    const double begin = collet_now_s();
    if (s.packing)
        pack_rows(s.weights, canonical, s.packing, o->n_out, n_blocks);
    else
        memcpy(s.weights, canonical, canonical_bytes);
    s.pack_gbps = s.packing ? (double)canonical_bytes / (collet_now_s() - begin) / 1e9 : 0.0;
    for (uint32_t i = 1; i < s.copies; i++)
        memcpy(s.weights + i * s.weight_bytes, s.weights, s.weight_bytes);
    free(canonical);
    return s;
}

static product make_product(const subject *s, uint32_t n_tokens)
{
    product p = { .s = s, .n_tokens = n_tokens };
    const collet_cpu_matmul_level *level = collet_cpu_matmul_level_of(s->kernel->isa);
    const uint64_t n_blocks = (s->n_in + 31) / 32;
    p.x = allocate(sizeof(float) * n_tokens * s->n_in);
    p.y = allocate(sizeof(float) * n_tokens * s->n_out);
    p.act = allocate(n_tokens * n_blocks * sizeof *p.act);
    for (uint64_t i = 0; i < (uint64_t)n_tokens * s->n_in; i++)
        p.x[i] = (float)(i * 7919 % 2003) / 1001.0f - 1.0f;
    if (s->kernel->isa == COLLET_ISA_AMX) {
        p.tiles = allocate(collet_cpu_tiles_elems(n_tokens, s->n_in) * sizeof *p.tiles);
        p.scratch = allocate(s->n_tasks * collet_cpu_tiles_scratch_bytes(n_tokens));
        const collet_cpu_matmul_args a = { .x = p.x, .x_stride = s->n_in, .n_in = s->n_in, .n_tokens = n_tokens };
        for (uint32_t t = 0; t < n_tokens; t += 32)
            for (uint32_t c = 0; c < s->n_in; c += COLLET_CPU_TILES_COLUMNS)
                level->bf16_tiles(p.tiles, &a, t, c);
    }
    if (!s->packing && level->dense_pack && s->kernel->isa != COLLET_ISA_AMX && n_tokens >= COLLET_CPU_DENSE_FROM)
        p.dense = allocate(collet_cpu_dense_ws_bytes(n_tokens, s->n_in));
    for (uint32_t t = 0, n; t < n_tokens && s->packing; t += n) {
        n = collet_cpu_act_together(n_tokens - t);
        for (uint32_t c = 0; c < n; c++)
            level->quantize_act[0](p.act + t * n_blocks + c, n, p.x + (uint64_t)(t + c) * s->n_in, s->n_in);
    }
    p.args.panel_bytes = s->panel_bytes;
    p.args.n_in = s->n_in;
    p.args.n_out = s->n_out;
    p.args.act = p.act;
    p.args.tiles = p.tiles;
    p.args.n_tokens = n_tokens;
    p.args.x = p.x;
    p.args.x_stride = s->n_in;
    p.args.y = p.y;
    p.args.y_stride = s->n_out;
    return p;
}

static void free_product(product *p)
{
    free(p->act);
    free(p->tiles);
    free(p->scratch);
    free(p->dense);
    free(p->x);
    free(p->y);
}

static void run_task(void *ctx, uint32_t task, uint32_t worker)
{
    const product *p = ctx;
    const subject *s = p->s;
    collet_cpu_matmul_args args = p->args;
    if (p->scratch)
        args.scratch = p->scratch + worker * collet_cpu_tiles_scratch_bytes(p->n_tokens);
    const uint32_t begin = (uint32_t)((uint64_t)s->n_panels * task / s->n_tasks);
    const uint32_t end = (uint32_t)((uint64_t)s->n_panels * (task + 1) / s->n_tasks);
    const uint32_t block = p->tiles ? p->n_tokens : collet_cpu_matmul_token_block(s->packing, s->n_in);
    for (uint32_t t = 0; t < p->n_tokens; t += block)
        s->kernel->run(&args, begin, end, t, t + block < p->n_tokens ? t + block : p->n_tokens);
}

// Seconds of one product with the next `n` copies.
static double seconds_of(product *p, collet_pool *pool, uint32_t n)
{
    const collet_host host = { .self = pool, .workers = host_workers, .parallel = host_parallel };
    const double begin = collet_now_s();
    for (uint32_t i = 0; i < n; i++, p->next_copy = (p->next_copy + 1) % p->s->copies) {
        p->args.w = p->s->weights + p->next_copy * p->s->weight_bytes;
        if (p->dense)
            collet_cpu_dense_run(p->s->kernel, collet_cpu_matmul_level_of(p->s->kernel->isa)->dense_pack, &p->args,
                                 p->n_tokens, p->dense, &host);
        else
            collet_pool_run(pool, p->s->n_tasks, run_task, p);
    }
    return (collet_now_s() - begin) / n;
}

static collet_peak peak_of(const subject *s)
{
    return s->kernel->isa == COLLET_ISA_AMX ? COLLET_PEAK_TILE_BF16 : s->packing ? COLLET_PEAK_INT8 : COLLET_PEAK_F32;
}

// Round 0 warms up, round r writes the samples r - 1.
static void run_rounds(const subject *s, const options *o, collet_pool *pool, collet_read_probe *probe, samples *out)
{
    product one = make_product(s, 1), step = make_product(s, STEP_TOKENS), prefill = make_product(s, o->n_tokens);
    const double ops = 2.0 * o->n_tokens * o->n_out * o->n_in;
    for (uint32_t round = 0; round <= o->n_rounds; round++) {
        const uint32_t i = round ? round - 1 : 0;
        const double before = collet_read_probe_run(probe);
        const double one_s = seconds_of(&one, pool, s->copies);
        const double after = collet_read_probe_run(probe);
        const double step_s = seconds_of(&step, pool, s->copies);
        const double peak = collet_peak_run(pool, peak_of(s), o->isa_mask);
        const double prefill_s = seconds_of(&prefill, pool, 1);
        out->gbps[i] = (double)s->weight_bytes / one_s / 1e9;
        out->of_read[i] = (double)s->weight_bytes / one_s / (0.5 * (before + after));
        out->step[i] = step_s / one_s;
        out->gops[i] = ops / prefill_s / 1e9;
        out->of_peak[i] = ops / prefill_s / peak;
    }
    free_product(&one);
    free_product(&step);
    free_product(&prefill);
}

static void bench(const collet_cpu_matmul_kernel *kernel, const options *o, collet_pool *pool, collet_read_probe *probe)
{
    static bool began;
    subject s = make_subject(kernel, o);
    samples v;
    run_rounds(&s, o, pool, probe, &v);
    const char *name = kernel->name + strlen("collet_cpu_");
    const double gbps = collet_median(v.gbps, o->n_rounds), of_read = collet_median(v.of_read, o->n_rounds);
    const double step = collet_median(v.step, o->n_rounds), gops = collet_median(v.gops, o->n_rounds);
    const double of_peak = collet_median(v.of_peak, o->n_rounds);
    if (o->json)
        printf("%s\n  {\"kernel\": \"%s\", \"format\": \"%s\", \"isa\": \"%s\", \"gbps\": %.3f, "
               "\"of_read\": %.4f, \"of_read_min\": %.4f, \"of_read_max\": %.4f, \"step%u_ratio\": %.4f, "
               "\"gops\": %.2f, \"peak\": \"%s\", \"of_peak\": %.4f, \"pack_gbps\": %.3f}",
               began ? "," : "", name, kernel->format, collet_isa_name(kernel->isa), gbps, of_read, v.of_read[0],
               v.of_read[o->n_rounds - 1], STEP_TOKENS, step, gops, collet_peak_name(peak_of(&s)), of_peak,
               s.pack_gbps);
    else
        printf("%-28s %8.1f %8.2f [%.2f..%.2f] %8.2f %8.1f %8.2f %8.2f\n", name, gbps, of_read, v.of_read[0],
               v.of_read[o->n_rounds - 1], step, gops, of_peak, s.pack_gbps);
    began = true;
    fflush(stdout);
    free(s.weights);
}

static bool parse(options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            o->json = true;
            continue;
        }
        const char *flag = argv[i], *value = ++i < argc ? argv[i] : NULL;
        if (!value)
            return false;
        if (strcmp(flag, "--filter") == 0)
            o->filter = value;
        else if (strcmp(flag, "--tokens") == 0)
            o->n_tokens = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(flag, "--threads") == 0)
            o->n_threads = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(flag, "--rounds") == 0)
            o->n_rounds = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(flag, "--shape") != 0 || sscanf(value, "%ux%u", &o->n_out, &o->n_in) != 2)
            return false;
    }
    return o->n_out && o->n_in && o->n_in % 32 == 0 && o->n_tokens && o->n_threads && o->n_rounds &&
           o->n_rounds <= ROUNDS_MAX;
}

static void bench_all(const options *o, const collet_isa *isa, collet_pool *pool, collet_read_probe *probe)
{
    if (o->json)
        printf("{\"cpu\": \"%s\", \"shape\": [%u, %u], \"threads\": %u, \"tokens\": %u, \"rounds\": %u, "
               "\"rows\": [",
               isa->cpu_name, o->n_out, o->n_in, o->n_threads, o->n_tokens, o->n_rounds);
    else
        printf("%s, %ux%u, %u threads, prefill of %u tokens, median of %u rounds\n%-28s %8s %8s %12s %8s %8s %8s %8s\n",
               isa->cpu_name, o->n_out, o->n_in, o->n_threads, o->n_tokens, o->n_rounds, "kernel", "GB/s", "of read",
               "[min..max]", "5 : 1", "GOPS", "of peak", "pack GB/s");
    for (size_t i = 0; i < collet_cpu_n_matmul_kernels; i++) {
        const collet_cpu_matmul_kernel *k = &collet_cpu_matmul_kernels[i];
        const collet_format *format = collet_format_find(k->format);
        if ((k->isa & isa->mask) && strstr(k->name, o->filter) && o->n_in % format->block_elems == 0)
            bench(k, o, pool, probe);
    }
    if (o->json)
        printf("\n]}\n");
}

int main(int argc, char **argv)
{
    options o = { .filter = "", .n_out = 4096, .n_in = 4096, .n_tokens = 256, .n_threads = 2, .n_rounds = 9 };
    if (!parse(&o, argc, argv)) {
        fprintf(stderr,
                "usage: bench_kernels [--filter TEXT] [--shape N_OUTxN_IN] [--tokens N] [--threads N] "
                "[--rounds 1..%u] [--json]\n",
                ROUNDS_MAX);
        return 2;
    }
    collet_isa isa;
    collet_isa_probe(&isa);
    o.isa_mask = isa.mask;
    o.rotate_bytes = ROTATE_CACHES * isa.l3_bytes > ROTATE_BYTES ? ROTATE_CACHES * isa.l3_bytes : ROTATE_BYTES;
    o.rotate_bytes = o.rotate_bytes < ROTATE_MAX ? o.rotate_bytes : ROTATE_MAX;
    const uint64_t probe_bytes = o.rotate_bytes > PROBE_BYTES ? o.rotate_bytes : PROBE_BYTES;
    collet_pool *pool = NULL;
    collet_read_probe *probe = NULL;
    collet_error err = COLLET_ERROR_INIT;
    const collet_pool_opts pool_opts = { .n_workers = o.n_threads, .pin = 1 };
    if (collet_pool_create(&pool, &pool_opts, &err) != COLLET_OK ||
        collet_read_probe_create(&probe, pool, probe_bytes / o.n_threads, isa.mask, &err) != COLLET_OK) {
        fprintf(stderr, "bench_kernels: %s\n", err.msg);
        collet_pool_destroy(pool);
        return 1;
    }
    bench_all(&o, &isa, pool, probe);
    collet_read_probe_destroy(probe);
    collet_pool_destroy(pool);
    return 0;
}
