// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/tiles_amx.h - panels times many tokens on AMX tiles of bf16.
//
// TDPBF16PS adds a 16x32 tile of activations times a 32x16 tile of weights to 16x16 sums in f32. Weights are decoded to
// bf16 on the way, scale and minimum applied, 32 rows by TILE_COLUMNS at a time: a buffer in the first-level cache,
// which then meets all tokens. So sums run over whole rows and are never rescaled, and the decoder costs as much as
// some hundred tokens. Two by two tiles of sums in registers: four loads for four products. Sums of up to
// TILES_PANELS panels wait in a second buffer, so that the activations of TILE_COLUMNS columns stay in the second-level
// cache while those panels pass.
//
// A format's file calls tiles_run with its decoder and constants, so that the compiler makes a loop of its own for it.
#ifndef COLLET_PLUGINS_CPU_MATMUL_TILES_AMX_H
#define COLLET_PLUGINS_CPU_MATMUL_TILES_AMX_H

#include <immintrin.h>
#include <string.h>

#include "plugins/cpu/matmul/r8_avx2.h"
#include "plugins/cpu/matmul/matmul_r8.h"

#define TILES_INLINE static inline __attribute__((always_inline))

#define TILE_COLUMNS 512u // decoded at a time
#define TILE_ROWS 32u
#define TILE_PANELS (TILE_ROWS / R8_ROWS)
#define TILE_BF16 512u // elements of a tile of bf16: activations [16 tokens][32], weights [16 pairs of columns][16][2]
#define TILE_SUMS 256u // of a tile of f32: [16 tokens][16 rows]
#define TILE_DECODED (TILE_COLUMNS * TILE_ROWS)

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

// Sums of n_tiles (1 or 2) times 16 tokens by 32 rows: sums[token / 16][row / 16].
TILES_INLINE void tiles_multiply(float *sums, const uint16_t *x, uint64_t x_tile, const uint16_t *w, uint32_t n_steps,
                                 const int n_tiles, const int is_first)
{
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
    for (uint32_t s = 0; s < n_steps; s++, x += TILE_BF16, w += 2 * TILE_BF16) {
        _tile_loadd(6, w, 64);
        _tile_loadd(4, x, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, w + TILE_BF16, 64);
        _tile_dpbf16ps(1, 4, 7);
        if (n_tiles == 2) {
            _tile_loadd(5, x + x_tile, 64);
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

// Panels [panel, panel_end), at most COLLET_CPU_TILES_PANELS, for n_tokens, at most COLLET_CPU_TILES_TOKENS.
TILES_INLINE void tiles_part(const collet_cpu_matmul_args *a, uint32_t panel, uint32_t panel_end, uint32_t token,
                             uint32_t n_tokens, tiles_fill_fn *fill, const r8_format f)
{
    const uint32_t n_steps = (a->n_in + 31) / 32, n_tiles = (n_tokens + 15) / 16;
    const uint64_t x_tile = (uint64_t)n_steps * TILE_BF16;
    uint16_t *decoded = (uint16_t *)(void *)a->scratch;
    for (uint32_t step = 0; step < n_steps; step += TILE_COLUMNS / 32) {
        const uint32_t n = n_steps - step < TILE_COLUMNS / 32 ? n_steps - step : TILE_COLUMNS / 32;
        float *sums = (float *)(void *)(decoded + TILE_DECODED);
        for (uint32_t p = panel; p < panel_end; p += TILE_PANELS) {
            fill(decoded, a, p, step * 32, n, f);
            for (uint32_t t = 0; t < n_tiles; t += 2, sums += 4 * TILE_SUMS) {
                const uint16_t *x = a->tiles + (token / 16 + t) * x_tile + (uint64_t)step * TILE_BF16;
                if (n_tiles - t >= 2)
                    tiles_multiply(sums, x, x_tile, decoded, n, 2, step == 0);
                else
                    tiles_multiply(sums, x, x_tile, decoded, n, 1, step == 0);
                if (step + n == n_steps)
                    tiles_write(a, sums, p * R8_ROWS, token + 16 * t, n_tokens - 16 * t < 32 ? n_tokens - 16 * t : 32);
            }
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
                       token_end - t < COLLET_CPU_TILES_TOKENS ? token_end - t : COLLET_CPU_TILES_TOKENS, fill, f);
    _tile_release(); // without tiles in use a context switch has 8 KiB less to save
}

// { low[0], high[0], low[1], high[1], ... } in bf16: two columns of sixteen rows.
TILES_INLINE __m512i tiles_pairs(__m512 low, __m512 high)
{
    static const uint16_t order[32] = { 0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31 };
    return _mm512_permutexvar_epi16(_mm512_loadu_si512(order), (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

#endif
