// SPDX-License-Identifier: Apache-2.0
// core/base/log.c
#include "core/base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#define LINE_BYTES 2048

void collet_log_line(const collet_log *log, int32_t level, const char *source, const char *format, ...)
{
    static const char *const prefix[] = { "error: ", "warning: ", "", "debug: " };
    if (!log || level > log->level || level < 0)
        return;
    char line[LINE_BYTES];
    int n = snprintf(line, sizeof line - 1, "%s: %s", source ? source : "collet", prefix[level > 3 ? 3 : level]);
    va_list args;
    va_start(args, format);
    int m = vsnprintf(line + n, sizeof line - 1 - (size_t)n, format, args);
    va_end(args);
    size_t end = (size_t)n + (m < 0 ? 0 : (size_t)m);
    if (end > sizeof line - 2)
        end = sizeof line - 2;
    if (log->write) {
        log->write(log->ctx, level, line);
        return;
    }
    line[end] = '\n';
    ssize_t written = write(STDERR_FILENO, line, end + 1); // one write, so that lines of threads do not mix
    (void)written;
}

static bool is_watched(const collet_log *log)
{
    return log && !log->write && log->level >= 1 && isatty(STDERR_FILENO);
}

void collet_log_progress(const collet_log *log, const char *format, ...)
{
    if (!is_watched(log))
        return;
    va_list args;
    va_start(args, format);
    fputs("\r\033[Kcollet: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    fflush(stderr);
}

void collet_log_progress_end(const collet_log *log, const char *format, ...)
{
    char text[LINE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (is_watched(log))
        fprintf(stderr, "\r\033[Kcollet: %s\n", text);
    else if (log && (log->write || log->level > 2))
        collet_log_line(log, 2, NULL, "%s", text);
}
