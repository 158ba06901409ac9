// SPDX-License-Identifier: Apache-2.0
// tests/core/engine/rig.c
#include "tests/core/engine/rig.h"

#include <unistd.h>

static const char *build_path(char out[600], const char *name)
{
    const char *build = getenv("COLLET_BUILD_DIR");
    assert_non_null(build); // ctest sets it
    snprintf(out, 600, "%s/%s", build, name);
    return out;
}

static const char *model_path(char out[4096], const char *model)
{
    if (strncmp(model, "hf/", 3) == 0)
        return golden_path(out, ".", model);
    snprintf(out, 4096, "%s", model);
    return out;
}

void rig_need(const char *model)
{
    char path[4096];
    if (access(model_path(path, model), R_OK) == 0)
        return;
    fprintf(stderr, "skipped: no %s (set COLLET_GOLDENS)\n", path);
    skip();
}

static void keep_line(void *ctx, int32_t level, const char *line)
{
    if (level <= COLLET_LOG_INFO)
        collet_text_printf(ctx, "%s\n", line);
}

static collet_status open_profile(rig *r, const rig_opts *o)
{
    size_t n = 0;
    while (n < RIG_SETS_MAX && o->sets[n])
        n++;
    const collet_profile_opts opts = { .path = o->profile_path, .sets = o->sets, .n_sets = n, .no_user = true };
    return collet_profile_load(&r->profile, &opts, NULL, &r->err);
}

static collet_status open_registry(rig *r, const rig_opts *o)
{
    char folder[600], scanner[600];
    const char *search[] = { build_path(folder, "lib/collet") };
    const collet_plugin *built_in[RIG_EXTRA_MAX + 1] = { &collet_reference_plugin };
    collet_registry_opts opts = { .log = &r->log,
                                  .built_in = built_in,
                                  .n_built_in = 1,
                                  .search = search,
                                  .n_search = o->plugins ? 1 : 0,
                                  .scanner_path = build_path(scanner, "bin/collet-scan"),
                                  .cache_path = "" };
    for (size_t i = 0; i < RIG_EXTRA_MAX && o->extra[i]; i++)
        built_in[opts.n_built_in++] = o->extra[i];
    return collet_registry_create(&r->registry, &opts, &r->err);
}

collet_status rig_open_runtime(rig *r, const rig_opts *o)
{
    *r = (rig){ .err = COLLET_ERROR_INIT };
    r->log = (collet_log){ .level = COLLET_LOG_INFO, .write = keep_line, .ctx = &r->lines };
    collet_text_add(&r->lines, "", 0);
    unsetenv("COLLET_PLUGIN_PATH");
    setenv("XDG_DATA_HOME", "/nonexistent", 1); // the user's plugins are not this test's
    collet_status st = open_profile(r, o);
    if (st == COLLET_OK)
        st = open_registry(r, o);
    const collet_runtime_opts opts = { .profile = r->profile, .registry = r->registry, .log = &r->log };
    return st == COLLET_OK ? collet_runtime_create(&r->runtime, &opts, &r->err) : st;
}

collet_status rig_open_model(rig *r, const rig_opts *o)
{
    char path[4096];
    collet_status st = rig_open_runtime(r, o);
    return st == COLLET_OK ? collet_model_open(&r->model, r->runtime, model_path(path, o->model), &r->err) : st;
}

collet_status rig_open(rig *r, const rig_opts *o)
{
    collet_engine_opts engine = o->engine;
    if (engine.context == 0)
        engine.context = 256;
    if (engine.max_requests == 0)
        engine.max_requests = 4;
    if (engine.step_tokens == 0)
        engine.step_tokens = 64;
    collet_status st = rig_open_model(r, o);
    return st == COLLET_OK ? collet_engine_create(&r->engine, r->model, &engine, &r->err) : st;
}

void rig_close(rig *r)
{
    collet_engine_destroy(r->engine);
    collet_model_close(r->model);
    collet_runtime_destroy(r->runtime);
    collet_registry_destroy(r->registry);
    collet_profile_destroy(r->profile);
    collet_text_free(&r->lines);
    *r = (rig){ 0 };
}

void rig_prompt(uint32_t *ids, uint32_t n, uint32_t seed, const rig *r)
{
    uint32_t n_vocab = collet_model_hparams(r->model)->n_vocab, x = seed * 2654435761u + 1;
    for (uint32_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        ids[i] = (x >> 8) % n_vocab;
    }
}

collet_status rig_finish(uint32_t *ids, uint32_t *n, uint32_t n_max, collet_request *request, collet_error *err)
{
    *n = 0;
    for (;;) {
        const uint32_t *tokens = NULL;
        uint32_t n_tokens = 0;
        collet_status st = collet_request_next(&tokens, &n_tokens, request, err);
        if (st != COLLET_OK || n_tokens == 0)
            return st;
        assert_true(*n + n_tokens <= n_max);
        memcpy(ids + *n, tokens, n_tokens * sizeof *ids);
        *n += n_tokens;
    }
}

uint32_t rig_answer(uint32_t *ids, uint32_t n_max, rig *r, const collet_request_opts *o)
{
    collet_request *request = NULL;
    uint32_t n = 0;
    if (collet_engine_submit(&request, r->engine, o, &r->err) != COLLET_OK ||
        rig_finish(ids, &n, n_max, request, &r->err) != COLLET_OK)
        fail_msg("%s", r->err.msg);
    collet_request_destroy(request);
    return n;
}

void rig_assert_holds(const char *text, const char *part, const char *file, int line)
{
    if (!text || !strstr(text, part)) {
        print_error("'%s'\ndoes not hold '%s'\n", text ? text : "(null)", part);
        _fail(file, line);
    }
}
