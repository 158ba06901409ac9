// SPDX-License-Identifier: Apache-2.0
// core/base/error.c
#include "core/base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// Cuts at a character, never inside one: a byte 10xxxxxx continues the one before.
static void set_text(collet_error *err, const char *text)
{
    size_t n = strlen(text);
    if (n >= COLLET_ERROR_MSG_MAX) {
        n = COLLET_ERROR_MSG_MAX - 4;
        while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--;
        memcpy(err->msg, text, n);
        memcpy(err->msg + n, "...", 4);
    } else {
        memcpy(err->msg, text, n + 1);
    }
}

collet_status collet_fail_text(collet_error *err, collet_status code, int64_t native, const char *text)
{
    if (err && err->size >= sizeof *err) {
        err->code = code;
        err->native = native;
        set_text(err, text ? text : "");
    }
    return code;
}

collet_status collet_vfail(collet_error *err, collet_status code, const char *format, va_list args)
{
    char text[2 * COLLET_ERROR_MSG_MAX]; // apart from err->msg, which may be among the arguments
    vsnprintf(text, sizeof text, format, args);
    return collet_fail_text(err, code, 0, text);
}

collet_status collet_fail(collet_error *err, collet_status code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    collet_vfail(err, code, format, args);
    va_end(args);
    return code;
}

collet_status collet_fail_errno(collet_error *err, collet_status code, const char *format, ...)
{
    int saved = errno;
    char text[COLLET_ERROR_MSG_MAX], reason[128];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *why = strerror_r(saved, reason, sizeof reason); // GNU: may return a constant
    collet_fail(err, code, "%s: %s", text, why);
    if (err && err->size >= sizeof *err)
        err->native = saved;
    return code;
}

const char *collet_status_name(collet_status code)
{
    static const char *const names[] = { "OK",        "INVALID",   "UNSUPPORTED", "UNAVAILABLE", "NOMEM",
                                         "ABI",       "DEVICE",    "INTERNAL",    "FORMAT",      "IO",
                                         "NOT_FOUND", "CANCELLED", "TIMEOUT" };
    size_t i = (size_t)(-(int64_t)code);
    return code <= 0 && i < COLLET_COUNT(names) ? names[i] : "INTERNAL";
}
