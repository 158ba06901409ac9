// SPDX-License-Identifier: Apache-2.0
// core/base/error.h - writing a collet_error.
#ifndef COLLET_CORE_BASE_ERROR_H
#define COLLET_CORE_BASE_ERROR_H

#include <stdarg.h>

#include "collet/base.h"

// Fills *err (may be NULL) and returns `code`, so that `return collet_fail(...)` reads well. Arguments may point into
// err->msg itself: a message can be put in front of the one before.
collet_status collet_fail(collet_error *err, collet_status code, const char *format, ...) COLLET_PRINTF(3, 4);
collet_status collet_vfail(collet_error *err, collet_status code, const char *format, va_list args);

// The same with ": <strerror(errno)>" appended and errno kept as err->native.
collet_status collet_fail_errno(collet_error *err, collet_status code, const char *format, ...) COLLET_PRINTF(3, 4);

// A code's name for logs and JSON: "NOMEM".
const char *collet_status_name(collet_status code);

// host->fail and anything else that has a finished text.
collet_status collet_fail_text(collet_error *err, collet_status code, int64_t native, const char *text);

#endif
