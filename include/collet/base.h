// SPDX-License-Identifier: Apache-2.0
// include/collet/base.h - what every tier shares: status codes, the caller's error, symbol visibility.
//
// A fallible function returns a collet_status and takes a `collet_error *err` last. The error is the caller's memory:
// nothing is freed, nothing is thread-local, and it outlives the plugin that wrote it. On failure every other output
// is untouched unless the function says otherwise. The message names what was seen, what was wanted, what to do.
#ifndef COLLET_BASE_H
#define COLLET_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define COLLET_EXPORT __declspec(dllexport)
#else
#define COLLET_EXPORT __attribute__((visibility("default")))
#endif

#if defined(__GNUC__)
#define COLLET_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#else
#define COLLET_PRINTF(format_at, first_at)
#endif

#define COLLET_COUNT(array) (sizeof(array) / sizeof((array)[0]))

// Codes are append-only; a reader treats a code that it does not know as INTERNAL.
typedef int32_t collet_status;
enum {
    COLLET_OK = 0,
    COLLET_E_INVALID = -1,     // an argument, option or profile that cannot be meant
    COLLET_E_UNSUPPORTED = -2, // understood, but not offered here: try another module
    COLLET_E_UNAVAILABLE = -3, // would work with other hardware, drivers or files: try later
    COLLET_E_NOMEM = -4,       // memory of the host or of a device ran out
    COLLET_E_ABI = -5,         // a plugin of another ABI, or one that breaks it
    COLLET_E_DEVICE = -6,      // the device is lost; sticky: only destroy functions may follow
    COLLET_E_INTERNAL = -7,    // a defect of ours or of a plugin
    COLLET_E_FORMAT = -8,      // a file that breaks its format
    COLLET_E_IO = -9,          // a file or socket that cannot be read or written
    COLLET_E_NOT_FOUND = -10,  // a name that nothing here has
    COLLET_E_CANCELLED = -11,  // the user, or a drain, asked to stop
    COLLET_E_TIMEOUT = -12     // not within the time given
};

// Bytes of a message, its terminator included. Longer text is cut at a character and ends in "...".
#define COLLET_ERROR_MSG_MAX 488

typedef struct collet_error {
    uint32_t size;      // sizeof(collet_error) as its owner compiled it
    collet_status code; // as returned
    int64_t native;     // errno, CUresult, ...; 0 when there is none
    char msg[COLLET_ERROR_MSG_MAX];
    uint64_t reserved;
} collet_error;

#ifdef __cplusplus
#define COLLET_ERROR_INIT                    \
    {                                        \
        sizeof(collet_error), 0, 0, { 0 }, 0 \
    }
#else
#define COLLET_ERROR_INIT            \
    {                                \
        .size = sizeof(collet_error) \
    }
#endif

#ifdef __cplusplus
}
#endif
#endif
