// SPDX-License-Identifier: Apache-2.0
// core/measure/stats.h - the middle of a few numbers.
#ifndef COLLET_CORE_MEASURE_STATS_H
#define COLLET_CORE_MEASURE_STATS_H

#include <stddef.h>

// Sorts `values` (n >= 1) and returns their median.
double collet_median(double *values, size_t n);

#endif
