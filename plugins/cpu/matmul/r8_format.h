// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/r8_format.h - what a format's file says about its records, the same at every level.
//
// Included after r8_codes.h or r8_codes_neon.h, which say what a function that gets at codes looks like.
#ifndef COLLET_PLUGINS_CPU_MATMUL_R8_FORMAT_H
#define COLLET_PLUGINS_CPU_MATMUL_R8_FORMAT_H

#include <stdint.h>

// What is added for sums of activations.
enum { R8_M_NONE, R8_M_STORED, R8_M_OFFSET };

// How a record's scales are stored.
enum { R8_D_F16, R8_D_F32, R8_D_E8M0 };

// What a format's file says about its records (matmul_pack.c).
typedef struct r8_format {
    r8_codes_fn *codes;
    uint32_t code_bytes; // of 32 columns
    int d;
    int bits; // of an unsigned code; 0: signed bytes
    int m;
    int offset;        // R8_M_OFFSET: was added to every code
    int is_super;      // records of 256 columns whose sub-blocks have scales
    int n_sub;         // sub-blocks in 32 columns: 1 or 2
    int signed_scales; // of sub-blocks
    int nibble_scales; // R8_M_STORED: a byte holds scale (low nibble) and minimum
} r8_format;

// Bytes of the eight scales of a record.
static inline uint32_t r8_d_bytes(const r8_format f)
{
    return f.d == R8_D_F32 ? 32 : f.d == R8_D_E8M0 ? 8 : 16;
}

#endif
