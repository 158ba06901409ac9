// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/tiles_amx.h - panels times many tokens on AMX tiles of bf16.
//
// TDPBF16PS adds a 16x32 tile of activations times a 32x16 tile of weights to 16x16 sums in f32. Weights are decoded to
// bf16 on the way, scale and minimum applied, 32 rows by COLLET_CPU_TILES_COLUMNS at a time: 16 KiB in the first-level
// cache, which then meet all tokens. So sums run over whole rows and are never rescaled, and the decoder costs as much
// as some fifty tokens. Two by two tiles of sums in registers: four loads for four products. Sums of up to
// COLLET_CPU_TILES_PANELS panels wait in a second buffer, so that the activations of those columns stay in the
// second-level cache while the panels pass.
//
// Measured: docs/PERFORMANCE.md. A host at its limit of power runs tiles two to three times slower, whoever uses them:
//           compare within a minute.
// Tried:    128, 512 and 1024 columns at a time, operands loaded right after their last use, prefetching activations:
//           no better. Decoding the next panel between the products of this one: no better from 256 tokens on.
//
// A format's file calls tiles_run with its decoder and constants, so that the compiler makes a loop of its own for it.
#ifndef COLLET_PLUGINS_CPU_MATMUL_TILES_AMX_H
#define COLLET_PLUGINS_CPU_MATMUL_TILES_AMX_H

#include <immintrin.h>
#include <string.h>

#include "plugins/cpu/matmul/r8_avx2.h"
#include "plugins/cpu/matmul/matmul_r8.h"

#define TILES_INLINE static inline __attribute__((always_inline))

#define TILE_ROWS 32u
#define TILE_PANELS (TILE_ROWS / R8_ROWS)
#define TILE_BF16 512u // elements of a tile of bf16: activations [16 tokens][32], weights [16 pairs of columns][16][2]
#define TILE_SUMS 256u // of a tile of f32: [16 tokens][16 rows]
#define TILE_DECODED (COLLET_CPU_TILES_COLUMNS * TILE_ROWS)

// Decodes n_steps times 32 columns of TILE_ROWS rows, from row 8 * panel on: out[step][row / 16] is a tile. Rows from
// n_out on may be anything; columns from n_in on are zero.
typedef void tiles_fill_fn(uint16_t *out, const collet_cpu_matmul_args *a, uint32_t panel, uint32_t column,
                           uint32_t n_steps, const r8_format f);

typedef struct tiles_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t n_col_bytes[16];
    uint8_t n_rows[16];
} tiles_config;
_Static_assert(sizeof(tiles_config) == 64, "LDTILECFG reads 64 bytes");

TILES_INLINE void tiles_configure(void)
{
    tiles_config config = { .palette = 1 };
    for (int t = 0; t < 8; t++) {
        config.n_rows[t] = 16;
        config.n_col_bytes[t] = 64;
    }
    __asm__ volatile("" : : "r"(&config) : "memory"); // gcc 12 believes that 8 of the 64 bytes are read
    _tile_loadconfig(&config);
}

// Up to 32 tokens: 32 columns of both tiles of activations, then the next 32 columns.
typedef struct tiles_tokens {
    const uint16_t *x;
    const float *y; // where their sums will be written soon; NULL: not after these columns
    uint64_t y_stride;
    uint32_t n;
} tiles_tokens;

// Rows of y are far apart and in nobody's cache: four of them are asked for at each step.
TILES_INLINE void tiles_expect(const tiles_tokens *t, uint32_t step)
{
    for (uint32_t i = 4 * step; t->y && i < 4 * step + 4 && i < t->n; i++) {
        __builtin_prefetch(t->y + i * t->y_stride, 1);
        __builtin_prefetch(t->y + i * t->y_stride + 16, 1);
    }
}

// Sums of n_tiles (1 or 2) times 16 tokens by 32 rows: sums[token / 16][row / 16]. All operands are loaded before the
// products: 5 to 10 % faster than in turn with them on a processor at its limit of power, and the same on others.
TILES_INLINE void tiles_multiply(float *sums, const tiles_tokens *t, const uint16_t *w, uint32_t n_steps,
                                 const int n_tiles, const int is_first)
{
    const uint16_t *x = t->x;
    if (is_first) {
        _tile_zero(0);
        _tile_zero(1);
        if (n_tiles == 2) {
            _tile_zero(2);
            _tile_zero(3);
        }
    } else {
        _tile_loadd(0, sums, 64);
        _tile_loadd(1, sums + TILE_SUMS, 64);
        if (n_tiles == 2) {
            _tile_loadd(2, sums + 2 * TILE_SUMS, 64);
            _tile_loadd(3, sums + 3 * TILE_SUMS, 64);
        }
    }
    for (uint32_t s = 0; s < n_steps; s++, x += n_tiles * TILE_BF16, w += 2 * TILE_BF16) {
        tiles_expect(t, s);
        _tile_loadd(6, w, 64);
        _tile_loadd(4, x, 64);
        _tile_loadd(7, w + TILE_BF16, 64);
        if (n_tiles == 2)
            _tile_loadd(5, x + TILE_BF16, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        if (n_tiles == 2) {
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_stored(0, sums, 64);
    _tile_stored(1, sums + TILE_SUMS, 64);
    if (n_tiles == 2) {
        _tile_stored(2, sums + 2 * TILE_SUMS, 64);
        _tile_stored(3, sums + 3 * TILE_SUMS, 64);
    }
}

// Finished sums of 32 rows and up to 32 tokens.
TILES_INLINE void tiles_write(const collet_cpu_matmul_args *a, const float *sums, uint32_t row, uint32_t token,
                              uint32_t n_tokens)
{
    const uint32_t left = a->n_out - row, n_rows = left < TILE_ROWS ? left : TILE_ROWS;
    for (uint32_t t = 0; t < n_tokens; t++) {
        const float *tile = sums + t / 16 * 2 * TILE_SUMS + t % 16 * 16;
        float *y = a->y + (token + t) * a->y_stride + row;
        if (n_rows == TILE_ROWS) {
            _mm512_storeu_ps(y, _mm512_loadu_ps(tile));
            _mm512_storeu_ps(y + 16, _mm512_loadu_ps(tile + TILE_SUMS));
        } else {
            memcpy(y, tile, (n_rows < 16 ? n_rows : 16) * sizeof *y);
            if (n_rows > 16)
                memcpy(y + 16, tile + TILE_SUMS, (n_rows - 16) * sizeof *y);
        }
    }
}

// 32 rows from row 8 * panel on, n_steps times 32 columns, decoded to w.
TILES_INLINE void tiles_panel(const collet_cpu_matmul_args *a, float *sums, const uint16_t *w, uint32_t panel,
                              uint32_t column, uint32_t n_steps, uint32_t token, uint32_t token_end)
{
    const int is_first = column == 0, is_last = column + 32 * n_steps >= a->n_in;
    for (uint32_t t = token; t < token_end; t += 32, sums += 4 * TILE_SUMS) {
        const uint32_t n = token_end - t < 32 ? token_end - t : 32;
        const tiles_tokens tokens = { .x = a->tiles + collet_cpu_tiles_at(a->n_tokens, a->n_in, t, column),
                                      .y = is_last ? a->y + t * a->y_stride + panel * R8_ROWS : NULL,
                                      .y_stride = a->y_stride,
                                      .n = n };
        if (n > 16)
            tiles_multiply(sums, &tokens, w, n_steps, 2, is_first);
        else
            tiles_multiply(sums, &tokens, w, n_steps, 1, is_first);
        if (is_last)
            tiles_write(a, sums, panel * R8_ROWS, t, n);
    }
}

// Panels [panel, panel_end), at most COLLET_CPU_TILES_PANELS; tokens, at most COLLET_CPU_TILES_TOKENS.
TILES_INLINE void tiles_part(const collet_cpu_matmul_args *a, uint32_t panel, uint32_t panel_end, uint32_t token,
                             uint32_t token_end, tiles_fill_fn *fill, const r8_format f)
{
    uint16_t *decoded = (uint16_t *)(void *)a->scratch;
    const uint32_t pairs = (token_end - token + 31) / 32;
    for (uint32_t column = 0; column < a->n_in; column += COLLET_CPU_TILES_COLUMNS) {
        const uint32_t n_steps = collet_cpu_tiles_steps(a->n_in, column);
        float *sums = (float *)(void *)(decoded + TILE_DECODED);
        for (uint32_t p = panel; p < panel_end; p += TILE_PANELS, sums += (size_t)pairs * 4 * TILE_SUMS) {
            fill(decoded, a, p, column, n_steps, f);
            tiles_panel(a, sums, decoded, p, column, n_steps, token, token_end);
        }
    }
}

TILES_INLINE void tiles_run(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                            uint32_t token_begin, uint32_t token_end, tiles_fill_fn *fill, const r8_format f)
{
    tiles_configure();
    for (uint32_t p = panel_begin; p < panel_end; p += COLLET_CPU_TILES_PANELS)
        for (uint32_t t = token_begin; t < token_end; t += COLLET_CPU_TILES_TOKENS)
            tiles_part(a, p, panel_end - p < COLLET_CPU_TILES_PANELS ? panel_end : p + COLLET_CPU_TILES_PANELS, t,
                       token_end - t < COLLET_CPU_TILES_TOKENS ? token_end : t + COLLET_CPU_TILES_TOKENS, fill, f);
    _tile_release(); // without tiles in use a context switch has 8 KiB less to save
}

#endif
