// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_tiles.c - calls of many tokens on AMX tiles: bf16 activations, and panels from a queue.
//
// Pieces are whole tiles of 32 rows, as many as keep every worker busy to the end, and take all tokens: weights are
// decoded once for up to COLLET_CPU_TILES_TOKENS of them.
#include "plugins/cpu/matmul/matmul_tiles.h"

#include <stdatomic.h>

#define TILE_PANELS 4u // of 32 rows
#define PIECES_PER_WORKER 4u
#define PIECE_TILES 4u // 32 rows each: less than that, and a piece waits for its activations

typedef struct tiles_job {
    const collet_cpu_matmul_kernel *kernel;
    collet_cpu_bf16_tiles_fn *bf16_tiles;
    collet_cpu_matmul_args args;
    uint32_t n_tasks, n_pieces;
    uint16_t *x;
    uint8_t *scratch;
    uint64_t scratch_bytes;
    atomic_uint next_piece;
} tiles_job;

uint64_t collet_cpu_tiles_ws_bytes(uint32_t n_tokens, uint32_t n_in, uint32_t n_workers)
{
    return 64 + collet_cpu_tiles_elems(n_tokens, n_in) * sizeof(uint16_t) +
           n_workers * collet_cpu_tiles_scratch_bytes(n_tokens);
}

static void convert_task(void *ctx, uint32_t task, uint32_t worker)
{
    (void)worker;
    const tiles_job *j = ctx;
    const uint32_t groups = (j->args.n_in + COLLET_CPU_TILES_COLUMNS - 1) / COLLET_CPU_TILES_COLUMNS;
    const uint64_t n = ((uint64_t)j->args.n_tokens + 31) / 32 * groups;
    for (uint64_t i = n * task / j->n_tasks; i < n * (task + 1) / j->n_tasks; i++)
        j->bf16_tiles(j->x, &j->args, (uint32_t)(i / groups) * 32, (uint32_t)(i % groups) * COLLET_CPU_TILES_COLUMNS);
}

static uint32_t tiles_of(const collet_cpu_matmul_args *a)
{
    return (a->n_out + TILE_PANELS * R8_ROWS - 1) / (TILE_PANELS * R8_ROWS);
}

static void multiply_task(void *ctx, uint32_t task, uint32_t worker)
{
    (void)task;
    tiles_job *j = ctx;
    collet_cpu_matmul_args a = j->args;
    a.scratch = j->scratch + worker * j->scratch_bytes;
    const uint32_t n_panels = (a.n_out + R8_ROWS - 1) / R8_ROWS, n_tiles = tiles_of(&a);
    for (uint32_t i = atomic_fetch_add(&j->next_piece, 1); i < j->n_pieces; i = atomic_fetch_add(&j->next_piece, 1)) {
        const uint32_t begin = (uint32_t)((uint64_t)n_tiles * i / j->n_pieces) * TILE_PANELS;
        const uint32_t end = (uint32_t)((uint64_t)n_tiles * (i + 1) / j->n_pieces) * TILE_PANELS;
        if (begin < end)
            j->kernel->run(&a, begin, end < n_panels ? end : n_panels, 0, a.n_tokens);
    }
}

void collet_cpu_tiles_run(const collet_cpu_matmul_kernel *kernel, collet_cpu_bf16_tiles_fn *bf16_tiles,
                          const collet_cpu_matmul_args *args, uint32_t n_tokens, void *ws, const collet_host *host)
{
    tiles_job j = { .kernel = kernel,
                    .bf16_tiles = bf16_tiles,
                    .args = *args,
                    .n_tasks = host->workers(host->self),
                    .scratch_bytes = collet_cpu_tiles_scratch_bytes(n_tokens) };
    const uint32_t most = j.n_tasks * PIECES_PER_WORKER, large = (tiles_of(args) + PIECE_TILES - 1) / PIECE_TILES;
    j.n_pieces = large > most ? most : large > j.n_tasks ? large : j.n_tasks;
    j.x = (uint16_t *)(void *)((uint8_t *)ws + (64 - (uintptr_t)ws % 64) % 64);
    j.scratch = (uint8_t *)(void *)(j.x + collet_cpu_tiles_elems(n_tokens, args->n_in));
    j.args.act = NULL;
    j.args.tiles = j.x;
    j.args.n_tokens = n_tokens;
    host->parallel(host->self, j.n_tasks, convert_task, &j);
    host->parallel(host->self, j.n_tasks, multiply_task, &j);
}
