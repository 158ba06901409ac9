// SPDX-License-Identifier: Apache-2.0
// core/engine/stop_text.h - stop strings across tokens: text passes through, held back while it may become a stop.
#ifndef COLLET_CORE_ENGINE_STOP_TEXT_H
#define COLLET_CORE_ENGINE_STOP_TEXT_H

#include <stdbool.h>

#include "core/base/text.h"

// Lifecycle: zeroed, set stops -> { feed }* -> flush -> free
typedef struct collet_stop_text {
    const char *const *stops; // borrowed; none is empty
    size_t n_stops;
    collet_text held; // not yet lent
    size_t n_lent;    // bytes at the front of `held` that the last call lent
    bool stopped;     // a stop was found: what follows is ignored
} collet_stop_text;

// Adds text; lends what can no longer be part of a stop, until the next call. When a stop is complete, what stands
// before it is lent and `stopped` is set.  Errors: NOMEM
collet_status collet_stop_text_feed(const char **out, size_t *n_out, collet_stop_text *s, const char *text, size_t n,
                                    collet_error *err);
// The answer is over: lends what was held back.
void collet_stop_text_flush(const char **out, size_t *n_out, collet_stop_text *s);
void collet_stop_text_free(collet_stop_text *s);

#endif
