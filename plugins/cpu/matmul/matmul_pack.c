// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_pack.c - canonical blocks of eight rows into one record of a panel.
//
// Codes of 32 columns are eight groups of four; a vector of 32 bytes holds one group of eight rows, row by row:
//   byte 4 r + i of group g = code of row r, column 4 g + i
// 8 bits: the eight groups one after the other (256 bytes). 4 bits: vector j has group j in its low nibbles and group
// j + 4 in its high ones (128 bytes). Fifth bits: one vector, bit g of a byte belongs to group g (32 bytes). Two more
// bits (q6_k): vector 0 has those of groups 0..3 at bits 0, 2, 4, 6, vector 1 those of groups 4..7 (64 bytes); q2_k has
// its codes that way, q3_k the lower bits of them. Third bits (q3_k): one vector, group g at bit 4 (g % 4 / 2) +
// 2 (g / 4) + g % 2: four bits part those of g and g + 2, as their lower bits, so that two groups are put together in
// one operation (32 bytes).
//
// format                 record (columns): fields, [8] is one for each row
// q4_0 iq4_nl q8_0 q8_1  (32)  d[8] f16 | codes
// mxfp4                  (32)  e[8] u8, scales 2^(e - 128) | codes in 4 bits
// q4_1                   (32)  d[8] f16 | m[8] f16 | codes
// q5_0 q5_1              (32)  as q4_0, q4_1 | fifth bits
// q4_k q5_k              (256) d[8] f16 | dmin[8] f16 | 8 x { scale[8] u8 | min[8] u8 | codes (| fifth bits) }
// iq4_xs                 (256) d[8] f16 | 8 x { scale[8] i8 | codes in 4 bits }
// q8_k                   (256) 8 x { d[8] f32 | codes }, so eight records of 32 columns with the same d
// q6_k                   (256) d[8] f16 | 8 x { scale[2][8] i8, of 16 columns each | codes | two more bits }
// q3_k                   (256) d[8] f16 | 8 x { scale[2][8] i8 | two lower bits | third bits }
// q2_k                   (256) d[8] f16 | dmin[8] f16 | 8 x { scale, min[2][8] u8 in nibbles | codes in 2 bits }
// Everything is done on words of four codes, one in each byte, and on eight rows at a time, which the compiler turns
// into vectors.
#include <string.h>

#include "plugins/common/blocks.h"
#include "plugins/common/quant_k_scales.h"
#include "plugins/cpu/matmul/matmul.h"

#define EACH(byte) (0x01010101u * (byte)) // the byte in each place of a word

// 32 columns: of[g][r] has the codes of columns 4 g .. 4 g + 3 of row r; padding rows are 0.
typedef struct codes {
    uint32_t of[8][R8_ROWS];
} codes;

static uint32_t word_at(const void *bytes, uint32_t i)
{
    uint32_t w;
    memcpy(&w, (const uint8_t *)bytes + 4 * i, sizeof w);
    return w;
}

static void put_word(uint8_t *out, uint32_t i, uint32_t word)
{
    memcpy(out + 4 * i, &word, sizeof word);
}

static uint8_t *put_nibbles(uint8_t *out, const codes *c)
{
    for (uint32_t j = 0; j < 4; j++)
        for (uint32_t r = 0; r < R8_ROWS; r++)
            put_word(out, 8 * j + r, (c->of[j][r] & EACH(15u)) | (c->of[j + 4][r] & EACH(15u)) << 4);
    return out + 128;
}

static uint8_t *put_bytes(uint8_t *out, const codes *c)
{
    memcpy(out, c->of, 256);
    return out + 256;
}

static uint8_t *put_fifth_bits(uint8_t *out, const codes *c)
{
    uint32_t bits[R8_ROWS] = { 0 };
    for (uint32_t g = 0; g < 8; g++)
        for (uint32_t r = 0; r < R8_ROWS; r++)
            bits[r] |= (c->of[g][r] >> 4 & EACH(1u)) << g;
    memcpy(out, bits, sizeof bits);
    return out + 32;
}

// Two bits of each code, from bit `shift` on.
static uint8_t *put_pairs(uint8_t *out, const codes *c, uint32_t shift)
{
    uint32_t bits[2][R8_ROWS] = { 0 };
    for (uint32_t g = 0; g < 8; g++)
        for (uint32_t r = 0; r < R8_ROWS; r++)
            bits[g / 4][r] |= (c->of[g][r] >> shift & EACH(3u)) << (2 * (g % 4));
    memcpy(out, bits, sizeof bits);
    return out + 64;
}

static uint8_t *put_third_bits(uint8_t *out, const codes *c)
{
    uint32_t bits[R8_ROWS] = { 0 };
    for (uint32_t g = 0; g < 8; g++)
        for (uint32_t r = 0; r < R8_ROWS; r++)
            bits[r] |= (c->of[g][r] >> 2 & EACH(1u)) << (4 * (g % 4 / 2) + 2 * (g / 4) + g % 2);
    memcpy(out, bits, sizeof bits);
    return out + 32;
}

static void put_half(uint8_t *out, uint32_t row, uint16_t half)
{
    memcpy(out + 2 * row, &half, sizeof half);
}

// ---- 32-element formats ----

static void take_nibbles(codes *c, uint32_t row, const uint8_t q[16])
{
    for (uint32_t j = 0; j < 4; j++) {
        c->of[j][row] = word_at(q, j) & EACH(15u);
        c->of[j + 4][row] = word_at(q, j) >> 4 & EACH(15u);
    }
}

// Bit 4 g + i of high[row] becomes bit 4 of byte i of word g: four copies, 7 bits apart, have each bit in its byte.
static void take_fifth_bits(codes *c, const uint32_t high[R8_ROWS])
{
    for (uint32_t g = 0; g < 8; g++)
        for (uint32_t r = 0; r < R8_ROWS; r++) {
            const uint32_t four = high[r] >> (4 * g) & 15;
            c->of[g][r] |= ((four | four << 7 | four << 14 | four << 21) & EACH(1u)) << 4;
        }
}

static void pack_q4_0(uint8_t *record, const uint8_t *const rows[R8_ROWS])
{
    codes c = { 0 };
    memset(record, 0, 16);
    for (uint32_t r = 0; r < R8_ROWS && rows[r]; r++) {
        const collet_q4_0 *b = (const collet_q4_0 *)rows[r]; // iq4_nl has the same bytes
        put_half(record, r, b->d);
        take_nibbles(&c, r, b->q);
    }
    put_nibbles(record + 16, &c);
}

static void pack_q4_1(uint8_t *record, const uint8_t *const rows[R8_ROWS])
{
    codes c = { 0 };
    memset(record, 0, 32);
    for (uint32_t r = 0; r < R8_ROWS && rows[r]; r++) {
        const collet_q4_1 *b = (const collet_q4_1 *)rows[r];
        put_half(record, r, b->d);
        put_half(record + 16, r, b->m);
        take_nibbles(&c, r, b->q);
    }
    put_nibbles(record + 32, &c);
}

static void pack_q5_0(uint8_t *record, const uint8_t *const rows[R8_ROWS])
{
    codes c = { 0 };
    uint32_t high[R8_ROWS] = { 0 };
    memset(record, 0, 16);
    for (uint32_t r = 0; r < R8_ROWS && rows[r]; r++) {
        const collet_q5_0 *b = (const collet_q5_0 *)rows[r];
        put_half(record, r, b->d);
        take_nibbles(&c, r, b->q);
        high[r] = b->high;
    }
    take_fifth_bits(&c, high);
    put_fifth_bits(put_nibbles(record + 16, &c), &c);
}

static void pack_q5_1(uint8_t *record, const uint8_t *const rows[R8_ROWS])
{
    codes c = { 0 };
    uint32_t high[R8_ROWS] = { 0 };
    memset(record, 0, 32);
    for (uint32_t r = 0; r < R8_ROWS && rows[r]; r++) {
        const collet_q5_1 *b = (const collet_q5_1 *)rows[r];
        put_half(record, r, b->d);
        put_half(record + 16, r, b->m);
        take_nibbles(&c, r, b->q);
        high[r] = b->high;
    }
    take_fifth_bits(&c, high);
    put_fifth_bits(put_nibbles(record + 32, &c), &c);
}

static void pack_q8_0(uint8_t *record, const uint8_t *const rows[R8_ROWS])
{
    codes c = { 0 };
    memset(record, 0, 16);
    for (uint32_t r = 0; r < R8_ROWS && rows[r]; r++) {
        const collet_q8_0 *b = (const collet_q8_0 *)rows[r];
        put_half(record, r, b->d);
        for (uint32_t g = 0; g < 8; g++)
            c.of[g][r] = word_at(b->q, g);
    }
    put_bytes(record + 16, &c);
}

// The same records: the sum that q8_1 stores is of no use here.
static void pack_q8_1(uint8_t *record, const uint8_t *const rows[R8_ROWS])
{
    codes c = { 0 };
    memset(record, 0, 16);
    for (uint32_t r = 0; r < R8_ROWS && rows[r]; r++) {
        const collet_q8_1 *b = (const collet_q8_1 *)rows[r];
        put_half(record, r, b->d);
        for (uint32_t g = 0; g < 8; g++)
            c.of[g][r] = word_at(b->q, g);
    }
    put_bytes(record + 16, &c);
}

static void pack_mxfp4(uint8_t *record, const uint8_t *const rows[R8_ROWS])
{
    codes c = { 0 };
    memset(record, 0, 8);
    for (uint32_t r = 0; r < R8_ROWS && rows[r]; r++) {
        const collet_mxfp4 *b = (const collet_mxfp4 *)rows[r];
        record[r] = b->e;
        take_nibbles(&c, r, b->q);
    }
    put_nibbles(record + 8, &c);
}

// ---- 256-element formats: sub-blocks of 32 columns, in order ----

static void pack_q4_k(uint8_t *record, const uint8_t *const rows[R8_ROWS])
{
    memset(record, 0, 32);
    uint8_t *out = record + 32;
    for (uint32_t s = 0; s < 8; s++) {
        codes c = { 0 };
        memset(out, 0, 16);
        for (uint32_t r = 0; r < R8_ROWS && rows[r]; r++) {
            const collet_q4_k *b = (const collet_q4_k *)rows[r];
            put_half(record, r, b->d);
            put_half(record + 16, r, b->dmin);
            out[r] = collet_k_scale(b->scales, s);
            out[8 + r] = collet_k_min(b->scales, s);
            for (uint32_t g = 0; g < 8; g++)
                c.of[g][r] = word_at(b->q + 32 * (s / 2), g) >> (4 * (s % 2)) & EACH(15u);
        }
        out = put_nibbles(out + 16, &c);
    }
}

static void pack_q5_k(uint8_t *record, const uint8_t *const rows[R8_ROWS])
{
    memset(record, 0, 32);
    uint8_t *out = record + 32;
    for (uint32_t s = 0; s < 8; s++) {
        codes c = { 0 };
        memset(out, 0, 16);
        for (uint32_t r = 0; r < R8_ROWS && rows[r]; r++) {
            const collet_q5_k *b = (const collet_q5_k *)rows[r];
            put_half(record, r, b->d);
            put_half(record + 16, r, b->dmin);
            out[r] = collet_k_scale(b->scales, s);
            out[8 + r] = collet_k_min(b->scales, s);
            for (uint32_t g = 0; g < 8; g++)
                c.of[g][r] = (word_at(b->q + 32 * (s / 2), g) >> (4 * (s % 2)) & EACH(15u)) |
                             (word_at(b->high, g) >> s & EACH(1u)) << 4;
        }
        out = put_fifth_bits(put_nibbles(out + 16, &c), &c);
    }
}

static void pack_q6_k(uint8_t *record, const uint8_t *const rows[R8_ROWS])
{
    memset(record, 0, 16);
    uint8_t *out = record + 16;
    for (uint32_t s = 0; s < 8; s++) {
        codes c = { 0 };
        const uint32_t half = s / 4, plane = s % 4;
        memset(out, 0, 16);
        for (uint32_t r = 0; r < R8_ROWS && rows[r]; r++) {
            const collet_q6_k *b = (const collet_q6_k *)rows[r];
            put_half(record, r, b->d);
            out[r] = (uint8_t)b->scales[2 * s];
            out[8 + r] = (uint8_t)b->scales[2 * s + 1];
            for (uint32_t g = 0; g < 8; g++)
                c.of[g][r] = (word_at(b->low + 64 * half + 32 * (plane % 2), g) >> (4 * (plane / 2)) & EACH(15u)) |
                             (word_at(b->high + 32 * half, g) >> (2 * plane) & EACH(3u)) << 4;
        }
        out = put_pairs(put_nibbles(out + 16, &c), &c, 4);
    }
}

static void pack_iq4_xs(uint8_t *record, const uint8_t *const rows[R8_ROWS])
{
    memset(record, 0, 16);
    uint8_t *out = record + 16;
    for (uint32_t s = 0; s < 8; s++) {
        codes c = { 0 };
        memset(out, 0, 8);
        for (uint32_t r = 0; r < R8_ROWS && rows[r]; r++) {
            const collet_iq4_xs *b = (const collet_iq4_xs *)rows[r];
            const int32_t low = b->scales_low[s / 2] >> (4 * (s % 2)) & 15, high = b->scales_high >> (2 * s) & 3;
            put_half(record, r, b->d);
            out[r] = (uint8_t)(int8_t)((low | high << 4) - 32);
            take_nibbles(&c, r, b->q + 16 * s);
        }
        out = put_nibbles(out + 8, &c);
    }
}

static void pack_q8_k(uint8_t *record, const uint8_t *const rows[R8_ROWS])
{
    for (uint32_t s = 0; s < 8; s++) {
        codes c = { 0 };
        memset(record, 0, 32);
        for (uint32_t r = 0; r < R8_ROWS && rows[r]; r++) {
            const collet_q8_k *b = (const collet_q8_k *)rows[r];
            memcpy(record + 4 * r, &b->d, 4);
            for (uint32_t g = 0; g < 8; g++)
                c.of[g][r] = word_at(b->q + 32 * s, g);
        }
        record = put_bytes(record + 32, &c);
    }
}

static uint8_t q3_k_scale(const uint8_t s[12], uint32_t j)
{
    const int32_t low = j < 8 ? s[j] & 15 : s[j - 8] >> 4, high = s[8 + j % 4] >> (2 * (j / 4)) & 3;
    return (uint8_t)(int8_t)((low | high << 4) - 32);
}

static void pack_q3_k(uint8_t *record, const uint8_t *const rows[R8_ROWS])
{
    memset(record, 0, 16);
    uint8_t *out = record + 16;
    for (uint32_t s = 0; s < 8; s++) {
        codes c = { 0 };
        memset(out, 0, 16);
        for (uint32_t r = 0; r < R8_ROWS && rows[r]; r++) {
            const collet_q3_k *b = (const collet_q3_k *)rows[r];
            put_half(record, r, b->d);
            out[r] = q3_k_scale(b->scales, 2 * s);
            out[8 + r] = q3_k_scale(b->scales, 2 * s + 1);
            for (uint32_t g = 0; g < 8; g++) // 4 too large: the kernel takes it off again
                c.of[g][r] = (word_at(b->q + 32 * (s / 4), g) >> (2 * (s % 4)) & EACH(3u)) |
                             (word_at(b->high, g) >> s & EACH(1u)) << 2;
        }
        out = put_third_bits(put_pairs(out + 16, &c, 0), &c);
    }
}

static void pack_q2_k(uint8_t *record, const uint8_t *const rows[R8_ROWS])
{
    memset(record, 0, 32);
    uint8_t *out = record + 32;
    for (uint32_t s = 0; s < 8; s++) {
        codes c = { 0 };
        memset(out, 0, 16);
        for (uint32_t r = 0; r < R8_ROWS && rows[r]; r++) {
            const collet_q2_k *b = (const collet_q2_k *)rows[r];
            put_half(record, r, b->d);
            put_half(record + 16, r, b->dmin);
            out[r] = b->scales[2 * s];
            out[8 + r] = b->scales[2 * s + 1];
            for (uint32_t g = 0; g < 8; g++)
                c.of[g][r] = word_at(b->q + 32 * (s / 4), g) >> (2 * (s % 4)) & EACH(3u);
        }
        out = put_pairs(out + 16, &c, 0);
    }
}

static const collet_cpu_packing packings[] = {
    { "q4_0", "q4_0.r8", 32, sizeof(collet_q4_0), 32, 144, pack_q4_0 },
    { "q4_1", "q4_1.r8", 32, sizeof(collet_q4_1), 32, 160, pack_q4_1 },
    { "q5_0", "q5_0.r8", 32, sizeof(collet_q5_0), 32, 176, pack_q5_0 },
    { "q5_1", "q5_1.r8", 32, sizeof(collet_q5_1), 32, 192, pack_q5_1 },
    { "q8_0", "q8_0.r8", 32, sizeof(collet_q8_0), 32, 272, pack_q8_0 },
    { "iq4_nl", "iq4_nl.r8", 32, sizeof(collet_iq4_nl), 32, 144, pack_q4_0 },
    { "q8_1", "q8_1.r8", 32, sizeof(collet_q8_1), 32, 272, pack_q8_1 },
    { "mxfp4", "mxfp4.r8", 32, sizeof(collet_mxfp4), 32, 136, pack_mxfp4 },
    { "iq4_xs", "iq4_xs.r8", 256, sizeof(collet_iq4_xs), 256, 16 + 8 * 136, pack_iq4_xs },
    { "q8_k", "q8_k.r8", 256, sizeof(collet_q8_k), 256, 8 * 288, pack_q8_k },
    { "q2_k", "q2_k.r8", 256, sizeof(collet_q2_k), 256, 32 + 8 * 80, pack_q2_k },
    { "q3_k", "q3_k.r8", 256, sizeof(collet_q3_k), 256, 16 + 8 * 112, pack_q3_k },
    { "q4_k", "q4_k.r8", 256, sizeof(collet_q4_k), 256, 32 + 8 * 144, pack_q4_k },
    { "q5_k", "q5_k.r8", 256, sizeof(collet_q5_k), 256, 32 + 8 * 176, pack_q5_k },
    { "q6_k", "q6_k.r8", 256, sizeof(collet_q6_k), 256, 16 + 8 * 208, pack_q6_k },
};

const collet_cpu_packing *collet_cpu_packing_find(const char *format)
{
    for (size_t i = 0; i < COLLET_COUNT(packings); i++)
        if (strcmp(packings[i].format, format) == 0)
            return &packings[i];
    return NULL;
}
