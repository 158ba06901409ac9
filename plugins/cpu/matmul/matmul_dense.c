// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_dense.c - calls of many tokens on dense weights: packing activations, and rows from a
// queue.
#include "plugins/cpu/matmul/matmul_dense.h"

#include <stdatomic.h>

#define TILE_PANELS 4u // 32 rows: whole tiles of every kernel
#define PIECES_PER_WORKER 4u
#define CHUNK COLLET_CPU_DENSE_CHUNK
#define GROUP COLLET_CPU_DENSE_GROUP

typedef struct dense_job {
    const collet_cpu_matmul_kernel *kernel;
    collet_cpu_dense_pack_fn *pack;
    collet_cpu_matmul_args args;
    float *packed;
    uint32_t n_tokens, n_tasks, n_pieces;
    atomic_uint next_piece;
} dense_job;

uint64_t collet_cpu_dense_ws_bytes(uint32_t n_tokens, uint32_t n_in)
{
    const uint64_t n_groups = ((uint64_t)n_tokens + GROUP - 1) / GROUP;
    const uint64_t n_columns = n_in < COLLET_CPU_DENSE_SLAB ? n_in : COLLET_CPU_DENSE_SLAB;
    return 64 + n_groups * ((n_columns + CHUNK - 1) / CHUNK) * CHUNK * GROUP * sizeof(float);
}

static void pack_task(void *ctx, uint32_t task, uint32_t worker)
{
    (void)worker;
    const dense_job *j = ctx;
    const uint32_t n_chunks = (j->args.column_end - j->args.column_begin + CHUNK - 1) / CHUNK;
    const uint32_t n = n_chunks * j->args.n_groups, end = (uint32_t)((uint64_t)n * (task + 1) / j->n_tasks);
    for (uint32_t i = (uint32_t)((uint64_t)n * task / j->n_tasks); i < end; i++) {
        const uint32_t token = i % j->args.n_groups * GROUP;
        const uint32_t column = j->args.column_begin + i / j->args.n_groups * CHUNK;
        const uint32_t tokens = j->n_tokens - token, columns = j->args.column_end - column;
        j->pack(j->packed + (uint64_t)i * CHUNK * GROUP, j->args.x + token * j->args.x_stride + column,
                j->args.x_stride, tokens < GROUP ? tokens : GROUP, columns < CHUNK ? columns : CHUNK);
    }
}

static void multiply_task(void *ctx, uint32_t task, uint32_t worker)
{
    (void)task;
    (void)worker;
    dense_job *j = ctx;
    const uint32_t n_panels = (j->args.n_out + R8_ROWS - 1) / R8_ROWS;
    const uint32_t n_tiles = (n_panels + TILE_PANELS - 1) / TILE_PANELS;
    for (uint32_t i = atomic_fetch_add(&j->next_piece, 1); i < j->n_pieces; i = atomic_fetch_add(&j->next_piece, 1)) {
        const uint32_t begin = (uint32_t)((uint64_t)n_tiles * i / j->n_pieces) * TILE_PANELS;
        const uint32_t end = (uint32_t)((uint64_t)n_tiles * (i + 1) / j->n_pieces) * TILE_PANELS;
        if (begin < end)
            j->kernel->run(&j->args, begin, end < n_panels ? end : n_panels, 0, j->n_tokens);
    }
}

void collet_cpu_dense_run(const collet_cpu_matmul_kernel *kernel, collet_cpu_dense_pack_fn *pack,
                          const collet_cpu_matmul_args *args, uint32_t n_tokens, void *ws, const collet_host *host)
{
    dense_job j = {
        .kernel = kernel, .pack = pack, .args = *args, .n_tokens = n_tokens, .n_tasks = host->workers(host->self)
    };
    j.n_pieces = j.n_tasks * PIECES_PER_WORKER;
    j.packed = (float *)(void *)((uint8_t *)ws + (64 - (uintptr_t)ws % 64) % 64);
    j.args.packed_x = j.packed;
    j.args.n_groups = (n_tokens + GROUP - 1) / GROUP;
    for (uint32_t column = 0; column < args->n_in; column += COLLET_CPU_DENSE_SLAB) {
        j.args.column_begin = column;
        j.args.column_end = args->n_in - column < COLLET_CPU_DENSE_SLAB ? args->n_in : column + COLLET_CPU_DENSE_SLAB;
        atomic_store(&j.next_piece, 0);
        host->parallel(host->self, j.n_tasks, pack_task, &j);
        host->parallel(host->self, j.n_tasks, multiply_task, &j);
    }
}
