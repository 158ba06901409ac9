// SPDX-License-Identifier: Apache-2.0
// cli/open.c
#include "cli/open.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/engine/vocab_gguf.h"

// What SIGINT ends: loading, then a request. A handler has no other way to know.
static atomic_bool interrupted_loading;
static collet_request *_Atomic interrupted_request;

static void on_interrupt(int signal_number)
{
    collet_request *r = atomic_load(&interrupted_request);
    atomic_store(&interrupted_loading, true);
    if (r)
        collet_request_cancel(r);
    signal(signal_number, SIG_DFL); // the second one ends the program at once
}

void collet_interrupt_cancels(collet_request *r)
{
    atomic_store(&interrupted_request, r);
    signal(SIGINT, r ? on_interrupt : SIG_DFL);
}

void collet_open_engine_opts(const collet_opened *o, uint32_t what, collet_engine_opts *opts)
{
    const collet_profile *p = o->session.profile;
    *opts = (collet_engine_opts){ .context = (uint32_t)collet_profile_int(p, "engine.context"),
                                  .max_requests = (uint32_t)collet_profile_int(p, "engine.max_requests"),
                                  .step_tokens = (uint32_t)collet_profile_int(p, "engine.step_tokens") };
    if (what >> 8)
        opts->max_requests = what >> 8;
}

// A model's own fault is the model's exit code, whatever status it came with; memory and the user's are theirs.
static int model_exit(const collet_error *err)
{
    switch (err->code) {
    case COLLET_E_INVALID:
        return COLLET_EXIT_USAGE;
    case COLLET_E_ABI:
        return COLLET_EXIT_PLUGIN;
    default:
        return COLLET_EXIT_MODEL;
    }
}

static int open_model(collet_opened *o, const collet_args *args, uint32_t what)
{
    collet_error err = COLLET_ERROR_INIT;
    const char *path = collet_args_text(args, "model");
    if (!path || !path[0])
        path = collet_profile_text(o->session.profile, "model.path");
    if (!path || !path[0])
        return collet_cli_error(COLLET_EXIT_USAGE, "no model: give -m FILE, or model.path in a profile");
    collet_status st = collet_model_open(&o->model, o->runtime, path, &err);
    if (st == COLLET_OK && what & COLLET_OPEN_TOKENIZER) {
        st = collet_tokenizer_from_gguf(&o->tokenizer, collet_model_gguf(o->model), &err);
        if (st == COLLET_OK && collet_tokenizer_warning(o->tokenizer))
            collet_log_line(&o->session.log, COLLET_LOG_WARN, NULL, "%s", collet_tokenizer_warning(o->tokenizer));
    }
    if (st != COLLET_OK)
        return collet_cli_fail(&err, model_exit(&err));
    if (what & COLLET_OPEN_ENGINE) {
        collet_engine_opts opts;
        collet_open_engine_opts(o, what, &opts);
        signal(SIGINT, on_interrupt);
        st = collet_engine_create(&o->engine, o->model, &opts, &err);
        signal(SIGINT, SIG_DFL);
        if (st == COLLET_OK && atomic_load(&interrupted_loading)) // too late for whoever looks while loading
            st = collet_fail(&err, COLLET_E_CANCELLED, "interrupted while loading");
        if (st != COLLET_OK)
            return collet_cli_fail(&err, model_exit(&err));
    }
    collet_gguf_forget_header(collet_model_gguf(o->model));
    return COLLET_EXIT_OK;
}

int collet_open(collet_opened *o, const collet_args *args, uint32_t what)
{
    memset(o, 0, sizeof *o);
    double begin = collet_now_s();
    int exit_code = collet_session_open(&o->session, args);
    if (exit_code != COLLET_EXIT_OK)
        return exit_code;
    collet_error err = COLLET_ERROR_INIT;
    const collet_runtime_opts opts = { .profile = o->session.profile,
                                       .registry = o->session.registry,
                                       .log = &o->session.log,
                                       .cancelled = &interrupted_loading };
    if (collet_runtime_create(&o->runtime, &opts, &err) != COLLET_OK)
        exit_code = collet_cli_fail(&err, COLLET_EXIT_FAILED);
    else if (what != COLLET_OPEN_RUNTIME)
        exit_code = open_model(o, args, what);
    o->load_s = collet_now_s() - begin;
    if (exit_code != COLLET_EXIT_OK)
        collet_close(o);
    return exit_code;
}

void collet_close(collet_opened *o)
{
    collet_engine_destroy(o->engine);
    collet_tokenizer_destroy(o->tokenizer);
    collet_model_close(o->model);
    collet_runtime_destroy(o->runtime);
    collet_session_close(&o->session);
    memset(o, 0, sizeof *o);
}
