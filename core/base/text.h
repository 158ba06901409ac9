// SPDX-License-Identifier: Apache-2.0
// core/base/text.h - small things about text: growing buffers, nearest names, escaping what others wrote.
#ifndef COLLET_CORE_BASE_TEXT_H
#define COLLET_CORE_BASE_TEXT_H

#include <stdbool.h>

#include "collet/base.h"

// A growing text, always NUL-terminated once something was added. When memory runs out it stops growing and `failed`
// stays set, so that a caller tests once at the end.
typedef struct collet_text {
    char *data; // NULL while empty
    size_t n_bytes, capacity;
    bool failed;
} collet_text;

void collet_text_add(collet_text *t, const char *data, size_t n_bytes);
void collet_text_printf(collet_text *t, const char *format, ...) COLLET_PRINTF(2, 3);
void collet_text_free(collet_text *t); // zeroes; accepts a zeroed one

// The candidate with the smallest edit distance (Damerau-Levenshtein, transpositions of neighbours), at most a third of
// the name's length; NULL when none is near. The first wins a tie.
const char *collet_nearest(const char *name, const char *const *candidates, size_t n_candidates);

// Writes `in` into out (capacity n_out, terminated) with control bytes, backslash and invalid UTF-8 as \xNN, and cut
// at n_out: for messages that quote files and plugins.
const char *collet_escape(char *out, size_t n_out, const char *in, size_t n_in);

// 1234567 -> "1.18 MiB".
const char *collet_format_bytes(char *out, size_t n_out, uint64_t n_bytes);

// "512MiB", "4GiB", "1k" (1024), "1000000": false when malformed or too large.
bool collet_parse_bytes(const char *text, uint64_t *n_bytes);

// Shell-like pattern with '*' and '?', whole-string match, case-sensitive.
bool collet_glob(const char *pattern, const char *text);

#endif
