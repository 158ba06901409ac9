// SPDX-License-Identifier: Apache-2.0
// core/measure/probe.h - what this machine's memory and arithmetic units can do now: the denominators of every speed.
#ifndef COLLET_CORE_MEASURE_PROBE_H
#define COLLET_CORE_MEASURE_PROBE_H

#include "core/base/pool.h"

// ---- memory ----
typedef struct collet_read_probe collet_read_probe;

// A buffer of n_bytes per worker, written once by the worker that reads it. Several times the last-level cache, or the
// figure is the cache's. isa_mask: the widest loads that these levels have are used.
// Errors: NOMEM.  Ownership: gives; destroy frees, accepts NULL.
collet_status collet_read_probe_create(collet_read_probe **out, collet_pool *pool, uint64_t n_bytes, uint32_t isa_mask,
                                       collet_error *err);
void collet_read_probe_destroy(collet_read_probe *p);

// Bytes per second of one pass over all buffers, all workers reading at once.
double collet_read_probe_run(collet_read_probe *p);

// ---- arithmetic ----
typedef enum collet_peak {
    COLLET_PEAK_F32,       // fused multiply-add of f32
    COLLET_PEAK_INT8,      // u8 x s8: maddubs summed in 16 bits (as 4-bit weights allow) on AVX2, vpdpbusd with VNNI
    COLLET_PEAK_TILE_BF16, // AMX: TDPBF16PS
    COLLET_PEAK_TILE_INT8, // AMX: TDPBUSD
    COLLET_N_PEAKS
} collet_peak;

const char *collet_peak_name(collet_peak peak); // "f32", "int8", "tile_bf16", "tile_int8"

// Operations per second (a multiply-add counts two) from registers alone, all workers at once: the best of the
// loops that the levels have, about 10 ms for each. 0.0: the machine lacks the unit.
double collet_peak_run(collet_pool *pool, collet_peak peak, uint32_t isa_mask);

#endif
