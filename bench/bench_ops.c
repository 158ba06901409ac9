// SPDX-License-Identifier: Apache-2.0
// bench/bench_ops.c - a row per kernel of ops_kernels.inc, and one per shape of attention_kernels.inc; one thread.
//
//     bench_ops [--filter TEXT] [--rounds N]
//
// ops:       ns of one decode row, then elements a ns when 512 rows are done
// attention: decode reads 4096 tokens of caches that rotate over more memory than the last-level cache holds, so its
//            row is about memory, and `of read` divides by the read bandwidth of the same run; prefill is 512 new
//            tokens with nothing before them, counted in multiply-adds of visible pairs
// Each number is the best of `rounds`: the machine is shared, and others can only slow a kernel down.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/isa.h"
#include "core/base/pool.h"
#include "core/measure/probe.h"
#include "plugins/cpu/attention/attention.h"
#include "plugins/cpu/ops/ops.h"

#define PROBE_BYTES (192u << 20)
#define ROTATE_BYTES (128u << 20)

enum { ROWS = 512, ROW = 1536, VOCAB = 64, CONTEXT = 4096 };

static void *allocate(size_t n_bytes)
{
    void *p = aligned_alloc(64, (n_bytes + 63) / 64 * 64);
    if (!p) {
        fprintf(stderr, "bench_ops: no memory for %zu bytes\n", n_bytes);
        exit(1);
    }
    return p;
}

static float *floats(size_t n)
{
    float *p = allocate(n * sizeof(float));
    for (size_t i = 0; i < n; i++)
        p[i] = (float)(i * 7919 % 2003) / 1001.0f - 1.0f;
    return p;
}

// ---- ops ----

static double ops_seconds(const collet_cpu_ops_kernel *k, const collet_cpu_ops_args *a, uint32_t n_rows,
                          uint32_t rounds)
{
    const uint32_t n_calls = n_rows == 1 ? 4000 : 8;
    double best = 1e9;
    for (uint32_t round = 0; round < rounds; round++) {
        const double begin = collet_now_s();
        for (uint32_t i = 0; i < n_calls; i++)
            k->run(a, 0, n_rows);
        const double seconds = (collet_now_s() - begin) / n_calls;
        best = seconds < best ? seconds : best;
    }
    return best;
}

// The shapes of the demo model: rows of 576, heads of 64, and 1536 between gate and down.
static void bench_op(const collet_cpu_ops_kernel *k, uint32_t rounds)
{
    const bool mul = strstr(k->op, "_mul") || strcmp(k->op, "softcap") == 0, rope = strcmp(k->op, "rope") == 0;
    const bool packed = strcmp(k->op, "embed_r8") == 0;
    const char *any = packed ? "q8_0" : "f16";
    const collet_format *format = collet_format_find(strcmp(k->format, "any") == 0 ? any : k->format);
    float *x = floats(ROWS * ROW), *b = floats(ROWS * ROW), *y = floats(ROWS * ROW), *h = floats(ROWS * ROW);
    float *w = floats(ROW);
    int32_t index[ROWS];
    for (int32_t i = 0; i < ROWS; i++)
        index[i] = i % VOCAB;
    collet_cpu_ops_args a = { .y = y, .h = h, .x = x, .b = b, .w = w, .index = index, .n_heads = 1 };
    a.n = rope ? 64 : mul ? 1536 : 576;
    a.n_heads = rope ? 9 : 1;
    a.x_head = a.y_head = 64;
    a.x_row = a.b_row = a.y_row = a.h_row = a.n_heads * a.n;
    a.n_rot = 64;
    a.pairs = COLLET_ROPE_NEOX;
    a.eps = 1e-5f;
    a.scale = 1.0f;
    a.cap = 30.0f;
    a.table_row = (size_t)a.n / format->block_elems * format->block_bytes;
    if (packed) {
        a.packing = collet_cpu_packing_find(any);
        a.unpack = collet_cpu_unpack_find(any);
        a.table_row = (size_t)a.n / a.packing->record_elems * a.packing->record_bytes;
    }
    uint8_t *table = allocate(VOCAB * a.table_row);
    memset(table, 0x2a, VOCAB * a.table_row);
    a.table = table;
    a.decode = format->dequantize;
    const double one = ops_seconds(k, &a, 1, rounds), many = ops_seconds(k, &a, ROWS, rounds);
    printf("%-40s %5ux%-5u %9.0f %9.2f\n", k->name + strlen("collet_cpu_"), a.n_heads, a.n, one * 1e9,
           ROWS * (double)a.n_heads * a.n / many / 1e9);
    fflush(stdout);
    free(x);
    free(b);
    free(y);
    free(h);
    free(w);
    free(table);
}

// ---- attention ----

typedef struct heads {
    uint32_t n_heads, n_kv_heads, head_dim;
} heads;

// Caches of one sequence each, as kv.contiguous lays them out: (n_kv_heads, CONTEXT, head_dim).
typedef struct caches {
    uint8_t *k, *v;
    size_t n_bytes; // of one
    uint32_t n;
} caches;

static caches make_caches(const heads *s, bool f16)
{
    caches c = { .n_bytes = (size_t)s->n_kv_heads * CONTEXT * s->head_dim * (f16 ? 2 : 4) };
    c.n = (uint32_t)(ROTATE_BYTES / (2 * c.n_bytes)) + 1;
    c.k = allocate(c.n * c.n_bytes);
    c.v = allocate(c.n * c.n_bytes);
    memset(c.k, 0x2a, c.n * c.n_bytes); // 0.0482 as f16, 1.5e-13 as f32
    memset(c.v, 0x2a, c.n * c.n_bytes);
    return c;
}

// One layer: all kv heads of one sequence.
static void layer(const collet_cpu_attention_kernel *k, collet_cpu_attention_args *a, const heads *s, float *scratch,
                  float *partial)
{
    const bool decode = strcmp(k->phase, "decode") == 0;
    const uint32_t tokens = collet_cpu_attention_tokens(a->group);
    for (a->kv_head = 0; a->kv_head < s->n_kv_heads; a->kv_head++) {
        if (decode)
            k->run(a, 0, CONTEXT, scratch, partial);
        for (uint32_t t = 0; !decode && t < ROWS; t += tokens)
            k->run(a, t, t + tokens < ROWS ? t + tokens : ROWS, scratch, NULL);
    }
}

static void bench_attention(const collet_cpu_attention_kernel *k, const heads *s, double read_gbps, uint32_t rounds)
{
    const bool f16 = strcmp(k->format, "f16") == 0, decode = strcmp(k->phase, "decode") == 0;
    static const int32_t block_table[] = { 0 };
    const size_t token = s->head_dim * (f16 ? 2 : 4), head = CONTEXT * token, row = (size_t)s->n_heads * s->head_dim;
    const uint32_t group = s->n_heads / s->n_kv_heads;
    caches c = make_caches(s, f16);
    float *q = floats(ROWS * row), *out = floats(ROWS * row);
    float *scratch = allocate(collet_cpu_attention_scratch(s->head_dim, group).n_floats * sizeof(float));
    float *partial = allocate((size_t)group * collet_cpu_attention_partial(s->head_dim) * sizeof(float));
    collet_cpu_attention_args a = { .q = q,
                                    .out = out,
                                    .block_table = block_table,
                                    .q_row = row,
                                    .q_head = s->head_dim,
                                    .out_row = row,
                                    .out_head = s->head_dim,
                                    .k_head = head,
                                    .k_token = token,
                                    .v_head = head,
                                    .v_token = token,
                                    .block_tokens = CONTEXT,
                                    .head_dim = s->head_dim,
                                    .group = group,
                                    .scale = 0.125f };
    const uint32_t n_layers = decode ? c.n : 1;
    double best = 1e9;
    for (uint32_t round = 0; round < rounds; round++) {
        const double begin = collet_now_s();
        for (uint32_t i = 0; i < n_layers; i++) {
            a.k = c.k + i * c.n_bytes;
            a.v = c.v + i * c.n_bytes;
            layer(k, &a, s, scratch, partial);
        }
        const double seconds = (collet_now_s() - begin) / n_layers;
        best = seconds < best ? seconds : best;
    }
    const double pairs = decode ? CONTEXT : ROWS * (ROWS + 1.0) / 2.0, gbps = 2.0 * c.n_bytes / best / 1e9;
    printf("%-40s %2u/%u/%-5u %9.1f", k->name + strlen("collet_cpu_"), s->n_heads, s->n_kv_heads, s->head_dim,
           best * 1e6);
    printf(" %9.1f", 2.0 * pairs * s->n_heads * s->head_dim / best / 1e9);
    if (decode)
        printf(" %9.1f %8.2f", gbps, gbps / read_gbps);
    printf("\n");
    fflush(stdout);
    free(c.k);
    free(c.v);
    free(q);
    free(out);
    free(scratch);
    free(partial);
}

// Eight heads of 128, one token.
static void bench_append(const collet_cpu_kv_append_kernel *k, uint32_t rounds)
{
    float *src = floats(ROW), *dst = floats(ROW);
    double best = 1e9;
    for (uint32_t round = 0; round < rounds; round++) {
        const double begin = collet_now_s();
        for (uint32_t i = 0; i < 8 * 4000; i++)
            k->run(dst, src + i % 8 * 128, 128);
        const double seconds = (collet_now_s() - begin) / 4000;
        best = seconds < best ? seconds : best;
    }
    printf("%-40s %5ux%-5u %9.0f %9.2f\n", k->name + strlen("collet_cpu_"), 8, 128, best * 1e9, 8 * 128 / best / 1e9);
    free(src);
    free(dst);
}

static double read_bandwidth(uint32_t isa_mask)
{
    collet_pool *pool = NULL;
    collet_read_probe *probe = NULL;
    collet_error err = COLLET_ERROR_INIT;
    const collet_pool_opts opts = { .n_workers = 1 };
    double best = 0.0;
    if (collet_pool_create(&pool, &opts, &err) != COLLET_OK ||
        collet_read_probe_create(&probe, pool, PROBE_BYTES, isa_mask, &err) != COLLET_OK) {
        fprintf(stderr, "bench_ops: %s\n", err.msg);
        exit(1);
    }
    for (int i = 0; i < 5; i++) {
        const double once = collet_read_probe_run(probe);
        best = once > best ? once : best;
    }
    collet_read_probe_destroy(probe);
    collet_pool_destroy(pool);
    return best / 1e9;
}

static const collet_cpu_ops_kernel ops_kernels[] = {
#define KERNEL(o, w, i, f) { .op = #o, .format = #w, .isa = COLLET_ISA_##i, .name = #f, .run = f },
#include "plugins/cpu/ops/ops_kernels.inc"
#undef KERNEL
};

static const collet_cpu_attention_kernel attention_kernels[] = {
#define KERNEL(p, t, i, f) { .phase = #p, .format = #t, .isa = COLLET_ISA_##i, .name = #f, .run = f },
#define APPEND(t, i, f)
#include "plugins/cpu/attention/attention_kernels.inc"
#undef KERNEL
#undef APPEND
};

static const collet_cpu_kv_append_kernel append_kernels[] = {
#define KERNEL(p, t, i, f)
#define APPEND(t, i, f) { .format = #t, .isa = COLLET_ISA_##i, .name = #f, .run = f },
#include "plugins/cpu/attention/attention_kernels.inc"
#undef KERNEL
#undef APPEND
};

int main(int argc, char **argv)
{
    static const heads shapes[] = { { 9, 3, 64 }, { 4, 1, 256 }, { 32, 8, 128 } };
    const char *filter = "";
    uint32_t rounds = 5;
    for (int i = 1; i + 1 < argc; i += 2)
        if (strcmp(argv[i], "--filter") == 0)
            filter = argv[i + 1];
        else if (strcmp(argv[i], "--rounds") == 0)
            rounds = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else
            rounds = 0;
    if (argc % 2 == 0 || rounds == 0) {
        fprintf(stderr, "usage: bench_ops [--filter TEXT] [--rounds N]\n");
        return 2;
    }
    collet_isa isa;
    collet_isa_probe(&isa);
    const double read_gbps = read_bandwidth(isa.mask);
    printf("%s, one thread, reads %.1f GB/s\n%-40s %11s %9s %9s\n", isa.cpu_name, read_gbps, "op", "row", "ns a row",
           "elems/ns");
    for (size_t i = 0; i < COLLET_COUNT(ops_kernels); i++)
        if ((ops_kernels[i].isa & isa.mask) && strstr(ops_kernels[i].name, filter))
            bench_op(&ops_kernels[i], rounds);
    for (size_t i = 0; i < COLLET_COUNT(append_kernels); i++)
        if ((append_kernels[i].isa & isa.mask) && strstr(append_kernels[i].name, filter))
            bench_append(&append_kernels[i], rounds);
    printf("%-40s %10s %9s %9s %9s %8s\n", "attention", "heads", "us", "GMAC/s", "GB/s", "of read");
    for (size_t i = 0; i < COLLET_COUNT(attention_kernels); i++)
        for (size_t s = 0; s < COLLET_COUNT(shapes); s++)
            if ((attention_kernels[i].isa & isa.mask) && strstr(attention_kernels[i].name, filter))
                bench_attention(&attention_kernels[i], &shapes[s], read_gbps, rounds);
    return 0;
}
