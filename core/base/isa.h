// SPDX-License-Identifier: Apache-2.0
// core/base/isa.h - which instruction sets may be used here: asked, then tried in a child process.
#ifndef COLLET_CORE_BASE_ISA_H
#define COLLET_CORE_BASE_ISA_H

#include "collet/plugin/host.h"

#define COLLET_ISA_LEVELS 6 // REF, AVX2, AVX512, AMX, NEON, DOTPROD

typedef struct collet_isa {
    uint32_t mask;                    // COLLET_ISA_*; REF is always set
    char why[COLLET_ISA_LEVELS][120]; // in the order of the bits: why a level is missing; "" when it is offered
    char cpu_name[64];
    uint64_t l1d_bytes, l2_bytes, l3_bytes;
} collet_isa;

// CPUID and XCR0 and AMX permission, or the kernel's HWCAP, then each level's known product in a child process (a few
// ms in all). The variable COLLET_ISA_MAX=ref|avx2|avx512|amx|neon|dotprod lowers the mask. Never fails:
// what cannot be shown to work is not offered.
void collet_isa_probe(collet_isa *out);

// "avx2" -> COLLET_ISA_AVX2; 0 when unknown. And back.
uint32_t collet_isa_from_name(const char *name);
const char *collet_isa_name(uint32_t isa);

#endif
