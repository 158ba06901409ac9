// SPDX-License-Identifier: Apache-2.0
// tests/core/engine/test_steady.c - the steady state allocates nothing: counted, not promised.
//
// This program's malloc, calloc, ... stand before the C library's for everything in the process, plugins and threads
// included. A sanitizer needs its own, so there is nothing to see there.
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/core/engine/rig.h"

#define LLAMA "hf/llama-tied/llama-tied-bf16.gguf"
#define GEMMA "hf/gemma3/gemma3-bf16.gguf"
#define N_WARM 3 // tokens before counting: one of the prompt, two of decode steps
#define N_COUNTED 24

static atomic_bool counting;
static atomic_uint n_calls;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void count(void)
{
    if (atomic_load_explicit(&counting, memory_order_relaxed))
        atomic_fetch_add(&n_calls, 1);
}

void *__libc_malloc(size_t n_bytes);
void *__libc_calloc(size_t n, size_t n_bytes);
void *__libc_realloc(void *p, size_t n_bytes);
void *__libc_memalign(size_t align, size_t n_bytes);
COLLET_EXPORT void *memalign(size_t align, size_t n_bytes);

COLLET_EXPORT void *malloc(size_t n_bytes)
{
    count();
    return __libc_malloc(n_bytes);
}

COLLET_EXPORT void *calloc(size_t n, size_t n_bytes)
{
    count();
    return __libc_calloc(n, n_bytes);
}

COLLET_EXPORT void *realloc(void *p, size_t n_bytes)
{
    count();
    return __libc_realloc(p, n_bytes);
}

COLLET_EXPORT void *memalign(size_t align, size_t n_bytes)
{
    count();
    return __libc_memalign(align, n_bytes);
}

COLLET_EXPORT void *aligned_alloc(size_t align, size_t n_bytes)
{
    count();
    return __libc_memalign(align, n_bytes);
}

COLLET_EXPORT int posix_memalign(void **p, size_t align, size_t n_bytes)
{
    count();
    *p = __libc_memalign(align, n_bytes);
    return *p ? 0 : ENOMEM;
}

COLLET_EXPORT void *mmap(void *at, size_t n_bytes, int protection, int flags, int fd, off_t offset)
{
    count();
    return (void *)syscall(SYS_mmap, at, n_bytes, protection, flags, fd, offset);
}
#endif

static void need_counters(void)
{
    if (COLLET_SANITIZER == COLLET_SANITIZER_NONE)
        return;
    fprintf(stderr, "skipped: a sanitizer has its own malloc\n");
    skip();
}

static void test_steady__the_counters_count(void **state)
{
    (void)state;
    need_counters();
    atomic_store(&n_calls, 0);
    atomic_store(&counting, true);
    void *volatile p = malloc(10);
    char *volatile text = strdup("counted by the C library's own calls as well");
    void *map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    atomic_store(&counting, false);
    assert_int_equal(atomic_load(&n_calls), 3);
    free(p);
    free(text);
    munmap(map, 4096);
}

// Two requests of different lengths, decoded together.
static void nothing_is_allocated(const rig_opts *opts, bool replays)
{
    uint32_t prompt[2][20];
    collet_request *requests[2];
    rig r;
    if (rig_open(&r, opts) != COLLET_OK)
        fail_msg("%s", r.err.msg);
    for (uint32_t i = 0; i < 2; i++) {
        rig_prompt(prompt[i], 20, i, &r);
        const collet_request_opts o = { .prompt = prompt[i],
                                        .n_prompt = 5 + 15 * i,
                                        .max_tokens = 100,
                                        .sampling = { .temperature = 0.7f,
                                                      .top_k = 40,
                                                      .top_p = 0.9f,
                                                      .min_p = 0.01f,
                                                      .repetition_penalty = 1.1f,
                                                      .frequency_penalty = 0.1f } };
        assert_int_equal(collet_engine_submit(&requests[i], r.engine, &o, &r.err), COLLET_OK);
    }
    for (uint32_t n = 0; n < N_WARM + N_COUNTED; n++) {
        const uint32_t *tokens = NULL;
        uint32_t n_tokens = 0;
        if (n == N_WARM) {
            atomic_store(&n_calls, 0);
            atomic_store(&counting, true);
        }
        if (collet_request_next(&tokens, &n_tokens, requests[0], &r.err) != COLLET_OK || n_tokens != 1) {
            atomic_store(&counting, false);
            fail_msg("%s", r.err.msg);
        }
    }
    atomic_store(&counting, false);
    assert_int_equal(atomic_load(&n_calls), 0);
    uint64_t n_replays = 0, n_captures = 0;
    collet_plan_replays(collet_engine_plan(r.engine), &n_replays, &n_captures);
    assert_int_equal(n_captures, replays ? 1 : 0);
    assert_true(replays ? n_replays >= N_COUNTED : n_replays == 0);
    for (uint32_t i = 0; i < 2; i++)
        collet_request_destroy(requests[i]);
    rig_close(&r);
}

static void test_steady__reference_modules_allocate_nothing(void **state)
{
    (void)state;
    need_counters();
    rig_need(LLAMA);
    nothing_is_allocated(&(rig_opts){ .model = LLAMA, .sets = { "engine.threads=2" } }, false);
    nothing_is_allocated(&(rig_opts){ .model = GEMMA, .sets = { "engine.threads=2" } }, false);
}

static void test_steady__tuned_modules_allocate_nothing(void **state)
{
    (void)state;
    need_counters();
    rig_need(LLAMA);
    nothing_is_allocated(&(rig_opts){ .model = LLAMA, .sets = { "engine.threads=2" }, .plugins = true }, false);
    nothing_is_allocated(&(rig_opts){ .model = GEMMA, .sets = { "engine.threads=2" }, .plugins = true }, false);
}

static void test_steady__a_device_that_replays_allocates_nothing(void **state)
{
    (void)state;
    need_counters();
    rig_need(LLAMA);
    nothing_is_allocated(
        &(rig_opts){ .model = LLAMA, .sets = { "engine.threads=2", "slots.device=sim.device" }, .plugins = true },
        true);
    nothing_is_allocated(
        &(rig_opts){ .model = GEMMA, .sets = { "engine.threads=2", "slots.device=sim.device" }, .plugins = true },
        true);
}

#define TEST(name) cmocka_unit_test(test_steady__##name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_counters_count),
        TEST(reference_modules_allocate_nothing),
        TEST(tuned_modules_allocate_nothing),
        TEST(a_device_that_replays_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
