// SPDX-License-Identifier: Apache-2.0
// core/plugin/problems.h - everything that is wrong with a profile, collected before it fails.
#ifndef COLLET_CORE_PLUGIN_PROBLEMS_H
#define COLLET_CORE_PLUGIN_PROBLEMS_H

#include "core/base/text.h"

// Where a text stands. line 0: not in a file; `file` is then "--set" or "COLLET_THREADS".
typedef struct collet_mark {
    const char *file;
    int line, column; // from 1
} collet_mark;

typedef struct collet_problems {
    collet_text *text;   // one line each; NULL: the first alone is kept, in err
    collet_error *err;   // the first; may be NULL
    collet_status first; // COLLET_OK while there is none
    size_t n;            // lines beyond PROBLEMS_MAX are counted, not kept
} collet_problems;

// Adds "file:line:column: <message>"; control bytes are escaped.
void collet_problem(collet_problems *problems, collet_status code, const collet_mark *mark, const char *format, ...)
    COLLET_PRINTF(4, 5);

// The same, ending in "; did you mean 'x'?" when a candidate is near, else in "; known: a, b, c" when `list` is true.
typedef struct collet_candidates {
    const char *const *names;
    size_t n;
    bool list;
} collet_candidates;
void collet_problem_unknown(collet_problems *problems, const collet_mark *mark, const char *name,
                            const collet_candidates *known, const char *format, ...) COLLET_PRINTF(5, 6);

#endif
