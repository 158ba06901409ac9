// SPDX-License-Identifier: Apache-2.0
// cli/open.h - from a command line to a model that can answer, and back.
#ifndef COLLET_CLI_OPEN_H
#define COLLET_CLI_OPEN_H

#include "cli/common.h"
#include "core/engine/engine.h"
#include "core/text/tokenizer.h"

typedef struct collet_opened {
    collet_session session;
    collet_runtime *runtime;
    collet_model *model;         // NULL when only the runtime was asked for
    collet_tokenizer *tokenizer; // NULL unless asked for
    collet_engine *engine;       // NULL unless asked for
    double load_s;
} collet_opened;

enum {
    COLLET_OPEN_RUNTIME = 0,
    COLLET_OPEN_MODEL = 1, // -m
    COLLET_OPEN_TOKENIZER = 2,
    COLLET_OPEN_ENGINE = 4
};
#define COLLET_OPEN_REQUESTS(n) ((uint32_t)(n) << 8) // an engine for n requests at a time, whatever the profile says

// Opens what is asked for, in that order. What is wrong has been printed when it returns other than COLLET_EXIT_OK;
// everything is then closed.
int collet_open(collet_opened *o, const collet_args *args, uint32_t what);
void collet_close(collet_opened *o);

// The profile's engine section.
void collet_open_engine_opts(const collet_opened *o, uint32_t what, collet_engine_opts *opts);

// While an answer is made, Ctrl-C cancels the request and a second one ends the program at once.
// NULL: back to the default.
void collet_interrupt_cancels(collet_request *r);

#endif
