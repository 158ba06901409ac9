// SPDX-License-Identifier: Apache-2.0
// core/base/isa_probe.h - a known product per ISA level, executed in a child: feature bits have lied before.
#ifndef COLLET_CORE_BASE_ISA_PROBE_H
#define COLLET_CORE_BASE_ISA_PROBE_H

// Each returns 1 when its instructions gave the known result. They may raise SIGILL: call them in a child only.
int collet_isa_probe_avx2(void);
int collet_isa_probe_avx512(void);
int collet_isa_probe_amx(void);
int collet_isa_probe_neon(void);
int collet_isa_probe_dotprod(void);

#endif
