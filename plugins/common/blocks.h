// SPDX-License-Identifier: Apache-2.0
// plugins/common/blocks.h - the blocks of each weight format, byte by byte. Values: docs/FORMATS.md.
//
// All are packed: a block in a mapped file is aligned to nothing, so the compiler must not assume that one is.
// d is a scale and m a minimum (f16 bits, read with f16.h, unless said otherwise), q are codes.
#ifndef COLLET_PLUGINS_COMMON_BLOCKS_H
#define COLLET_PLUGINS_COMMON_BLOCKS_H

#include <stdint.h>

#pragma pack(push, 1)

// ---- 32 elements; of q[j], the low nibble is element j, the high nibble element j + 16 ----

typedef struct collet_q4_0 {
    uint16_t d;
    uint8_t q[16];
} collet_q4_0;

typedef struct collet_q4_1 {
    uint16_t d, m;
    uint8_t q[16];
} collet_q4_1;

typedef struct collet_q5_0 {
    uint16_t d;
    uint32_t high; // bit i is bit 4 of element i's code
    uint8_t q[16];
} collet_q5_0;

typedef struct collet_q5_1 {
    uint16_t d, m;
    uint32_t high; // as in q5_0
    uint8_t q[16];
} collet_q5_1;

typedef struct collet_q8_0 {
    uint16_t d;
    int8_t q[32];
} collet_q8_0;

typedef struct collet_q8_1 {
    uint16_t d;
    uint16_t s; // f16: d times the sum of q, for dot products with formats that have a minimum
    int8_t q[32];
} collet_q8_1;

typedef struct collet_iq4_nl {
    uint16_t d;
    uint8_t q[16]; // indices into COLLET_IQ4_VALUES
} collet_iq4_nl;

typedef struct collet_mxfp4 {
    uint8_t e;     // the scale is 2^(e - 128)
    uint8_t q[16]; // indices into COLLET_MXFP4_VALUES
} collet_mxfp4;

// ---- 64 and 128 elements ----

typedef struct collet_nvfp4 {
    uint8_t scales[4]; // E4M3 without its sign, of 16 elements each
    uint8_t q[32];     // per sub-block 8 bytes: of byte j, the low nibble is element j, the high nibble element j + 8
} collet_nvfp4;

typedef struct collet_q1_0 {
    uint16_t d;
    uint8_t q[16]; // bit i % 8 of byte i / 8: set for d, clear for -d
} collet_q1_0;

typedef struct collet_q2_0 {
    uint16_t d;
    uint8_t q[16]; // four elements a byte, the first in bits 0-1
} collet_q2_0;

// ---- 256 elements in sub-blocks of 16 or 32 ----

typedef struct collet_q2_k {
    uint8_t scales[16]; // sub-block of 16: low nibble its scale, high nibble its minimum
    uint8_t q[64];      // each half (128 elements) has 32 bytes; byte l holds elements l, l+32, l+64, l+96 of it
    uint16_t d, dmin;
} collet_q2_k;

typedef struct collet_q3_k {
    uint8_t high[32];   // element 32 k + l: bit k of high[l]; a clear bit takes 4 from the code
    uint8_t q[64];      // low 2 bits, as in q2_k
    uint8_t scales[12]; // 16 scales of 6 bits, 32 too large: 8 bytes of low nibbles, 4 of the upper 2 bits
    uint16_t d;
} collet_q3_k;

typedef struct collet_q4_k {
    uint16_t d, dmin;
    uint8_t scales[12]; // 8 scales and 8 minima of 6 bits: quant_k_scales.h
    uint8_t q[128];     // byte 32 i + l: elements 64 i + l (low nibble) and 64 i + 32 + l (high nibble)
} collet_q4_k;

typedef struct collet_q5_k {
    uint16_t d, dmin;
    uint8_t scales[12]; // as in q4_k
    uint8_t high[32];   // bit 4: of element 64 i + l bit 2 i of high[l], of element 64 i + 32 + l bit 2 i + 1
    uint8_t q[128];     // as in q4_k
} collet_q5_k;

// Each half (128 elements) has 64 bytes of low, 32 of high, 8 scales. Its elements l, l+32, l+64, l+96 (l < 32) take
// low[l] & 15, low[l+32] & 15, low[l] >> 4, low[l+32] >> 4, and bits 0-1, 2-3, 4-5, 6-7 of high[l]; 32 too large.
typedef struct collet_q6_k {
    uint8_t low[128];
    uint8_t high[64];
    int8_t scales[16];
    uint16_t d;
} collet_q6_k;

typedef struct collet_q8_k {
    float d; // f32, not f16
    int8_t q[256];
    int16_t sums[16]; // of 16 codes each
} collet_q8_k;

typedef struct collet_iq4_xs {
    uint16_t d;
    uint16_t scales_high;  // sub-block i (of 32): bits 2 i and 2 i + 1 are bits 4-5 of its scale
    uint8_t scales_low[4]; // nibble i: bits 0-3; 32 too large
    uint8_t q[128];        // per sub-block 16 bytes, as in iq4_nl
} collet_iq4_xs;

// ---- 256 elements by codebooks (quant_iq_grids.h): an entry stands for 8 elements, in iq3 for 4 ----

typedef struct collet_iq2_xxs {
    uint16_t d;
    struct {
        uint8_t index[4];
        uint32_t signs_scale; // bits 7 l .. 7 l + 6: signs of entry l; bits 28-31: the scale
    } sub[8];                 // of 32 elements
} collet_iq2_xxs;

typedef struct collet_iq2_xs {
    uint16_t d;
    uint16_t q[32];    // bits 0-8: index, bits 9-15: signs
    uint8_t scales[8]; // nibble i: of elements 16 i .. 16 i + 15
} collet_iq2_xs;

typedef struct collet_iq2_s {
    uint16_t d;
    uint8_t q[32];     // bits 0-7 of the index
    uint8_t signs[32]; // bit j of byte l is set when element 8 l + j is negative
    uint8_t high[8];   // bits 2 (l % 4) and the next of byte l / 4 are bits 8-9 of index l
    uint8_t scales[8]; // as in iq2_xs
} collet_iq2_s;

typedef struct collet_iq3_xxs {
    uint16_t d;
    uint8_t q[64];           // indices
    uint32_t signs_scale[8]; // of 32 elements each, as in iq2_xxs; signs go with 8 elements, so with 2 entries
} collet_iq3_xxs;

typedef struct collet_iq3_s {
    uint16_t d;
    uint8_t q[64];     // bits 0-7 of the index
    uint8_t high[8];   // bit i % 8 of byte i / 8 is bit 8 of index i
    uint8_t signs[32]; // as in iq2_s
    uint8_t scales[4]; // nibble i: of elements 32 i .. 32 i + 31
} collet_iq3_s;

typedef struct collet_iq1_s {
    uint16_t d;
    uint8_t q[32]; // bits 0-7 of the index
    // Of 32 elements: bits 3 l .. 3 l + 2 are bits 8-10 of index l, 12-14 the scale, 15 the sign of the shift.
    uint16_t high[8];
} collet_iq1_s;

typedef struct collet_iq1_m {
    uint8_t q[32];      // bits 0-7 of the index
    uint8_t high[16];   // nibble l: bits 0-2 are bits 8-10 of index l, bit 3 the sign of its shift
    uint16_t scales[4]; // bits 3 i .. 3 i + 2 of a word: of 16 elements; bits 12-15 of the words, in order, are d (f16)
} collet_iq1_m;

// ---- 256 ternary elements ----

typedef struct collet_tq1_0 {
    uint8_t q[48];   // 5 digits a byte: 32 bytes for elements 0-159, 16 for 160-239
    uint8_t last[4]; // 4 digits a byte: elements 240-255
    uint16_t d;
} collet_tq1_0;

typedef struct collet_tq2_0 {
    uint8_t q[64]; // as in q2_k
    uint16_t d;
} collet_tq2_0;

#pragma pack(pop)

#define COLLET_BLOCK_IS(type, bytes) _Static_assert(sizeof(type) == (bytes), "a block is " #bytes " bytes")
COLLET_BLOCK_IS(collet_q4_0, 18);
COLLET_BLOCK_IS(collet_q4_1, 20);
COLLET_BLOCK_IS(collet_q5_0, 22);
COLLET_BLOCK_IS(collet_q5_1, 24);
COLLET_BLOCK_IS(collet_q8_0, 34);
COLLET_BLOCK_IS(collet_q8_1, 36);
COLLET_BLOCK_IS(collet_iq4_nl, 18);
COLLET_BLOCK_IS(collet_mxfp4, 17);
COLLET_BLOCK_IS(collet_q2_k, 84);
COLLET_BLOCK_IS(collet_q3_k, 110);
COLLET_BLOCK_IS(collet_q4_k, 144);
COLLET_BLOCK_IS(collet_q5_k, 176);
COLLET_BLOCK_IS(collet_q6_k, 210);
COLLET_BLOCK_IS(collet_q8_k, 292);
COLLET_BLOCK_IS(collet_iq4_xs, 136);
COLLET_BLOCK_IS(collet_nvfp4, 36);
COLLET_BLOCK_IS(collet_q1_0, 18);
COLLET_BLOCK_IS(collet_q2_0, 18);
COLLET_BLOCK_IS(collet_iq2_xxs, 66);
COLLET_BLOCK_IS(collet_iq2_xs, 74);
COLLET_BLOCK_IS(collet_iq2_s, 82);
COLLET_BLOCK_IS(collet_iq3_xxs, 98);
COLLET_BLOCK_IS(collet_iq3_s, 110);
COLLET_BLOCK_IS(collet_iq1_s, 50);
COLLET_BLOCK_IS(collet_iq1_m, 56);
COLLET_BLOCK_IS(collet_tq1_0, 54);
COLLET_BLOCK_IS(collet_tq2_0, 66);
#undef COLLET_BLOCK_IS

// What the 4-bit codes of iq4_nl and iq4_xs stand for, and those of mxfp4 and nvfp4 (E2M1, doubled to be integers).
#define COLLET_IQ4_VALUES                                                        \
    {                                                                            \
        -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 \
    }
#define COLLET_MXFP4_VALUES                                     \
    {                                                           \
        0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 \
    }

#endif
