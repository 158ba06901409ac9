// SPDX-License-Identifier: Apache-2.0
// bench/bench_kernels.c - a row per matmul kernel: how fast it streams weights (decode), how fast it multiplies
// (prefill).
//
//     bench_kernels [--filter TEXT] [--shape N_OUTxN_IN] [--tokens N] [--threads N] [--rounds N]
//
// Weights rotate over more memory than the last-level cache holds, so a decode row is about memory; `of read` divides
// by the read bandwidth of the same run. `pack GB/s` is of canonical bytes, one thread. Each number is the best of
// `rounds`: the machine is shared, and others can only slow a kernel down.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/isa.h"
#include "core/base/pool.h"
#include "core/measure/probe.h"
#include "plugins/common/formats.h"
#include "plugins/cpu/matmul/matmul.h"

#define ROTATE_BYTES (128u << 20)
#define PROBE_BYTES (192u << 20)
#define COPIES_MAX 4096u

typedef struct options {
    const char *filter;
    uint32_t n_out, n_in, n_tokens, n_threads, n_rounds;
} options;

// One kernel on one shape; `copies` of the weight lie one after the other.
typedef struct subject {
    const collet_cpu_matmul_kernel *kernel;
    collet_cpu_matmul_args args;
    uint32_t n_panels, n_tokens, n_tasks, copies;
    uint64_t weight_bytes; // of one copy, as the kernel reads it
    double pack_gbps;
    uint8_t *weights;
    collet_cpu_act *act;
    uint16_t *tiles; // AMX: instead of act
    uint8_t *scratch;
    float *x, *y;
} subject;

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

static void make_weights(subject *s, const options *o)
{
    const collet_format *format = collet_format_find(s->kernel->format);
    const collet_cpu_packing *packing = collet_cpu_packing_find(s->kernel->format);
    const uint32_t n_blocks = o->n_in / format->block_elems;
    const uint64_t row_bytes = (uint64_t)n_blocks * format->block_bytes, canonical_bytes = o->n_out * row_bytes;
    uint8_t *canonical = allocate(canonical_bytes);
    fill(canonical, canonical_bytes);
    s->args.panel_bytes = packing ? (uint64_t)n_blocks * packing->record_bytes : row_bytes;
    s->weight_bytes = packing ? s->n_panels * s->args.panel_bytes : canonical_bytes;
    s->copies = (uint32_t)(ROTATE_BYTES / s->weight_bytes) + 1;
    s->copies = s->copies < COPIES_MAX ? s->copies : COPIES_MAX;
    s->weights = allocate(s->copies * s->weight_bytes);
    const double begin = collet_now_s();
    if (packing)
        pack_rows(s->weights, canonical, packing, o->n_out, n_blocks);
    else
        memcpy(s->weights, canonical, canonical_bytes);
    s->pack_gbps = packing ? (double)canonical_bytes / (collet_now_s() - begin) / 1e9 : 0.0;
    for (uint32_t i = 1; i < s->copies; i++)
        memcpy(s->weights + i * s->weight_bytes, s->weights, s->weight_bytes);
    free(canonical);
}

static subject make(const collet_cpu_matmul_kernel *kernel, const options *o, uint32_t n_tokens)
{
    subject s = { .kernel = kernel, .n_tokens = n_tokens, .n_tasks = o->n_threads };
    const uint64_t n_blocks = o->n_in / 32;
    s.n_panels = (o->n_out + R8_ROWS - 1) / R8_ROWS;
    make_weights(&s, o);
    s.x = allocate(sizeof(float) * n_tokens * o->n_in);
    s.y = allocate(sizeof(float) * n_tokens * o->n_out);
    s.act = allocate(n_tokens * n_blocks * sizeof *s.act);
    for (uint64_t i = 0; i < (uint64_t)n_tokens * o->n_in; i++)
        s.x[i] = (float)(i * 7919 % 2003) / 1001.0f - 1.0f;
    if (kernel->isa == COLLET_ISA_AMX) {
        const uint64_t row = (uint64_t)16 * o->n_in;
        s.tiles = allocate((n_tokens + 15) / 16 * row * sizeof *s.tiles);
        s.scratch = allocate(o->n_threads * collet_cpu_tiles_scratch_bytes(n_tokens));
        for (uint32_t t = 0; t < n_tokens; t += 16)
            collet_cpu_bf16_tiles_amx(s.tiles + t / 16 * row, s.x + (uint64_t)t * o->n_in, o->n_in,
                                      n_tokens - t < 16 ? n_tokens - t : 16, o->n_in);
    }
    for (uint32_t t = 0, n; t < n_tokens; t += n) {
        n = collet_cpu_act_together(n_tokens - t);
        for (uint32_t c = 0; c < n; c++)
            collet_cpu_quantize_act_avx2(s.act + t * n_blocks + c, n, s.x + (uint64_t)(t + c) * o->n_in, o->n_in);
    }
    s.args.n_in = o->n_in;
    s.args.n_out = o->n_out;
    s.args.act = s.act;
    s.args.tiles = s.tiles;
    s.args.x = s.x;
    s.args.x_stride = o->n_in;
    s.args.y = s.y;
    s.args.y_stride = o->n_out;
    return s;
}

static void finish(subject *s)
{
    free(s->weights);
    free(s->act);
    free(s->tiles);
    free(s->scratch);
    free(s->x);
    free(s->y);
}

static void run_task(void *ctx, uint32_t task, uint32_t worker)
{
    const subject *s = ctx;
    collet_cpu_matmul_args args = s->args;
    if (s->scratch)
        args.scratch = s->scratch + worker * collet_cpu_tiles_scratch_bytes(s->n_tokens);
    const uint32_t begin = (uint32_t)((uint64_t)s->n_panels * task / s->n_tasks);
    const uint32_t end = (uint32_t)((uint64_t)s->n_panels * (task + 1) / s->n_tasks);
    const uint32_t block = s->tiles ? s->n_tokens : collet_cpu_matmul_token_block(s->args.n_in);
    for (uint32_t t = 0; t < s->n_tokens; t += block)
        s->kernel->run(&args, begin, end, t, t + block < s->n_tokens ? t + block : s->n_tokens);
}

// Seconds of one product, the best of the rounds; a round walks over all copies, or once when it has many tokens.
static double measure(subject *s, collet_pool *pool, uint32_t n_rounds)
{
    double best = 1e9;
    const uint32_t n = s->n_tokens > 8 ? 1 : s->copies;
    for (uint32_t round = 0; round < n_rounds; round++) {
        const double begin = collet_now_s();
        for (uint32_t i = 0; i < n; i++) {
            s->args.w = s->weights + (n == 1 ? round % s->copies : i) * s->weight_bytes;
            collet_pool_run(pool, s->n_tasks, run_task, s);
        }
        const double seconds = (collet_now_s() - begin) / n;
        best = seconds < best ? seconds : best;
    }
    return best;
}

static void bench(const collet_cpu_matmul_kernel *kernel, const options *o, collet_pool *pool, collet_read_probe *probe)
{
    subject s = make(kernel, o, 1);
    double read = 0.0;
    for (int i = 0; i < 3; i++) {
        const double once = collet_read_probe_run(probe);
        read = once > read ? once : read;
    }
    const double decode_s = measure(&s, pool, o->n_rounds), gbps = (double)s.weight_bytes / decode_s / 1e9;
    const double pack_gbps = s.pack_gbps;
    finish(&s);
    s = make(kernel, o, o->n_tokens);
    const double prefill_s = measure(&s, pool, o->n_rounds);
    const double ops = 2.0 * o->n_tokens * o->n_out * o->n_in;
    finish(&s);
    printf("%-28s %6ux%-6u %2u %8.1f %8.2f %8.1f %8.2f\n", kernel->name + strlen("collet_cpu_"), o->n_out, o->n_in,
           o->n_threads, gbps, gbps * 1e9 / read, ops / prefill_s / 1e9, pack_gbps);
    fflush(stdout);
}

static bool parse(options *o, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];
        if (strcmp(argv[i], "--filter") == 0)
            o->filter = value;
        else if (strcmp(argv[i], "--tokens") == 0)
            o->n_tokens = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--threads") == 0)
            o->n_threads = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--rounds") == 0)
            o->n_rounds = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--shape") != 0 || sscanf(value, "%ux%u", &o->n_out, &o->n_in) != 2)
            return false;
    }
    return argc % 2 == 1 && o->n_out && o->n_in && o->n_in % 32 == 0 && o->n_tokens && o->n_threads && o->n_rounds;
}

int main(int argc, char **argv)
{
    options o = { .filter = "", .n_out = 4096, .n_in = 4096, .n_tokens = 256, .n_threads = 2, .n_rounds = 5 };
    if (!parse(&o, argc, argv)) {
        fprintf(stderr, "usage: bench_kernels [--filter TEXT] [--shape N_OUTxN_IN] [--tokens N] [--threads N] "
                        "[--rounds N]\n");
        return 2;
    }
    collet_isa isa;
    collet_isa_probe(&isa);
    collet_pool *pool = NULL;
    collet_read_probe *probe = NULL;
    collet_error err = COLLET_ERROR_INIT;
    const collet_pool_opts pool_opts = { .n_workers = o.n_threads, .pin = 1 };
    if (collet_pool_create(&pool, &pool_opts, &err) != COLLET_OK ||
        collet_read_probe_create(&probe, pool, PROBE_BYTES / o.n_threads, isa.mask, &err) != COLLET_OK) {
        fprintf(stderr, "bench_kernels: %s\n", err.msg);
        collet_pool_destroy(pool);
        return 1;
    }
    printf("%s, prefill of %u tokens\n", isa.cpu_name, o.n_tokens);
    printf("%-28s %13s %2s %8s %8s %8s %8s\n", "kernel", "shape", "th", "GB/s", "of read", "GOPS", "pack GB/s");
    for (size_t i = 0; i < collet_cpu_n_matmul_kernels; i++) {
        const collet_cpu_matmul_kernel *k = &collet_cpu_matmul_kernels[i];
        const collet_format *format = collet_format_find(k->format);
        if ((k->isa & isa.mask) && strstr(k->name, o.filter) && o.n_in % format->block_elems == 0)
            bench(k, &o, pool, probe);
    }
    collet_read_probe_destroy(probe);
    collet_pool_destroy(pool);
    return 0;
}
