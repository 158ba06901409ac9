// SPDX-License-Identifier: Apache-2.0
// core/measure/probe.h - what this machine's memory can do now: the denominator of every decode speed.
#ifndef COLLET_CORE_MEASURE_PROBE_H
#define COLLET_CORE_MEASURE_PROBE_H

#include "core/base/pool.h"

typedef struct collet_read_probe collet_read_probe;

// A buffer of n_bytes per worker, written once by the worker that reads it. Several times the last-level cache, or the
// figure is the cache's.  Errors: NOMEM.  Ownership: gives; destroy frees, accepts NULL.
collet_status collet_read_probe_create(collet_read_probe **out, collet_pool *pool, uint64_t n_bytes, collet_error *err);
void collet_read_probe_destroy(collet_read_probe *p);

// Bytes per second of one pass over all buffers, all workers reading at once.
double collet_read_probe_run(collet_read_probe *p);

#endif
