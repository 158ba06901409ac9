// SPDX-License-Identifier: Apache-2.0
// core/engine/stop_text.c
#include "core/engine/stop_text.h"

#include <string.h>

#include "core/base/error.h"

static void drop_lent(collet_stop_text *s)
{
    if (s->n_lent == 0)
        return;
    memmove(s->held.data, s->held.data + s->n_lent, s->held.n_bytes - s->n_lent);
    s->held.n_bytes -= s->n_lent;
    s->held.data[s->held.n_bytes] = '\0';
    s->n_lent = 0;
}

// Does `text` of n bytes begin one of the stops, or contain it from its start on?
static bool begins_stop(const collet_stop_text *s, const char *text, size_t n, bool *complete)
{
    for (size_t i = 0; i < s->n_stops; i++) {
        size_t m = strlen(s->stops[i]);
        if (memcmp(text, s->stops[i], n < m ? n : m) == 0) {
            *complete = n >= m;
            if (*complete)
                return true;
        }
    }
    for (size_t i = 0; i < s->n_stops; i++)
        if (n < strlen(s->stops[i]) && memcmp(text, s->stops[i], n) == 0)
            return true;
    return false;
}

collet_status collet_stop_text_feed(const char **out, size_t *n_out, collet_stop_text *s, const char *text, size_t n,
                                    collet_error *err)
{
    drop_lent(s);
    *n_out = 0;
    *out = "";
    if (s->stopped)
        return COLLET_OK;
    collet_text_add(&s->held, text, n);
    if (s->held.failed)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the answer's text");
    size_t at = 0;
    for (; at < s->held.n_bytes; at++) {
        bool complete = false;
        if (!begins_stop(s, s->held.data + at, s->held.n_bytes - at, &complete))
            continue;
        s->stopped = complete;
        break;
    }
    *out = s->held.data ? s->held.data : "";
    *n_out = s->n_lent = at;
    return COLLET_OK;
}

void collet_stop_text_flush(const char **out, size_t *n_out, collet_stop_text *s)
{
    drop_lent(s);
    *out = s->held.data ? s->held.data : "";
    *n_out = s->stopped ? 0 : s->held.n_bytes;
    s->n_lent = s->held.n_bytes;
}

void collet_stop_text_free(collet_stop_text *s)
{
    collet_text_free(&s->held);
    s->n_lent = 0;
}
