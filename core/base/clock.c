// SPDX-License-Identifier: Apache-2.0
// core/base/clock.c
#include "core/base/clock.h"

#include <time.h>

double collet_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
