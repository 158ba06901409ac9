// SPDX-License-Identifier: Apache-2.0
// bench/bench_step.c - what a step costs beside its kernels: one token drawn, one parallel region.
//
//     bench_step [--vocab N] [--threads N] [--rounds N]
//
// sample:  us to draw one token from N logits that fall like a language model's: a few large, the rest around 0
// region:  us of a parallel region whose tasks do nothing, and of one whose tasks each sum 16 KiB
// Medians of `rounds`, and the best: the machine is shared, and others can only slow a draw down.
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/pool.h"
#include "core/engine/sample.h"
#include "core/measure/stats.h"

enum { ROUNDS_MAX = 1000, REGIONS = 2000, TASK_FLOATS = 4096 };

static void *allocate(size_t n_bytes)
{
    void *p = aligned_alloc(64, (n_bytes + 63) / 64 * 64);
    if (!p) {
        fprintf(stderr, "bench_step: no memory for %zu bytes\n", n_bytes);
        exit(1);
    }
    memset(p, 0, n_bytes);
    return p;
}

static void print_row(const char *name, double *seconds, uint32_t n)
{
    double best = seconds[0];
    for (uint32_t i = 1; i < n; i++)
        best = fmin(best, seconds[i]);
    printf("%-44s %9.2f %9.2f\n", name, collet_median(seconds, n) * 1e6, best * 1e6);
    fflush(stdout);
}

// ---- sampling ----

// A normal distribution of deviation 3, and 50 tokens up to 15 above it.
static float *make_logits(uint32_t n_vocab)
{
    float *logits = allocate(n_vocab * sizeof *logits);
    collet_rng rng;
    collet_rng_seed(&rng, 1);
    for (uint32_t i = 0; i < n_vocab; i++) {
        const double u = collet_rng_next(&rng) + 1e-12, v = collet_rng_next(&rng);
        logits[i] = (float)(3.0 * sqrt(-2.0 * log(u)) * cos(6.283185307 * v));
    }
    for (uint32_t i = 0; i < 50; i++)
        logits[(uint64_t)i * 7919 % n_vocab] = 15.0f + 0.2f * (float)i;
    return logits;
}

static void bench_sampling(uint32_t n_vocab, uint32_t n_rounds)
{
    static const uint32_t said[] = { 5, 17, 99, 17, 230, 12, 18, 44 };
    const collet_history history = { .ids = said, .n_prompt = 4, .n = 8 };
    static const struct {
        const char *name;
        collet_sampling s;
    } chains[] = {
        { "greedy", { .top_p = 1.0f, .repetition_penalty = 1.0f } },
        { "temperature", { .temperature = 0.8f, .top_p = 1.0f, .repetition_penalty = 1.0f } },
        { "top-k 40", { .temperature = 0.8f, .top_k = 40, .top_p = 1.0f, .repetition_penalty = 1.0f } },
        { "min-p 0.05", { .temperature = 0.8f, .top_p = 1.0f, .min_p = 0.05f, .repetition_penalty = 1.0f } },
        { "top-p 0.95", { .temperature = 0.8f, .top_p = 0.95f, .repetition_penalty = 1.0f } },
        { "top-k 40, top-p 0.95, min-p 0.05",
          { .temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .min_p = 0.05f, .repetition_penalty = 1.0f } },
        { "the same and penalties",
          { .temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .min_p = 0.05f, .repetition_penalty = 1.1f } },
    };
    float *logits = make_logits(n_vocab);
    collet_sampler *sampler = collet_sampler_create(n_vocab);
    if (!sampler) {
        fprintf(stderr, "bench_step: no memory for a sampler\n");
        exit(1);
    }
    for (size_t c = 0; c < COLLET_COUNT(chains); c++) {
        double seconds[ROUNDS_MAX];
        collet_rng rng;
        collet_rng_seed(&rng, 2);
        for (uint32_t i = 0; i < n_rounds; i++) {
            uint32_t token = 0;
            const double begin = collet_now_s();
            const collet_status st = collet_sampler_draw(sampler, logits, &chains[c].s, &history, &rng, &token);
            seconds[i] = collet_now_s() - begin;
            if (st != COLLET_OK)
                exit(1);
        }
        char name[64];
        snprintf(name, sizeof name, "sample %u: %s", n_vocab, chains[c].name);
        print_row(name, seconds, n_rounds);
    }
    collet_sampler_destroy(sampler);
    free(logits);
}

// ---- regions ----

typedef struct sums {
    const float *x; // TASK_FLOATS for each task
    float *sum;     // a cache line for each task
} sums;

static void nothing(void *ctx, uint32_t task, uint32_t worker)
{
    (void)ctx;
    (void)task;
    (void)worker;
}

static void sum_task(void *ctx, uint32_t task, uint32_t worker)
{
    (void)worker;
    const sums *s = ctx;
    float part[16] = { 0 };
    for (uint32_t i = 0; i < TASK_FLOATS; i += 16)
        for (uint32_t k = 0; k < 16; k++)
            part[k] += s->x[(size_t)task * TASK_FLOATS + i + k];
    for (uint32_t k = 0; k < 16; k++)
        s->sum[(size_t)task * 16] += part[k];
}

static void bench_regions(uint32_t n_threads, uint32_t n_rounds)
{
    collet_pool *pool = NULL;
    collet_error err = COLLET_ERROR_INIT;
    const collet_pool_opts opts = { .n_workers = n_threads };
    if (collet_pool_create(&pool, &opts, &err) != COLLET_OK) {
        fprintf(stderr, "bench_step: %s\n", err.msg);
        exit(1);
    }
    sums s = { .x = allocate((size_t)n_threads * TASK_FLOATS * sizeof(float)),
               .sum = allocate((size_t)n_threads * 16 * sizeof(float)) };
    const struct {
        const char *name;
        void (*fn)(void *ctx, uint32_t task, uint32_t worker);
    } kinds[] = { { "nothing", nothing }, { "16 KiB a task", sum_task } };
    for (size_t k = 0; k < COLLET_COUNT(kinds); k++) {
        double seconds[ROUNDS_MAX];
        for (uint32_t i = 0; i < n_rounds; i++) {
            const double begin = collet_now_s();
            for (uint32_t r = 0; r < REGIONS; r++)
                collet_pool_run(pool, n_threads, kinds[k].fn, &s);
            seconds[i] = (collet_now_s() - begin) / REGIONS;
        }
        char name[64];
        snprintf(name, sizeof name, "region of %u: %s", n_threads, kinds[k].name);
        print_row(name, seconds, n_rounds);
    }
    free((void *)s.x);
    free(s.sum);
    collet_pool_destroy(pool);
}

int main(int argc, char **argv)
{
    uint32_t n_vocab = 262144, n_threads = 2, n_rounds = 51;
    for (int i = 1; i + 1 < argc; i += 2) {
        uint32_t *value = strcmp(argv[i], "--vocab") == 0     ? &n_vocab
                          : strcmp(argv[i], "--threads") == 0 ? &n_threads
                          : strcmp(argv[i], "--rounds") == 0  ? &n_rounds
                                                              : NULL;
        if (value)
            *value = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else
            n_rounds = 0;
    }
    if (argc % 2 == 0 || n_rounds == 0 || n_rounds > ROUNDS_MAX || n_threads == 0 || n_vocab < 256) {
        fprintf(stderr, "usage: bench_step [--vocab N] [--threads N] [--rounds N]\n");
        return 2;
    }
    printf("%-44s %9s %9s\n", "", "us", "best");
    bench_sampling(n_vocab, n_rounds);
    bench_regions(1, n_rounds);
    if (n_threads > 1)
        bench_regions(n_threads, n_rounds);
    return 0;
}
