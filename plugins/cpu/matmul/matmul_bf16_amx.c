// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_bf16_amx.c - bf16 rows as they are, pairs of columns transposed to tiles.
#include "plugins/cpu/matmul/tiles_amx.h"

// out[pair of columns][row] = rows[row][pair of columns], 16 by 16.
TILES_INLINE void transpose(uint16_t *out, const uint8_t *const rows[16], __mmask32 columns)
{
    __m512i a[16], b[16];
    for (int r = 0; r < 16; r++)
        a[r] = _mm512_maskz_loadu_epi16(columns, rows[r]);
    for (int r = 0; r < 16; r += 2) { // pairs of rows, then fours: within lanes of four columns
        b[r] = _mm512_unpacklo_epi32(a[r], a[r + 1]);
        b[r + 1] = _mm512_unpackhi_epi32(a[r], a[r + 1]);
    }
    for (int r = 0; r < 16; r += 4)
        for (int i = 0; i < 2; i++) {
            a[r + 2 * i] = _mm512_unpacklo_epi64(b[r + i], b[r + i + 2]);
            a[r + 2 * i + 1] = _mm512_unpackhi_epi64(b[r + i], b[r + i + 2]);
        }
    // a[4 q + i], lane k: column 4 k + i of rows 4 q to 4 q + 3
    for (int i = 0; i < 4; i++) {
        const __m512i low01 = _mm512_shuffle_i32x4(a[i], a[4 + i], 0x44);
        const __m512i low23 = _mm512_shuffle_i32x4(a[i], a[4 + i], 0xee);
        const __m512i high01 = _mm512_shuffle_i32x4(a[8 + i], a[12 + i], 0x44);
        const __m512i high23 = _mm512_shuffle_i32x4(a[8 + i], a[12 + i], 0xee);
        _mm512_storeu_si512(out + i * 32, _mm512_shuffle_i32x4(low01, high01, 0x88));
        _mm512_storeu_si512(out + (4 + i) * 32, _mm512_shuffle_i32x4(low01, high01, 0xdd));
        _mm512_storeu_si512(out + (8 + i) * 32, _mm512_shuffle_i32x4(low23, high23, 0x88));
        _mm512_storeu_si512(out + (12 + i) * 32, _mm512_shuffle_i32x4(low23, high23, 0xdd));
    }
}

// Rows behind the last one are read as the last one again.
TILES_INLINE void fill(uint16_t *out, const collet_cpu_matmul_args *a, uint32_t panel, uint32_t column,
                       uint32_t n_steps, const r8_format f)
{
    (void)f;
    for (uint32_t half = 0; half < 2; half++) {
        const uint8_t *rows[16];
        for (uint32_t r = 0; r < 16; r++) {
            const uint32_t row = panel * R8_ROWS + 16 * half + r;
            rows[r] = a->w + (row < a->n_out ? row : a->n_out - 1) * a->panel_bytes + 2 * (uint64_t)column;
        }
        for (uint32_t s = 0; s < n_steps; s++) {
            const uint32_t left = a->n_in - column - 32 * s;
            transpose(out + (2 * s + half) * TILE_BF16, rows, left < 32 ? (1u << left) - 1 : UINT32_MAX);
            for (uint32_t r = 0; r < 16; r++) {
                _mm_prefetch((const char *)rows[r] + TILE_ROWS * a->panel_bytes, _MM_HINT_T1); // the next 32 rows
                rows[r] += 64;
            }
        }
    }
}

void collet_cpu_matmul_bf16_amx(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                                uint32_t token_begin, uint32_t token_end)
{
    tiles_run(a, panel_begin, panel_end, token_begin, token_end, fill, (r8_format){ 0 });
}
