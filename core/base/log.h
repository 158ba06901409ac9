// SPDX-License-Identifier: Apache-2.0
// core/base/log.h - lines for people, on stderr; stdout belongs to results.
#ifndef COLLET_CORE_BASE_LOG_H
#define COLLET_CORE_BASE_LOG_H

#include "collet/base.h"

// Levels as in plugin/host.h: 0 error, 1 warn, 2 info, 3 debug.
typedef struct collet_log {
    int32_t level;                                             // lines above it are dropped
    void (*write)(void *ctx, int32_t level, const char *line); // NULL: stderr
    void *ctx;
} collet_log;

// Writes "collet: warning: <text>\n" as one write; `source` other than NULL replaces "collet".  Threads: [any-thread]
void collet_log_line(const collet_log *log, int32_t level, const char *source, const char *format, ...)
    COLLET_PRINTF(4, 5);

// What is going on, for whoever watches: on a terminal one line that the next one overwrites, elsewhere nothing. `end`
// leaves the line standing, and is an info line elsewhere with --verbose. Nothing when warnings are off.
// Threads: one at a time
void collet_log_progress(const collet_log *log, const char *format, ...) COLLET_PRINTF(2, 3);
void collet_log_progress_end(const collet_log *log, const char *format, ...) COLLET_PRINTF(2, 3);

#endif
