// SPDX-License-Identifier: Apache-2.0
// core/plugin/problems.c
#include "core/plugin/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/error.h"

#define PROBLEMS_MAX 100

// Texts of the file and of the environment are quoted in messages, so all of it is escaped here, once.
static void add(collet_problems *p, collet_status code, const collet_mark *mark, const char *raw)
{
    char where[512] = "", message[1024];
    collet_escape(message, sizeof message, raw, strlen(raw));
    if (mark && mark->line > 0)
        snprintf(where, sizeof where, "%s:%d:%d: ", mark->file, mark->line, mark->column);
    else if (mark && mark->file)
        snprintf(where, sizeof where, "%s: ", mark->file);
    if (p->n++ == 0) {
        p->first = code;
        collet_fail(p->err, code, "%s%s", where, message);
    }
    if (p->text && p->n <= PROBLEMS_MAX)
        collet_text_printf(p->text, "%s%s\n", where, message);
    else if (p->text && p->n == PROBLEMS_MAX + 1)
        collet_text_printf(p->text, "there are more than %d problems; the others are not shown\n", PROBLEMS_MAX);
}

void collet_problem(collet_problems *problems, collet_status code, const collet_mark *mark, const char *format, ...)
{
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    add(problems, code, mark, message);
}

void collet_problem_unknown(collet_problems *problems, const collet_mark *mark, const char *name,
                            const collet_candidates *known, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);

    collet_text line = { 0 };
    collet_text_printf(&line, "%s", message);
    const char *nearest = collet_nearest(name, known->names, known->n);
    if (nearest)
        collet_text_printf(&line, "; did you mean '%s'?", nearest);
    for (size_t i = 0; !nearest && known->list && i < known->n; i++)
        collet_text_printf(&line, "%s%s", i == 0 ? "; known: " : ", ", known->names[i]);
    add(problems, COLLET_E_INVALID, mark, line.failed ? message : line.data);
    collet_text_free(&line);
}
