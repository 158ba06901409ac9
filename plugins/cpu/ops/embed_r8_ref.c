// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/embed_r8_ref.c - rows of a table that is packed for cpu.matmul: a block unpacked, decoded, scaled.
//
// Measured: 0.29 us a row of 576 in q8_0 (bench_ops --filter embed), so plain C will do: a step takes milliseconds
#include "plugins/cpu/ops/ops.h"

#define BLOCK_BYTES_MAX 512u // q8_k, the largest, has 292

void collet_cpu_embed_r8_ref(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    const collet_cpu_packing *p = a->packing;
    uint8_t block[BLOCK_BYTES_MAX];
    for (uint32_t r = begin; r < end; r++) {
        const uint32_t row = (uint32_t)a->index[r];
        const uint8_t *record = a->table + row / R8_ROWS * a->table_row;
        float *y = a->y + r * a->y_row;
        for (uint32_t i = 0; i < a->n; i += p->block_elems, record += p->record_bytes) {
            a->unpack(block, record, row % R8_ROWS);
            a->decode(block, y + i, p->block_elems);
        }
        for (uint32_t i = 0; i < a->n; i++)
            y[i] *= a->scale;
    }
}
