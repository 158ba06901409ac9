// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_unpack.c - one row's block out of a packed record: matmul_pack.c read backwards.
//
// For an embedding that is the output matrix too: a few rows a step come from the packed weight, so that the canonical
// ones need no memory. Bit for bit what was packed, but for what no decoder reads: the sums of q8_1 and q8_k are 0.
#include <string.h>

#include "plugins/common/blocks.h"
#include "plugins/common/quant_k_pack.h"
#include "plugins/cpu/matmul/matmul.h"

// ---- 32 codes of a row, and the bytes after them ----

static const uint8_t *get_nibbles(uint8_t codes[32], const uint8_t *in, uint32_t row)
{
    for (uint32_t j = 0; j < 4; j++)
        for (uint32_t i = 0; i < 4; i++) {
            const uint8_t both = in[32 * j + 4 * row + i];
            codes[4 * j + i] = both & 15;
            codes[4 * (j + 4) + i] = both >> 4;
        }
    return in + 128;
}

static const uint8_t *get_bytes(uint8_t codes[32], const uint8_t *in, uint32_t row)
{
    for (uint32_t g = 0; g < 8; g++)
        memcpy(codes + 4 * g, in + 32 * g + 4 * row, 4);
    return in + 256;
}

static const uint8_t *add_fifth_bits(uint8_t codes[32], const uint8_t *in, uint32_t row)
{
    for (uint32_t k = 0; k < 32; k++)
        codes[k] |= (uint8_t)((in[4 * row + k % 4] >> (k / 4) & 1) << 4);
    return in + 32;
}

// Two bits of each code, from bit `shift` on.
static const uint8_t *add_pairs(uint8_t codes[32], const uint8_t *in, uint32_t row, uint32_t shift)
{
    for (uint32_t k = 0; k < 32; k++) {
        const uint32_t g = k / 4;
        codes[k] |= (uint8_t)((in[32 * (g / 4) + 4 * row + k % 4] >> (2 * (g % 4)) & 3) << shift);
    }
    return in + 64;
}

static const uint8_t *add_third_bits(uint8_t codes[32], const uint8_t *in, uint32_t row)
{
    for (uint32_t k = 0; k < 32; k++) {
        const uint32_t g = k / 4;
        codes[k] |= (uint8_t)((in[4 * row + k % 4] >> (4 * (g % 4 / 2) + 2 * (g / 4) + g % 2) & 1) << 2);
    }
    return in + 32;
}

static uint16_t get_half(const uint8_t *in, uint32_t row)
{
    uint16_t half;
    memcpy(&half, in + 2 * row, sizeof half);
    return half;
}

// ---- 32-element formats ----

static void put_nibbles(uint8_t q[16], const uint8_t codes[32])
{
    for (uint32_t j = 0; j < 16; j++)
        q[j] = (uint8_t)((codes[j] & 15) | (codes[j + 16] & 15) << 4);
}

static uint32_t fifth_bits(const uint8_t codes[32])
{
    uint32_t high = 0;
    for (uint32_t k = 0; k < 32; k++)
        high |= (uint32_t)(codes[k] >> 4 & 1) << k;
    return high;
}

static void unpack_q4_0(void *block, const uint8_t *record, uint32_t row)
{
    collet_q4_0 *b = block; // iq4_nl has the same bytes
    uint8_t codes[32];
    get_nibbles(codes, record + 16, row);
    b->d = get_half(record, row);
    put_nibbles(b->q, codes);
}

static void unpack_q4_1(void *block, const uint8_t *record, uint32_t row)
{
    collet_q4_1 *b = block;
    uint8_t codes[32];
    get_nibbles(codes, record + 32, row);
    b->d = get_half(record, row);
    b->m = get_half(record + 16, row);
    put_nibbles(b->q, codes);
}

static void unpack_q5_0(void *block, const uint8_t *record, uint32_t row)
{
    collet_q5_0 *b = block;
    uint8_t codes[32];
    add_fifth_bits(codes, get_nibbles(codes, record + 16, row), row);
    b->d = get_half(record, row);
    b->high = fifth_bits(codes);
    put_nibbles(b->q, codes);
}

static void unpack_q5_1(void *block, const uint8_t *record, uint32_t row)
{
    collet_q5_1 *b = block;
    uint8_t codes[32];
    add_fifth_bits(codes, get_nibbles(codes, record + 32, row), row);
    b->d = get_half(record, row);
    b->m = get_half(record + 16, row);
    b->high = fifth_bits(codes);
    put_nibbles(b->q, codes);
}

static void unpack_q8_0(void *block, const uint8_t *record, uint32_t row)
{
    collet_q8_0 *b = block;
    b->d = get_half(record, row);
    get_bytes((uint8_t *)b->q, record + 16, row);
}

static void unpack_q8_1(void *block, const uint8_t *record, uint32_t row)
{
    collet_q8_1 *b = block;
    b->d = get_half(record, row);
    b->s = 0;
    get_bytes((uint8_t *)b->q, record + 16, row);
}

static void unpack_mxfp4(void *block, const uint8_t *record, uint32_t row)
{
    collet_mxfp4 *b = block;
    uint8_t codes[32];
    get_nibbles(codes, record + 8, row);
    b->e = record[row];
    put_nibbles(b->q, codes);
}

// ---- 256-element formats: sub-blocks of 32 columns, in order ----

static void unpack_q4_k(void *block, const uint8_t *record, uint32_t row)
{
    uint8_t codes[256], scales[8], mins[8];
    const uint8_t *in = record + 32;
    for (uint32_t s = 0; s < 8; s++) {
        scales[s] = in[row];
        mins[s] = in[8 + row];
        in = get_nibbles(codes + 32 * s, in + 16, row);
    }
    collet_q4_k_pack(block, codes, scales, mins, get_half(record, row), get_half(record + 16, row));
}

static void unpack_q5_k(void *block, const uint8_t *record, uint32_t row)
{
    uint8_t codes[256], scales[8], mins[8];
    const uint8_t *in = record + 32;
    for (uint32_t s = 0; s < 8; s++) {
        scales[s] = in[row];
        mins[s] = in[8 + row];
        in = get_nibbles(codes + 32 * s, in + 16, row);
        in = add_fifth_bits(codes + 32 * s, in, row);
    }
    collet_q5_k_pack(block, codes, scales, mins, get_half(record, row), get_half(record + 16, row));
}

static void unpack_q6_k(void *block, const uint8_t *record, uint32_t row)
{
    uint8_t codes[256];
    int8_t scales[16];
    const uint8_t *in = record + 16;
    for (uint32_t s = 0; s < 8; s++) {
        scales[2 * s] = (int8_t)in[row];
        scales[2 * s + 1] = (int8_t)in[8 + row];
        in = get_nibbles(codes + 32 * s, in + 16, row);
        in = add_pairs(codes + 32 * s, in, row, 4);
    }
    collet_q6_k_pack(block, codes, scales, get_half(record, row));
}

static void unpack_q3_k(void *block, const uint8_t *record, uint32_t row)
{
    uint8_t codes[256] = { 0 };
    int8_t scales[16];
    const uint8_t *in = record + 16;
    for (uint32_t s = 0; s < 8; s++) {
        scales[2 * s] = (int8_t)in[row];
        scales[2 * s + 1] = (int8_t)in[8 + row];
        in = add_pairs(codes + 32 * s, in + 16, row, 0);
        in = add_third_bits(codes + 32 * s, in, row);
    }
    collet_q3_k_pack(block, codes, scales, get_half(record, row));
}

static void unpack_q2_k(void *block, const uint8_t *record, uint32_t row)
{
    uint8_t codes[256] = { 0 }, scales[16], mins[16];
    const uint8_t *in = record + 32;
    for (uint32_t s = 0; s < 8; s++) {
        for (uint32_t half = 0; half < 2; half++) {
            scales[2 * s + half] = in[8 * half + row] & 15;
            mins[2 * s + half] = in[8 * half + row] >> 4;
        }
        in = add_pairs(codes + 32 * s, in + 16, row, 0);
    }
    collet_q2_k_pack(block, codes, scales, mins, get_half(record, row), get_half(record + 16, row));
}

static void unpack_iq4_xs(void *block, const uint8_t *record, uint32_t row)
{
    collet_iq4_xs *b = block;
    const uint8_t *in = record + 16;
    memset(b, 0, sizeof *b);
    b->d = get_half(record, row);
    for (uint32_t s = 0; s < 8; s++) {
        const uint32_t scale = (uint32_t)((int8_t)in[row] + 32);
        uint8_t codes[32];
        b->scales_low[s / 2] |= (uint8_t)((scale & 15) << (4 * (s % 2)));
        b->scales_high = (uint16_t)(b->scales_high | (scale >> 4 & 3) << (2 * s));
        in = get_nibbles(codes, in + 8, row);
        put_nibbles(b->q + 16 * s, codes);
    }
}

static void unpack_q8_k(void *block, const uint8_t *record, uint32_t row)
{
    collet_q8_k *b = block;
    memset(b, 0, sizeof *b);
    memcpy(&b->d, record + 4 * row, sizeof b->d);
    for (uint32_t s = 0; s < 8; s++)
        record = get_bytes((uint8_t *)b->q + 32 * s, record + 32, row);
}

collet_cpu_unpack_fn *collet_cpu_unpack_find(const char *format)
{
    static const struct {
        const char *format;
        collet_cpu_unpack_fn *unpack;
    } table[] = { { "q4_0", unpack_q4_0 }, { "q4_1", unpack_q4_1 },   { "q5_0", unpack_q5_0 },
                  { "q5_1", unpack_q5_1 }, { "q8_0", unpack_q8_0 },   { "iq4_nl", unpack_q4_0 },
                  { "q8_1", unpack_q8_1 }, { "mxfp4", unpack_mxfp4 }, { "iq4_xs", unpack_iq4_xs },
                  { "q8_k", unpack_q8_k }, { "q2_k", unpack_q2_k },   { "q3_k", unpack_q3_k },
                  { "q4_k", unpack_q4_k }, { "q5_k", unpack_q5_k },   { "q6_k", unpack_q6_k } };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(table[i].format, format) == 0)
            return table[i].unpack;
    return NULL;
}
