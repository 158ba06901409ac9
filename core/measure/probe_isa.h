// SPDX-License-Identifier: Apache-2.0
// core/measure/probe_isa.h - the inner loops of the probes, one set per instruction set (probe_<isa>.c).
//
// peak loops run `rounds` rounds from registers and return the operations done. A barrier on each accumulator keeps the
// compiler from folding what has no visible use.
#ifndef COLLET_CORE_MEASURE_PROBE_ISA_H
#define COLLET_CORE_MEASURE_PROBE_ISA_H

#include <stdint.h>

// Reading goes along several streams with a prefetch in each, as kernels read rows: one stream with nothing but the
// processor's own prefetchers is passed by kernels by a tenth.
#define COLLET_PROBE_STREAMS 4u
#define COLLET_PROBE_AHEAD 1024u // bytes

// A number that depends on all n_bytes (a multiple of 512) at data, which is aligned to 64.
typedef uint64_t collet_probe_read_fn(const void *data, uint64_t n_bytes);
typedef double collet_probe_peak_fn(uint64_t rounds);

collet_probe_read_fn collet_probe_read_avx2, collet_probe_read_avx512;
collet_probe_peak_fn collet_probe_f32_avx2, collet_probe_int8_avx2;
collet_probe_peak_fn collet_probe_f32_avx512, collet_probe_int8_avx512, collet_probe_int8_ymm_avx512;
collet_probe_peak_fn collet_probe_tile_bf16_amx, collet_probe_tile_int8_amx;

#endif
