// SPDX-License-Identifier: Apache-2.0
// core/plugin/peek.h - reading memory that a plugin points at: any address, an error instead of a fault.
#ifndef COLLET_CORE_PLUGIN_PEEK_H
#define COLLET_CORE_PLUGIN_PEEK_H

#include <stdbool.h>

#include "collet/base.h"

// Copies n_bytes; false, *dst undefined, when they are not all mapped and readable.
bool collet_peek(void *dst, const void *src, size_t n_bytes);

typedef enum collet_peek_result {
    COLLET_PEEK_OK = 0,
    COLLET_PEEK_NULL, // src is NULL; out is ""
    COLLET_PEEK_LONG, // no terminator within n_out bytes; out holds the first n_out - 1
    COLLET_PEEK_FAULT // not mapped; out is ""
} collet_peek_result;

// Copies a NUL-terminated text into out, which is always terminated.
collet_peek_result collet_peek_text(char *out, size_t n_out, const char *src);

#endif
