// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_dense.h - calls of many tokens on weights in f32, f16 and bf16.
//
// Activations are put into the order in which the kernels use them, once for all rows: six tokens are a group, and
//     packed_x[chunk of 512 columns][group][l of 8][j of 64][token of 6] = x[token][512 chunk + 8 j + l]
// with zeros where there is no such token or column. Unpacked rows of 4096 columns are 16 KiB apart, so that those of a
// few tokens share the sets of a cache and drive each other out: 0.5 of the multiply peak instead of 0.8.
#ifndef COLLET_PLUGINS_CPU_MATMUL_MATMUL_DENSE_H
#define COLLET_PLUGINS_CPU_MATMUL_MATMUL_DENSE_H

#include "plugins/cpu/matmul/matmul.h"

#define COLLET_CPU_DENSE_FROM 32u   // tokens, from which on transposing weights pays
#define COLLET_CPU_DENSE_CHUNK 512u // columns
#define COLLET_CPU_DENSE_GROUP 6u   // tokens
#define COLLET_CPU_DENSE_SLAB 2048u // columns that are packed at a time: 4 MiB for 512 tokens

// Workspace of a call of up to n_tokens.
uint64_t collet_cpu_dense_ws_bytes(uint32_t n_tokens, uint32_t n_in);

// y = x W^T with a kernel for f32, f16 or bf16. args->packed_x and the columns are set here.
// Threads: [control] uses the host's workers
void collet_cpu_dense_run(const collet_cpu_matmul_kernel *kernel, collet_cpu_dense_pack_fn *pack,
                          const collet_cpu_matmul_args *args, uint32_t n_tokens, void *ws, const collet_host *host);

// The group of `token` in the chunk that begins at `column`.
static inline const float *collet_cpu_dense_packed(const collet_cpu_matmul_args *a, uint32_t column, uint32_t token)
{
    const uint64_t chunk = (column - a->column_begin) / COLLET_CPU_DENSE_CHUNK;
    return a->packed_x + (chunk * a->n_groups + token / COLLET_CPU_DENSE_GROUP) *
                             (uint64_t)(COLLET_CPU_DENSE_CHUNK * COLLET_CPU_DENSE_GROUP);
}

#endif
