// SPDX-License-Identifier: Apache-2.0
// tests/faults/test_spine_nomem.c - from the profile to the second token, with the Nth allocation failing.
//
// The linker sends malloc, calloc, realloc, strdup, aligned_alloc and mmap of the core and of the built-in plugin here
// (--wrap, CMakeLists.txt); libjansson is told by its own function.
#include <errno.h>
#include <jansson.h>
#include <sys/mman.h>

#include "tests/core/engine/rig.h"

#define MODEL "hf/llama-rope3/llama-rope3-f32.gguf"

static long left = -1; // allocations until one fails; negative: none fails

static bool fails(void)
{
    if (left < 0 || left-- != 0)
        return false;
    errno = ENOMEM;
    return true;
}

void *__real_malloc(size_t n_bytes);
void *__real_calloc(size_t n, size_t n_bytes);
void *__real_realloc(void *p, size_t n_bytes);
char *__real_strdup(const char *text);
void *__real_aligned_alloc(size_t align, size_t n_bytes);
void *__real_mmap(void *at, size_t n_bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t n_bytes);
void *__wrap_calloc(size_t n, size_t n_bytes);
void *__wrap_realloc(void *p, size_t n_bytes);
char *__wrap_strdup(const char *text);
void *__wrap_aligned_alloc(size_t align, size_t n_bytes);
void *__wrap_mmap(void *at, size_t n_bytes, int protection, int flags, int fd, off_t offset);

void *__wrap_malloc(size_t n_bytes)
{
    return fails() ? NULL : __real_malloc(n_bytes);
}

void *__wrap_calloc(size_t n, size_t n_bytes)
{
    return fails() ? NULL : __real_calloc(n, n_bytes);
}

void *__wrap_realloc(void *p, size_t n_bytes)
{
    return fails() ? NULL : __real_realloc(p, n_bytes);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

void *__wrap_aligned_alloc(size_t align, size_t n_bytes)
{
    return fails() ? NULL : __real_aligned_alloc(align, n_bytes);
}

void *__wrap_mmap(void *at, size_t n_bytes, int protection, int flags, int fd, off_t offset)
{
    return fails() ? MAP_FAILED : __real_mmap(at, n_bytes, protection, flags, fd, offset);
}

static const rig_opts opts = { .model = MODEL,
                               .sets = { "engine.threads=1", "slots.matmul=cpu.matmul.ref" },
                               .engine = { .context = 16, .max_requests = 2, .step_tokens = 4 } };

// Runs `part` with its Nth allocation failing, N = first, first + step, ..., until it meets none: what it returns is
// NOMEM with a message, or OK where an allocation was not needed. Returns how many there are.
typedef collet_status part_fn(rig *r);
static long sweep(const char *name, part_fn *part, rig *r, long first, long step)
{
    long n = first, n_failed = 0;
    for (bool done = false; !done; n += step) {
        left = n;
        collet_status st = part(r);
        done = left >= 0; // nobody met the failure
        left = -1;
        if (st == COLLET_OK)
            continue;
        if (st != COLLET_E_NOMEM || r->err.msg[0] == '\0')
            fail_msg("%s, allocation %ld: status %d, '%s'", name, n, (int)st, r->err.msg);
        assert_false(done);
        n_failed++;
    }
    print_message("%s: %ld allocations, %ld of those that failed were needed\n", name, n - step, n_failed);
    assert_true(n_failed > 0);
    return n - step;
}

// ---- the parts ----

static collet_status whole_runtime(rig *r)
{
    rig fresh;
    collet_status st = rig_open_runtime(&fresh, &opts);
    r->err = fresh.err;
    rig_close(&fresh);
    return st;
}

static collet_status open_and_close_model(rig *r)
{
    char path[4096];
    collet_model *m = NULL;
    collet_status st = collet_model_open(&m, r->runtime, golden_path(path, ".", MODEL), &r->err);
    assert_true(st == COLLET_OK || !m);
    collet_model_close(m);
    return st;
}

static collet_status create_and_destroy_engine(rig *r)
{
    collet_engine *e = NULL;
    collet_status st = collet_engine_create(&e, r->model, &opts.engine, &r->err);
    assert_true(st == COLLET_OK || !e);
    collet_engine_destroy(e);
    return st;
}

// With a runtime of its own, so that modules and devices are opened under failing allocations too.
static collet_status whole_engine(rig *r)
{
    rig fresh;
    collet_status st = rig_open(&fresh, &opts);
    r->err = fresh.err;
    rig_close(&fresh);
    return st;
}

static collet_status two_tokens(rig *r)
{
    static const uint32_t prompt[] = { 1, 2, 3, 4, 5, 6 }, stops[] = { 100000 };
    static const collet_logit_bias bias[] = { { .id = 3, .bias = 0.5f } };
    const collet_request_opts o = { .prompt = prompt,
                                    .n_prompt = 6,
                                    .max_tokens = 2,
                                    .stop_ids = stops,
                                    .n_stop_ids = 1,
                                    .sampling = { .temperature = 0.8f,
                                                  .top_k = 20,
                                                  .top_p = 0.9f,
                                                  .repetition_penalty = 1.0f,
                                                  .bias = bias,
                                                  .n_bias = 1 } };
    collet_request *request = NULL;
    uint32_t ids[4], n = 0;
    collet_status st = collet_engine_submit(&request, r->engine, &o, &r->err);
    assert_true(st == COLLET_OK || !request);
    if (st == COLLET_OK)
        st = rig_finish(ids, &n, 4, request, &r->err);
    assert_true(st != COLLET_OK || n == 2);
    collet_request_destroy(request);
    return st;
}

// ---- tests ----

static long n_before_model; // allocations up to the runtime, which the first test has seen to

static void test_spine_nomem__profile_registry_and_runtime(void **state)
{
    (void)state;
    const long step = COLLET_SANITIZER ? 5 : 1; // a sanitizer makes the forks that try instruction sets slow
    rig r = { .err = COLLET_ERROR_INIT };
    n_before_model = sweep("runtime", whole_runtime, &r, 0, step);
}

static void test_spine_nomem__model(void **state)
{
    (void)state;
    rig r;
    rig_need(MODEL);
    assert_int_equal(rig_open_runtime(&r, &opts), COLLET_OK);
    sweep("model", open_and_close_model, &r, 0, 1);
    rig_close(&r);
}

static void test_spine_nomem__engine_on_a_model_that_lives_on(void **state)
{
    (void)state;
    rig r;
    rig_need(MODEL);
    assert_int_equal(rig_open_model(&r, &opts), COLLET_OK);
    sweep("engine", create_and_destroy_engine, &r, 0, 1);
    rig_close(&r);
}

static void test_spine_nomem__request_and_two_tokens(void **state)
{
    (void)state;
    rig r;
    rig_need(MODEL);
    assert_int_equal(rig_open(&r, &opts), COLLET_OK);
    sweep("request", two_tokens, &r, 0, 1);
    rig_close(&r);
}

static void test_spine_nomem__everything_from_nothing(void **state)
{
    (void)state;
    rig r = { .err = COLLET_ERROR_INIT };
    rig_need(MODEL);
    sweep("whole", whole_engine, &r, n_before_model, 1);
}

#define TEST(name) cmocka_unit_test(test_spine_nomem__##name)

int main(void)
{
    json_set_alloc_funcs(__wrap_malloc, free);
    const struct CMUnitTest tests[] = {
        TEST(profile_registry_and_runtime),    TEST(model),
        TEST(engine_on_a_model_that_lives_on), TEST(request_and_two_tokens),
        TEST(everything_from_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
