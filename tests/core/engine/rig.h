// SPDX-License-Identifier: Apache-2.0
// tests/core/engine/rig.h - profile, registry, runtime, model, engine: all real, on a tiny model of the goldens.
#ifndef COLLET_TESTS_ENGINE_RIG_H
#define COLLET_TESTS_ENGINE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/text.h"
#include "core/engine/engine.h"
#include "plugins/reference/reference.h"
#include "tests/golden/golden.h"

#define RIG_SETS_MAX 12
#define RIG_EXTRA_MAX 2

typedef struct rig_opts {
    const char *model;                         // a file of the goldens: "hf/llama-tied/llama-tied-bf16.gguf"; or a path
    const char *sets[RIG_SETS_MAX];            // --set of the profile; NULL ends the list
    const char *profile_path;                  // --profile; may be NULL
    bool plugins;                              // look at the build's lib/collet too
    const collet_plugin *extra[RIG_EXTRA_MAX]; // records beside the built-in one
    collet_engine_opts engine;
} rig_opts;

typedef struct rig {
    collet_log log; // everything up to info, into `lines`
    collet_text lines;
    collet_profile *profile;
    collet_registry *registry;
    collet_runtime *runtime;
    collet_model *model;
    collet_engine *engine;
    collet_error err; // of the last step of rig_open
} rig;

// Skips the test, by name, when the model's file is not there.
void rig_need(const char *model);

// Each opens what is below it as well; the status and rig->err are those of the first that fails. rig_close() accepts
// what they left behind.
collet_status rig_open_runtime(rig *r, const rig_opts *o);
collet_status rig_open_model(rig *r, const rig_opts *o);
collet_status rig_open(rig *r, const rig_opts *o);
void rig_close(rig *r);

// n made-up ids, always the same for a seed.
void rig_prompt(uint32_t *ids, uint32_t n, uint32_t seed, const rig *r);

// Takes all tokens of a request; returns the last status, and their number in *n.
collet_status rig_finish(uint32_t *ids, uint32_t *n, uint32_t n_max, collet_request *request, collet_error *err);

// Submits and finishes one request that must succeed; returns the number of ids.
uint32_t rig_answer(uint32_t *ids, uint32_t n_max, rig *r, const collet_request_opts *o);

// `text` holds `part`; prints both otherwise.
#define assert_holds(text, part) rig_assert_holds(text, part, __FILE__, __LINE__)
void rig_assert_holds(const char *text, const char *part, const char *file, int line);

#endif
