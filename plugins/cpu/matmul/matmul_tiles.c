// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_tiles.c - calls of many tokens on AMX tiles: bf16 activations, and panels from a queue.
//
// Pieces are whole tiles of 32 rows, as many as keep every worker busy to the end, and take all tokens: weights are
// decoded once for up to COLLET_CPU_TILES_TOKENS of them.
#include "plugins/cpu/matmul/matmul_tiles.h"

#include <stdatomic.h>

#define TILE_PANELS 4u // of 32 rows
#define PIECES_PER_WORKER 4u

typedef struct tiles_job {
    const collet_cpu_matmul_kernel *kernel;
    collet_cpu_matmul_args args;
    uint32_t n_tokens, n_tasks, n_pieces;
    uint64_t x_tile; // elements of 16 tokens
    uint16_t *x;
    uint8_t *scratch;
    uint64_t scratch_bytes;
    atomic_uint next_piece;
} tiles_job;

static uint64_t row_of_tiles(uint32_t n_in)
{
    return ((uint64_t)n_in + 31) / 32 * 16 * 32;
}

uint64_t collet_cpu_tiles_ws_bytes(uint32_t n_tokens, uint32_t n_in, uint32_t n_workers)
{
    const uint64_t x_bytes = ((uint64_t)n_tokens + 15) / 16 * row_of_tiles(n_in) * sizeof(uint16_t);
    return 64 + x_bytes + n_workers * collet_cpu_tiles_scratch_bytes(n_tokens);
}

static void convert_task(void *ctx, uint32_t task, uint32_t worker)
{
    (void)worker;
    const tiles_job *j = ctx;
    const uint32_t n = (j->n_tokens + 15) / 16;
    const uint32_t end = (uint32_t)((uint64_t)n * (task + 1) / j->n_tasks);
    for (uint32_t i = (uint32_t)((uint64_t)n * task / j->n_tasks); i < end; i++) {
        const uint32_t left = j->n_tokens - i * 16;
        collet_cpu_bf16_tiles_amx(j->x + i * j->x_tile, j->args.x + (uint64_t)i * 16 * j->args.x_stride,
                                  j->args.x_stride, left < 16 ? left : 16, j->args.n_in);
    }
}

static void multiply_task(void *ctx, uint32_t task, uint32_t worker)
{
    (void)task;
    tiles_job *j = ctx;
    collet_cpu_matmul_args a = j->args;
    a.scratch = j->scratch + worker * j->scratch_bytes;
    const uint32_t n_panels = (a.n_out + R8_ROWS - 1) / R8_ROWS, n_tiles = (n_panels + TILE_PANELS - 1) / TILE_PANELS;
    for (uint32_t i = atomic_fetch_add(&j->next_piece, 1); i < j->n_pieces; i = atomic_fetch_add(&j->next_piece, 1)) {
        const uint32_t begin = (uint32_t)((uint64_t)n_tiles * i / j->n_pieces) * TILE_PANELS;
        const uint32_t end = (uint32_t)((uint64_t)n_tiles * (i + 1) / j->n_pieces) * TILE_PANELS;
        if (begin < end)
            j->kernel->run(&a, begin, end < n_panels ? end : n_panels, 0, j->n_tokens);
    }
}

void collet_cpu_tiles_run(const collet_cpu_matmul_kernel *kernel, const collet_cpu_matmul_args *args, uint32_t n_tokens,
                          void *ws, const collet_host *host)
{
    tiles_job j = { .kernel = kernel,
                    .args = *args,
                    .n_tokens = n_tokens,
                    .n_tasks = host->workers(host->self),
                    .x_tile = row_of_tiles(args->n_in),
                    .scratch_bytes = collet_cpu_tiles_scratch_bytes(n_tokens) };
    j.n_pieces = j.n_tasks * PIECES_PER_WORKER;
    j.x = (uint16_t *)(void *)((uint8_t *)ws + (64 - (uintptr_t)ws % 64) % 64);
    j.scratch = (uint8_t *)(void *)(j.x + ((uint64_t)n_tokens + 15) / 16 * j.x_tile);
    j.args.act = NULL;
    j.args.tiles = j.x;
    host->parallel(host->self, j.n_tasks, convert_task, &j);
    host->parallel(host->self, j.n_tasks, multiply_task, &j);
}
