// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/tiles_r8_amx.h - panels of block formats to tiles of bf16.
//
// Two panels are a register of sixteen rows by four columns. A code becomes a float without a conversion: it is put
// into the mantissa of a power of two, which the FMA that applies the scale takes away again.
//
// Floats become bf16 by cutting off 16 bits, which takes half a unit of the last place on average; scales are TILES_UP
// larger, which gives it back. A weight is then off by 1.3 * 2^-8 of itself at most (1 * 2^-8 with rounding), and by
// nothing in the mean; what bf16 holds exactly stays as it is. It saves a quarter of the operations.
#ifndef COLLET_PLUGINS_CPU_MATMUL_TILES_R8_AMX_H
#define COLLET_PLUGINS_CPU_MATMUL_TILES_R8_AMX_H

#include "plugins/cpu/matmul/tiles_amx.h"

TILES_INLINE __m512 tiles_join(__m256 a, __m256 b)
{
    return _mm512_insertf32x8(_mm512_castps256_ps512(a), b, 1);
}

TILES_INLINE __m512 tiles_bytes(__m128i v, int is_signed)
{
    return _mm512_cvtepi32_ps(is_signed ? _mm512_cvtepi8_epi32(v) : _mm512_cvtepu8_epi32(v));
}

// Half of 2^-7, over the mean of 1 / m for mantissas m from 1 to 2.
#define TILES_UP 1.0028f

// A scale with 15 significant bits: its multiples that stand for the power of two and the offset of a code are exact,
// so that a weight of zero is zero.
TILES_INLINE __m512 tiles_scale(__m512 d)
{
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(d), _mm512_set1_epi32(-512)));
}

// { low[0], high[0], low[1], high[1], ... } in bf16: two columns of sixteen rows.
TILES_INLINE __m512i tiles_pairs(__m512 low, __m512 high)
{
    const __m512i first = _mm512_srli_epi32(_mm512_castps_si512(low), 16);
    const __m512i upper = _mm512_set1_epi32((int)0xffff0000);
    return _mm512_ternarylogic_epi32(_mm512_castps_si512(high), upper, first, 0xea); // high & upper | first
}

// Four columns of sixteen rows, from the bits of `mask`, and where they go: two rows of a tile.
TILES_INLINE void tiles_columns(uint16_t *out, const __m512i there[4], int mask, float power, __m512 d, __m512 offset)
{
    const __m512i magic = _mm512_castps_si512(_mm512_set1_ps(power));
    __m512 v[4];
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        const __m512i bits = _mm512_ternarylogic_epi32(there[c], _mm512_set1_epi32(mask), magic, 0xea);
        v[c] = _mm512_fmadd_ps(_mm512_castsi512_ps(bits), d, offset);
    }
    _mm512_storeu_si512(out, tiles_pairs(v[0], v[1]));
    _mm512_storeu_si512(out + 32, tiles_pairs(v[2], v[3]));
}

TILES_INLINE __m512i tiles_join_bits(__m256i a, __m256i b)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
}

// Nibbles stay where they are in their byte: shifts by whole bytes bring the low ones of four columns to bit 16, where
// they add to 128, and the high ones to bit 12, where they add to 2048.
TILES_INLINE void tiles_nibbles(uint16_t *out, const uint8_t *const codes[2], __m512 d, __m512 m)
{
    const __m512 offset = _mm512_fnmadd_ps(_mm512_set1_ps(128.0f), d, m);
    const __m512 high_offset = _mm512_fnmadd_ps(_mm512_set1_ps(2048.0f), d, m);
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        const __m512i w = tiles_join_bits(r8_load(codes[0] + 32 * j), r8_load(codes[1] + 32 * j));
        const __m512i bytes[5] = { _mm512_slli_epi32(w, 16), _mm512_slli_epi32(w, 8), w, _mm512_srli_epi32(w, 8),
                                   _mm512_srli_epi32(w, 16) };
        tiles_columns(out + 2 * j * 32, bytes, 0xf << 16, 128.0f, d, offset);
        tiles_columns(out + 2 * (j + 4) * 32, bytes + 1, 0xf << 12, 2048.0f, d, high_offset);
    }
}

// 32 columns of two panels to a tile. w = d * code + m, by sub-block.
TILES_INLINE void tiles_block(uint16_t *out, const uint8_t *const codes[2], const __m512 d[2], const __m512 m[2],
                              const r8_format f)
{
    if (f.bits == 4) {
        tiles_nibbles(out, codes, d[0], m[0]);
        return;
    }
    // Seven bits at most: 128 + code in bits 16 to 22; else 256 + code from bit 15 on, signed codes 128 larger.
    const int at = f.bits ? 16 : 15;
    __m512 offset[2];
    for (int h = 0; h < f.n_sub; h++)
        offset[h] = _mm512_fnmadd_ps(_mm512_set1_ps(f.bits ? 128.0f : 256.0f + 128.0f), d[h], m[h]);
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) {
        const int h = f.n_sub == 2 ? g / 4 : 0;
        __m512i w = tiles_join_bits(f.codes(codes[0], g), f.codes(codes[1], g)), there[4];
        if (!f.bits)
            w = _mm512_xor_si512(w, _mm512_set1_epi8((char)0x80));
#pragma GCC unroll 4
        for (int c = 0; c < 4; c++)
            there[c] = 8 * c <= at ? _mm512_slli_epi32(w, (unsigned)(8 * c <= at ? at - 8 * c : 0))
                                   : _mm512_srli_epi32(w, (unsigned)(8 * c > at ? 8 * c - at : 0));
        tiles_columns(out + 2 * g * 32, there, f.bits ? 0x7f << 16 : 0xff << 15, f.bits ? 128.0f : 256.0f, d[h],
                      offset[h]);
    }
}

TILES_INLINE void tiles_prefetch(const uint8_t *const p[2], uint64_t ahead, uint32_t n_bytes)
{
    for (uint32_t i = 0; i < n_bytes; i += 64)
        for (int k = 0; k < 2; k++)
            _mm_prefetch((const char *)p[k] + ahead + i, _MM_HINT_T1);
}

// Records of 32 columns. out[step] of two panels are two tiles apart.
TILES_INLINE void tiles_blocks(uint16_t *out, const uint8_t *p[2], uint64_t ahead, uint32_t n_steps, const r8_format f)
{
    const uint32_t head = r8_d_bytes(f) + (f.m == R8_M_STORED ? 16 : 0), record = head + f.code_bytes;
    for (uint32_t s = 0; s < n_steps; s++, out += 2 * TILE_BF16) {
        const uint8_t *const codes[2] = { p[0] + head, p[1] + head };
        const __m512 up = _mm512_set1_ps(TILES_UP);
        const __m512 d[2] = { tiles_scale(_mm512_mul_ps(up, tiles_join(r8_d(p[0], f), r8_d(p[1], f)))) };
        const __m512 m[2] = {
            f.m == R8_M_STORED ? _mm512_mul_ps(up, tiles_join(r8_halves(p[0] + 16), r8_halves(p[1] + 16)))
                               : _mm512_mul_ps(d[0], _mm512_set1_ps(-(float)f.offset))
        };
        tiles_prefetch(p, ahead, record);
        tiles_block(out, codes, d, m, f);
        p[0] += record;
        p[1] += record;
    }
}

// Records of 256 columns; n_steps is a multiple of eight.
TILES_INLINE void tiles_supers(uint16_t *out, const uint8_t *p[2], uint64_t ahead, uint32_t n_steps, const r8_format f)
{
    const uint32_t head = f.m == R8_M_STORED ? 32 : 16, scales = (uint32_t)f.n_sub * 8;
    const uint32_t sub_head = f.m == R8_M_STORED && !f.nibble_scales ? 2 * scales : scales;
    const uint32_t sub = sub_head + f.code_bytes;
    for (uint32_t k = 0; k < n_steps / 8; k++) {
        const __m512 all = _mm512_mul_ps(_mm512_set1_ps(TILES_UP), tiles_join(r8_halves(p[0]), r8_halves(p[1])));
        const __m512 minus = _mm512_set1_ps(-TILES_UP);
        const __m512 all_m =
            f.m == R8_M_STORED ? _mm512_mul_ps(minus, tiles_join(r8_halves(p[0] + 16), r8_halves(p[1] + 16))) : minus;
        p[0] += head;
        p[1] += head;
        for (int b = 0; b < 8; b++, out += 2 * TILE_BF16) {
            const uint8_t *const codes[2] = { p[0] + sub_head, p[1] + sub_head };
            __m512 d[2], m[2];
            for (int h = 0; h < f.n_sub; h++) {
                __m128i scale = _mm_unpacklo_epi64(r8_eight(p[0] + 8 * h), r8_eight(p[1] + 8 * h)), min = scale;
                if (f.nibble_scales) {
                    scale = _mm_and_si128(min, _mm_set1_epi8(15));
                    min = _mm_and_si128(_mm_srli_epi16(min, 4), _mm_set1_epi8(15));
                } else if (f.m == R8_M_STORED) {
                    min = _mm_unpacklo_epi64(r8_eight(p[0] + 8 * h + scales), r8_eight(p[1] + 8 * h + scales));
                }
                d[h] = tiles_scale(_mm512_mul_ps(all, tiles_bytes(scale, f.signed_scales)));
                m[h] = f.m == R8_M_STORED ? _mm512_mul_ps(all_m, tiles_bytes(min, 0))
                                          : _mm512_mul_ps(d[h], _mm512_set1_ps(-(float)f.offset));
            }
            tiles_prefetch(p, ahead, sub);
            tiles_block(out, codes, d, m, f);
            p[0] += sub;
            p[1] += sub;
        }
    }
}

// Panels behind the last one are read as the last one again: their sums are not written.
TILES_INLINE void tiles_fill_r8(uint16_t *out, const collet_cpu_matmul_args *a, uint32_t panel, uint32_t column,
                                uint32_t n_steps, const r8_format f)
{
    const uint32_t last = (a->n_out + R8_ROWS - 1) / R8_ROWS - 1;
    const uint64_t record_columns = f.is_super ? 256 : 32;
    const uint64_t at = a->panel_bytes / (a->n_in / record_columns) * (column / record_columns);
    for (uint32_t pair = 0; pair < 2; pair++) {
        const uint32_t first = panel + 2 * pair, second = first + 1;
        const uint8_t *p[2] = { a->w + (first < last ? first : last) * a->panel_bytes + at,
                                a->w + (second < last ? second : last) * a->panel_bytes + at };
        if (f.is_super)
            tiles_supers(out + pair * TILE_BF16, p, TILE_PANELS * a->panel_bytes, n_steps, f);
        else
            tiles_blocks(out + pair * TILE_BF16, p, TILE_PANELS * a->panel_bytes, n_steps, f);
    }
}

TILES_INLINE void tiles_r8_run(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end,
                               uint32_t token_begin, uint32_t token_end, const r8_format f)
{
    tiles_run(a, panel_begin, panel_end, token_begin, token_end, tiles_fill_r8, f);
}

#endif
