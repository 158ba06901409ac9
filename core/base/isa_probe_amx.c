// SPDX-License-Identifier: Apache-2.0
// core/base/isa_probe_amx.c - AMX int8 and bf16: a 16x64 by 64x16 product of bytes, checked in full.
//
// gcc 12's _tile_loadconfig tells the optimiser that it reads 8 of the 64 bytes, so stores to the rest are deleted and
// the first tile instruction faults, with every feature bit right. The barrier before it keeps the stores.
#include "core/base/isa_probe.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t n_col_bytes[16];
    uint8_t n_rows[16];
} tile_config;
_Static_assert(sizeof(tile_config) == 64, "LDTILECFG reads 64 bytes");

int collet_isa_probe_amx(void)
{
    tile_config config = { .palette = 1 };
    for (int t = 0; t < 3; t++) {
        config.n_rows[t] = 16;
        config.n_col_bytes[t] = 64;
    }
    static int8_t a[16][64], b[16][64]; // b[k / 4][4 n + k % 4]: four values of k side by side
    static int32_t c[16][16];
    for (int m = 0; m < 16; m++)
        for (int k = 0; k < 64; k++) {
            a[m][k] = (int8_t)(m - k % 7);
            b[k / 4][4 * m + k % 4] = (int8_t)(k % 5 - m);
        }
    __asm__ volatile("" : : "r"(&config) : "memory");
    _tile_loadconfig(&config);
    _tile_zero(0);
    _tile_loadd(1, a, 64);
    _tile_loadd(2, b, 64);
    _tile_dpbssd(0, 1, 2);
    _tile_stored(0, c, 64);
    _tile_release();
    for (int m = 0; m < 16; m++)
        for (int n = 0; n < 16; n++) {
            int want = 0;
            for (int k = 0; k < 64; k++)
                want += a[m][k] * b[k / 4][4 * n + k % 4];
            if (c[m][n] != want)
                return 0;
        }
    return 1;
}
#else
int collet_isa_probe_amx(void)
{
    return 0;
}
#endif
