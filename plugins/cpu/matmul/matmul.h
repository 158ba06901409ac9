// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul.h - what every matmul kernel of this plugin promises, and the table they stand in.
//
// Block formats are packed into panels of eight rows ("<format>.r8"): a vector register holds eight rows by four
// consecutive columns, so that a broadcast of four activations meets all eight rows and no sum ever crosses lanes. The
// bits stay packed: a panel of a 32-element format has the size of its eight rows. Layout of a record: matmul_pack.c.
//
// Activations are quantized once per call to 8 bits with an f32 scale per 32 (docs/NUMERICS.md): q in [-127, 127].
#ifndef COLLET_PLUGINS_CPU_MATMUL_MATMUL_H
#define COLLET_PLUGINS_CPU_MATMUL_MATMUL_H

#include <stddef.h>
#include <stdint.h>

#include "collet/plugin/matmul.h"

#define R8_ROWS 8

#define LEVEL(level, isa, word, score, act, act_fine, tiles, pack_x, text) \
    extern const collet_module collet_cpu_matmul_##level;
#include "plugins/cpu/matmul/matmul_levels.inc"
#undef LEVEL

// 32 activations of one token. A block with NaN or infinity has d = NaN, which reaches every y of the row.
typedef struct collet_cpu_act {
    int8_t q[32];
    float d, s, half[2]; // d times the sum of q: of all 32, of the first and the second 16
} collet_cpu_act;

// Tokens are put together by eight, the last ones as many as there are: block 0 of each of them, then block 1 of each,
// ... so that a kernel reaches them all with one pointer and unpacks weights once. How many, when n_left remain:
static inline uint32_t collet_cpu_act_together(uint32_t n_left)
{
    return n_left < 8 ? n_left : 8;
}

// act[step * b] = block b of x, where step tokens are together.
typedef void collet_cpu_quantize_act_fn(collet_cpu_act *act, uint32_t step, const float *x, uint32_t n_in);
collet_cpu_quantize_act_fn collet_cpu_quantize_act_avx2, collet_cpu_quantize_act_neon;

// The same in two planes: act[step * b] as above, act[step * b + 1] what it left over.
collet_cpu_quantize_act_fn collet_cpu_quantize_act_fine_avx2, collet_cpu_quantize_act_fine_neon;

// Activations for calls of many tokens on dense weights, one group of matmul_dense.h: out[l][j][token] from n_tokens
// (at most 6) rows of n_columns (at most 512).
typedef void collet_cpu_dense_pack_fn(float *out, const float *x, uint64_t x_stride, uint32_t n_tokens,
                                      uint32_t n_columns);
collet_cpu_dense_pack_fn collet_cpu_dense_pack_avx2;

// ---- AMX: activations in bf16 ----
//
// tiles[columns / COLLET_CPU_TILES_COLUMNS][tokens / 32][step of 32 columns][tile of 16 tokens][16 tokens][32 columns],
// zero for tokens and columns behind the last ones. The last 1 to 16 tokens may be one tile instead of two, the last
// columns less than COLLET_CPU_TILES_COLUMNS. So what a kernel reads at a time is one sequential stream. (Whole rows of
// tiles one after the other are a power of two apart for most models: the activations of some columns then compete for
// an eighth of the second-level cache, which took a third of the speed.)
#define COLLET_CPU_TILES_COLUMNS 256u

// Steps of 32 columns from `column` on, which begins a group of COLLET_CPU_TILES_COLUMNS.
static inline uint32_t collet_cpu_tiles_steps(uint32_t n_in, uint32_t column)
{
    return (n_in - column < COLLET_CPU_TILES_COLUMNS ? n_in - column + 31 : COLLET_CPU_TILES_COLUMNS) / 32;
}

// Where the tiles of tokens from `token` on (a multiple of 32) and columns from `column` on begin.
static inline uint64_t collet_cpu_tiles_at(uint32_t n_tokens, uint32_t n_in, uint32_t token, uint32_t column)
{
    const uint64_t tiles = ((uint64_t)n_tokens + 15) / 16, before = column / 32 * tiles;
    return (before + token / 16 * collet_cpu_tiles_steps(n_in, column)) * 16 * 32;
}

// All the elements.
static inline uint64_t collet_cpu_tiles_elems(uint32_t n_tokens, uint32_t n_in)
{
    return ((uint64_t)n_tokens + 15) / 16 * (((uint64_t)n_in + 31) / 32) * 16 * 32;
}

#define COLLET_CPU_TILES_PANELS 64u  // whose sums the scratch of a worker holds
#define COLLET_CPU_TILES_TOKENS 512u // and for how many tokens at most

// Bytes of that scratch for calls of n_tokens: decoded columns of 32 rows, then the sums.
static inline uint64_t collet_cpu_tiles_scratch_bytes(uint32_t n_tokens)
{
    const uint64_t n = n_tokens < COLLET_CPU_TILES_TOKENS ? (n_tokens + 31) / 32 * 32 : COLLET_CPU_TILES_TOKENS;
    return COLLET_CPU_TILES_COLUMNS * 32 * sizeof(uint16_t) + n * COLLET_CPU_TILES_PANELS * R8_ROWS * sizeof(float);
}

// y[t][o] for rows of panels [panel_begin, panel_end) and tokens [token_begin, token_end).
// Shapes:  token_begin begins a group of eight (AMX: 32), token_end ends one or is the number of tokens
// Memory:  y overlaps nothing; nothing is aligned; reading ahead of w is by prefetch only
// Threads: [worker] concurrent calls have disjoint panels or tokens
typedef struct collet_cpu_matmul_args {
    const uint8_t *w;     // packed panels, or canonical rows for f32, f16, bf16
    uint64_t panel_bytes; // of a panel; of a row for canonical weights
    uint32_t n_in, n_out;
    const collet_cpu_act *act; // token t that begins a group: at t * n_in / 32; NULL for canonical weights and AMX
    const uint16_t *tiles;     // AMX only, as are n_tokens (of the whole call) and
    uint32_t n_tokens;
    uint8_t *scratch;                            // the worker's, at a multiple of 64
    const float *x;                              // canonical weights read f32 activations, but for AMX
    uint64_t x_stride, y_stride;                 // floats
    const float *packed_x;                       // canonical weights, many tokens: x as matmul_dense.h says, of columns
    uint32_t n_groups, column_begin, column_end; // [column_begin, column_end) and n_groups groups of tokens; else NULL
    float *y;
} collet_cpu_matmul_args;

// Converts a->x to tiles: tokens [token, token + 32) and columns [column, column + COLLET_CPU_TILES_COLUMNS), as far as
// there are; both begin such a group.
typedef void collet_cpu_bf16_tiles_fn(uint16_t *tiles, const collet_cpu_matmul_args *a, uint32_t token,
                                      uint32_t column);
collet_cpu_bf16_tiles_fn collet_cpu_bf16_tiles_amx;

typedef void collet_cpu_matmul_fn(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                                  uint32_t token_begin, uint32_t token_end);

typedef struct collet_cpu_matmul_kernel {
    const char *format;
    uint32_t isa;
    const char *name;
    collet_cpu_matmul_fn *run;
} collet_cpu_matmul_kernel;

#define KERNEL(format, isa, function) collet_cpu_matmul_fn function;
#include "plugins/cpu/matmul/matmul_kernels.inc"
#undef KERNEL
extern const collet_cpu_matmul_kernel collet_cpu_matmul_kernels[];
extern const size_t collet_cpu_n_matmul_kernels;

// The last line of the format that isa_mask can run; NULL: none.
const collet_cpu_matmul_kernel *collet_cpu_matmul_choose(const char *format, uint32_t isa_mask);

// A level of this machine's processor (matmul_levels.inc), lowest first; the lowest has a kernel for every format.
typedef struct collet_cpu_matmul_level {
    uint32_t isa;
    const char *word;                            // in messages
    collet_cpu_quantize_act_fn *quantize_act[2]; // to one plane, to two
    collet_cpu_bf16_tiles_fn *bf16_tiles;        // NULL: no kernels on tiles
    collet_cpu_dense_pack_fn *dense_pack;        // NULL: dense kernels read activations as they are
    const collet_module *module;
} collet_cpu_matmul_level;
extern const collet_cpu_matmul_level collet_cpu_matmul_levels[];
extern const size_t collet_cpu_n_matmul_levels;

// The level of one ISA bit, of which there must be a line.
const collet_cpu_matmul_level *collet_cpu_matmul_level_of(uint32_t isa);

// How a format is packed: NULL for formats that are read as they are (f32, f16, bf16) and for unknown ones.
typedef struct collet_cpu_packing {
    const char *format, *layout;
    uint32_t block_elems, block_bytes;   // canonical
    uint32_t record_elems, record_bytes; // packed: columns and bytes of a record of eight rows
    void (*pack)(uint8_t *record, const uint8_t *const rows[R8_ROWS]); // one block of each row; NULL rows are padding
} collet_cpu_packing;
const collet_cpu_packing *collet_cpu_packing_find(const char *format);

// The canonical block of row `row` (< R8_ROWS) of a record, for those who read single rows (embed); NULL as above.
typedef void collet_cpu_unpack_fn(void *block, const uint8_t *record, uint32_t row);
collet_cpu_unpack_fn *collet_cpu_unpack_find(const char *format);

// How many tokens one walk over the panels takes, so that their activations stay in the second-level cache meanwhile.
// packing: NULL for weights that are read as they are.
uint32_t collet_cpu_matmul_token_block(const collet_cpu_packing *packing, uint32_t n_in);

#endif
