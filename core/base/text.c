// SPDX-License-Identifier: Apache-2.0
// core/base/text.c
#include "core/base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/arith.h"

static bool reserve(collet_text *t, size_t n_more)
{
    if (t->failed)
        return false;
    size_t need = t->n_bytes + n_more + 1;
    if (need <= t->capacity)
        return true;
    size_t capacity = t->capacity ? t->capacity : 128;
    while (capacity < need)
        capacity *= 2;
    char *grown = realloc(t->data, capacity);
    if (!grown) {
        t->failed = true;
        return false;
    }
    t->data = grown;
    t->capacity = capacity;
    return true;
}

void collet_text_add(collet_text *t, const char *data, size_t n_bytes)
{
    if (!reserve(t, n_bytes))
        return;
    if (n_bytes)
        memcpy(t->data + t->n_bytes, data, n_bytes);
    t->n_bytes += n_bytes;
    t->data[t->n_bytes] = '\0';
}

void collet_text_printf(collet_text *t, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        t->failed = true;
    else if (reserve(t, (size_t)n)) {
        vsnprintf(t->data + t->n_bytes, (size_t)n + 1, format, again);
        t->n_bytes += (size_t)n;
    }
    va_end(again);
}

void collet_text_free(collet_text *t)
{
    free(t->data);
    *t = (collet_text){ 0 };
}

#define NAME_MAX_BYTES 64

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

static size_t distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    size_t d[NAME_MAX_BYTES + 1][NAME_MAX_BYTES + 1];
    for (size_t i = 0; i <= n_a; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= n_b; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= n_a; i++)
        for (size_t j = 1; j <= n_b; j++) {
            size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
            d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < d[i][j])
                d[i][j] = d[i - 2][j - 2] + 1;
        }
    return d[n_a][n_b];
}

const char *collet_nearest(const char *name, const char *const *candidates, size_t n_candidates)
{
    size_t n = strlen(name);
    if (n == 0 || n > NAME_MAX_BYTES)
        return NULL;
    size_t best_distance = n / 3 + 1; // a name of 1 or 2 letters may differ in one
    const char *best = NULL;
    for (size_t i = 0; i < n_candidates; i++) {
        size_t m = strlen(candidates[i]);
        if (m > NAME_MAX_BYTES)
            continue;
        size_t d = distance(name, n, candidates[i], m);
        if (d < best_distance || (d == best_distance && !best && d <= n / 2)) {
            best_distance = d;
            best = candidates[i];
        }
    }
    return best;
}

// Bytes of the valid UTF-8 character at s, or 0.
static size_t utf8_length(const unsigned char *s, size_t n)
{
    if (s[0] < 0x80)
        return 1;
    size_t need = s[0] >= 0xf0 && s[0] <= 0xf4  ? 4
                  : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                  : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                                                : 0;
    if (need == 0 || need > n)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return need;
}

const char *collet_escape(char *out, size_t n_out, const char *in, size_t n_in)
{
    const unsigned char *s = (const unsigned char *)in;
    size_t n = 0;
    for (size_t i = 0; i < n_in;) {
        size_t length = utf8_length(s + i, n_in - i);
        bool plain = length > 0 && s[i] >= 0x20 && s[i] != 0x7f && s[i] != '\\';
        size_t need = plain ? length : 4;
        if (n + need + 4 > n_out && !(i + length == n_in && n + need < n_out)) {
            if (n + 4 <= n_out) {
                memcpy(out + n, "...", 3);
                n += 3;
            }
            break;
        }
        if (plain)
            memcpy(out + n, s + i, length);
        else
            snprintf(out + n, 5, "\\x%02x", s[i]);
        n += need;
        i += plain ? length : 1;
    }
    if (n_out)
        out[n < n_out ? n : n_out - 1] = '\0';
    return out;
}

const char *collet_format_bytes(char *out, size_t n_out, uint64_t n_bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double value = (double)n_bytes;
    size_t unit = 0;
    while (value >= 1024.0 && unit + 1 < COLLET_COUNT(units)) {
        value /= 1024.0;
        unit++;
    }
    snprintf(out, n_out, unit == 0 ? "%.0f %s" : "%.2f %s", value, units[unit]);
    return out;
}

bool collet_parse_bytes(const char *text, uint64_t *n_bytes)
{
    static const struct {
        const char *name;
        uint32_t shift;
    } units[] = { { "", 0 },     { "B", 0 },  { "k", 10 },   { "KiB", 10 }, { "M", 20 },
                  { "MiB", 20 }, { "G", 30 }, { "GiB", 30 }, { "T", 40 },   { "TiB", 40 } };
    if (!isdigit((unsigned char)text[0]))
        return false;
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0)
        return false;
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < COLLET_COUNT(units); i++)
        if (strcasecmp(end, units[i].name) == 0)
            return collet_mul_u64(value, 1ull << units[i].shift, n_bytes) && *n_bytes <= INT64_MAX;
    return false;
}

bool collet_glob(const char *pattern, const char *text)
{
    const char *star = NULL, *retry = NULL; // the last '*' and where its match may grow
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}
