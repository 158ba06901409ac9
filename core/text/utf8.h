// SPDX-License-Identifier: Apache-2.0
// core/text/utf8.h - where characters begin and end.
#ifndef COLLET_CORE_TEXT_UTF8_H
#define COLLET_CORE_TEXT_UTF8_H

#include <stddef.h>
#include <stdint.h>

// How many bytes a character with this first byte has; 0 when none begins with it (the table's C0, C1, F5..
// and 80..BF).
static inline size_t collet_utf8_lead(uint8_t lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2)
        return 0;
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
}

// Length of the character at s[0..n), n > 0; 0 when these bytes are none (cut short, overlong, a surrogate, too large).
static inline size_t collet_utf8_length(const char *s, size_t n)
{
    const uint8_t *u = (const uint8_t *)s;
    size_t length = collet_utf8_lead(u[0]);
    if (length <= 1)
        return length;
    if (length > n)
        return 0;
    // The second byte's range depends on the first: Unicode table 3-7.
    uint8_t low = u[0] == 0xE0 ? 0xA0 : u[0] == 0xF0 ? 0x90 : 0x80;
    uint8_t high = u[0] == 0xED ? 0x9F : u[0] == 0xF4 ? 0x8F : 0xBF;
    if (u[1] < low || u[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((u[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

// How many bytes at the end of s[0..n) begin a character that more bytes could finish: 0 to 3.
static inline size_t collet_utf8_unfinished(const char *s, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        uint8_t u = (uint8_t)s[n - back];
        if ((u & 0xC0) == 0x80)
            continue;
        if (collet_utf8_lead(u) <= back)
            return 0;
        if (back > 1) { // the range of the second byte may already rule it out
            char whole[4] = { s[n - back], s[n - back + 1], '\x80', '\x80' };
            if (back == 3)
                whole[2] = s[n - 1];
            return collet_utf8_length(whole, 4) ? back : 0;
        }
        return back;
    }
    return 0;
}

#endif
