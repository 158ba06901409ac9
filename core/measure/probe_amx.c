// SPDX-License-Identifier: Apache-2.0
// core/measure/probe_amx.c - tile products from tiles alone: four accumulators, two by two operands, as a GEMM has
// them.
//
// The process has permission for tiles already: core/base/isa.c asked for it before it offered the level.
#include "core/measure/probe_isa.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t n_col_bytes[16];
    uint8_t n_rows[16];
} tile_config;

// gcc 12 thinks that loading a configuration reads 8 of its 64 bytes: the barrier keeps the stores to the others.
static void configure(void)
{
    tile_config config = { .palette = 1 };
    static const uint8_t zeros[16 * 64];
    for (int t = 0; t < 8; t++) {
        config.n_rows[t] = 16;
        config.n_col_bytes[t] = 64;
    }
    __asm__ volatile("" : : "r"(&config) : "memory");
    _tile_loadconfig(&config);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(4, zeros, 64);
    _tile_loadd(5, zeros, 64);
    _tile_loadd(6, zeros, 64);
    _tile_loadd(7, zeros, 64);
}

double collet_probe_tile_bf16_amx(uint64_t rounds)
{
    configure();
    for (uint64_t r = 0; r < rounds; r++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_release();
    return (double)rounds * 4 * 16 * 16 * 32 * 2;
}

double collet_probe_tile_int8_amx(uint64_t rounds)
{
    configure();
    for (uint64_t r = 0; r < rounds; r++) {
        _tile_dpbusd(0, 4, 6);
        _tile_dpbusd(1, 4, 7);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
    }
    _tile_release();
    return (double)rounds * 4 * 16 * 16 * 64 * 2;
}
#else
double collet_probe_tile_bf16_amx(uint64_t rounds)
{
    return 0.0 * (double)rounds;
}

double collet_probe_tile_int8_amx(uint64_t rounds)
{
    return 0.0 * (double)rounds;
}
#endif
