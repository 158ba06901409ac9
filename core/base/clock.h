// SPDX-License-Identifier: Apache-2.0
// core/base/clock.h - the clock that durations are taken with.
#ifndef COLLET_CORE_BASE_CLOCK_H
#define COLLET_CORE_BASE_CLOCK_H

double collet_now_s(void); // seconds, monotonic

#endif
