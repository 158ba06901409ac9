// SPDX-License-Identifier: Apache-2.0
// core/measure/probe.c - the probes' buffers, threads and clock; their loops are in probe_<isa>.c.
#include "core/measure/probe.h"

#include <stdbool.h>
#include <stdlib.h>

#include "collet/plugin/host.h"
#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/measure/probe_isa.h"

#define LANES 8
#define PIECE_BYTES 512u
#define PEAK_S 0.01

struct collet_read_probe {
    collet_pool *pool;
    collet_probe_read_fn *read;
    uint64_t n_bytes; // per worker
    uint64_t **data;
    uint64_t *sums; // keeps the loads alive
};

static uint64_t read_ref(const void *data, uint64_t n_bytes)
{
    const uint64_t *words = data;
    uint64_t sum[LANES] = { 0 };
    for (uint64_t i = 0; i < n_bytes / sizeof *words; i += LANES)
        for (int lane = 0; lane < LANES; lane++)
            sum[lane] += words[i + (uint64_t)lane];
    for (int lane = 1; lane < LANES; lane++)
        sum[0] += sum[lane];
    return sum[0];
}

static void fill(void *ctx, uint32_t task, uint32_t worker)
{
    (void)worker;
    collet_read_probe *p = ctx;
    for (uint64_t i = 0; i < p->n_bytes / sizeof **p->data; i++)
        p->data[task][i] = i * 0x9e3779b97f4a7c15u;
}

static void read_all(void *ctx, uint32_t task, uint32_t worker)
{
    (void)worker;
    collet_read_probe *p = ctx;
    p->sums[task] = p->read(p->data[task], p->n_bytes);
}

collet_status collet_read_probe_create(collet_read_probe **out, collet_pool *pool, uint64_t n_bytes, uint32_t isa_mask,
                                       collet_error *err)
{
    uint32_t n = collet_pool_workers(pool);
    collet_read_probe *p = calloc(1, sizeof *p);
    bool complete = p != NULL;
    if (p) {
        p->pool = pool;
        p->read = isa_mask & COLLET_ISA_AVX512 ? collet_probe_read_avx512
                  : isa_mask & COLLET_ISA_AVX2 ? collet_probe_read_avx2
                                               : read_ref;
        p->n_bytes = n_bytes / PIECE_BYTES * PIECE_BYTES;
        p->data = calloc(n, sizeof *p->data);
        p->sums = calloc(n, sizeof *p->sums);
        complete = p->data && p->sums;
        for (uint32_t i = 0; complete && i < n; i++)
            complete = (p->data[i] = aligned_alloc(64, p->n_bytes)) != NULL;
    }
    if (!complete) {
        collet_read_probe_destroy(p);
        return collet_fail(err, COLLET_E_NOMEM, "no memory to measure the read bandwidth");
    }
    collet_pool_run(pool, n, fill, p);
    *out = p;
    return COLLET_OK;
}

void collet_read_probe_destroy(collet_read_probe *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; p->data && i < collet_pool_workers(p->pool); i++)
        free(p->data[i]);
    free(p->data);
    free(p->sums);
    free(p);
}

double collet_read_probe_run(collet_read_probe *p)
{
    uint32_t n = collet_pool_workers(p->pool);
    double begin = collet_now_s();
    collet_pool_run(p->pool, n, read_all, p);
    double seconds = collet_now_s() - begin;
    return (double)n * (double)p->n_bytes / seconds;
}

// ---- arithmetic ----

static const struct {
    const char *name;
    struct {
        uint32_t isa;
        collet_probe_peak_fn *run;
    } loop[3]; // the best that this machine has decides, whichever it is
} peaks[COLLET_N_PEAKS] = {
    [COLLET_PEAK_F32] = { "f32",
                          { { COLLET_ISA_AVX512, collet_probe_f32_avx512 },
                            { COLLET_ISA_AVX2, collet_probe_f32_avx2 } } },
    [COLLET_PEAK_INT8] = { "int8",
                           { { COLLET_ISA_AVX512, collet_probe_int8_avx512 },
                             { COLLET_ISA_AVX512, collet_probe_int8_ymm_avx512 },
                             { COLLET_ISA_AVX2, collet_probe_int8_avx2 } } },
    [COLLET_PEAK_TILE_BF16] = { "tile_bf16", { { COLLET_ISA_AMX, collet_probe_tile_bf16_amx } } },
    [COLLET_PEAK_TILE_INT8] = { "tile_int8", { { COLLET_ISA_AMX, collet_probe_tile_int8_amx } } },
};

const char *collet_peak_name(collet_peak peak)
{
    return peaks[peak].name;
}

typedef struct peak_job {
    collet_probe_peak_fn *run;
    double *rates; // of each worker
} peak_job;

static void peak_of_worker(void *ctx, uint32_t task, uint32_t worker)
{
    (void)worker;
    const peak_job *job = ctx;
    double begin = collet_now_s(), n_ops = 0.0, seconds = 0.0;
    while (seconds < PEAK_S) {
        n_ops += job->run(4096);
        seconds = collet_now_s() - begin;
    }
    job->rates[task] = n_ops / seconds;
}

// All workers at once; the sum of their rates.
static double run_peak(collet_pool *pool, peak_job *job)
{
    const uint32_t n = collet_pool_workers(pool);
    double sum = 0.0;
    collet_pool_run(pool, n, peak_of_worker, job);
    for (uint32_t i = 0; i < n; i++)
        sum += job->rates[i];
    return sum;
}

double collet_peak_run(collet_pool *pool, collet_peak peak, uint32_t isa_mask)
{
    peak_job job = { .rates = calloc(collet_pool_workers(pool), sizeof *job.rates) };
    double best = 0.0;
    for (size_t i = 0; job.rates && i < COLLET_COUNT(peaks[peak].loop); i++) {
        job.run = peaks[peak].loop[i].run;
        const double rate = peaks[peak].loop[i].isa & isa_mask ? run_peak(pool, &job) : 0.0;
        best = rate > best ? rate : best;
    }
    free(job.rates);
    return best;
}
