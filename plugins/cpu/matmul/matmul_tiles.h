// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_tiles.h - running an AMX kernel on all workers.
#ifndef COLLET_PLUGINS_CPU_MATMUL_MATMUL_TILES_H
#define COLLET_PLUGINS_CPU_MATMUL_MATMUL_TILES_H

#include "plugins/cpu/matmul/matmul.h"

// From how many tokens on: a tile has sixteen, and decoding the weights costs as much for one. q4_k 4096x4096 in us:
// eight tokens take 1070 to 1400 with AVX-512 and 840 to 900 here; five take 580 to 740 there.
#define COLLET_CPU_TILES_FROM 8u

// Workspace of a call of up to n_tokens.
uint64_t collet_cpu_tiles_ws_bytes(uint32_t n_tokens, uint32_t n_in, uint32_t n_workers);

// y = x W^T with an AMX kernel. args->act, tiles and scratch are set here.
// Threads: [control] uses the host's workers; permission for tiles is the process's (core/base/isa.c asks for it)
void collet_cpu_tiles_run(const collet_cpu_matmul_kernel *kernel, collet_cpu_bf16_tiles_fn *bf16_tiles,
                          const collet_cpu_matmul_args *args, uint32_t n_tokens, void *ws, const collet_host *host);

#endif
