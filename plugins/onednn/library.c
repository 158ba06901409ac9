// SPDX-License-Identifier: Apache-2.0
// plugins/onednn/library.c - the library as a whole: version, instruction sets, threads, engine.
#include <stdio.h>
#include <string.h>

#include "plugins/onednn/engine.h"

// Of the OpenMP runtime that the library brought along; the linker finds them where it found the library's own. NULL
// when the library is built without OpenMP: this plugin links no such runtime.
extern void omp_set_num_threads(int n) __attribute__((weak));
extern int omp_get_max_threads(void) __attribute__((weak));

void onednn_one_thread_begin(onednn_one_thread *state)
{
    state->n_before = omp_get_max_threads ? omp_get_max_threads() : 1;
    if (state->n_before != 1)
        omp_set_num_threads(1); // of this thread alone: that is how OpenMP counts
}

void onednn_one_thread_end(const onednn_one_thread *state)
{
    if (state->n_before != 1)
        omp_set_num_threads(state->n_before);
}

bool onednn_library_usable(const collet_host_cpu *cpu, char *why, size_t n_why)
{
    const dnnl_version_t *v = dnnl_version();
    if (v->major != DNNL_VERSION_MAJOR)
        snprintf(why, n_why, "oneDNN %d.%d here, built for %d.x", v->major, v->minor, DNNL_VERSION_MAJOR);
    else if (v->cpu_runtime != DNNL_RUNTIME_SEQ && v->cpu_runtime != DNNL_RUNTIME_OMP)
        snprintf(why, n_why, "oneDNN %d.%d here starts threads that cannot be limited (built with %s, not OpenMP)",
                 v->major, v->minor, v->cpu_runtime == DNNL_RUNTIME_TBB ? "TBB" : "a thread pool");
    else if (v->cpu_runtime == DNNL_RUNTIME_OMP && (!omp_set_num_threads || !omp_get_max_threads))
        snprintf(why, n_why, "oneDNN %d.%d here runs on an OpenMP that cannot be reached", v->major, v->minor);
    else if (!cpu || !(cpu->isa_mask & COLLET_ISA_AVX2))
        snprintf(why, n_why, "AVX2 is not offered on this machine");
    else
        return true;
    return false;
}

collet_status onednn_check(const collet_host *host, dnnl_status_t status, const char *call, collet_error *err)
{
    static const char *const names[] = { "success",       "out of memory", "invalid arguments",
                                         "unimplemented", "iterator ends", "runtime error" };
    if (status == dnnl_success)
        return COLLET_OK;
    char text[200];
    snprintf(text, sizeof text, "oneDNN: %.*s: %s", (int)strcspn(call, "("), call,
             (size_t)status < COLLET_COUNT(names) ? names[status] : "unknown error");
    return host->fail(err, status == dnnl_out_of_memory ? COLLET_E_NOMEM : COLLET_E_DEVICE, (int64_t)status, text);
}

// COLLET_ISA_MAX counts here too. Once a primitive exists the library keeps its choice, which then was the same.
static void limit_isa(const collet_host_cpu *cpu)
{
    (void)dnnl_set_max_cpu_isa(cpu->isa_mask & COLLET_ISA_AMX      ? dnnl_cpu_isa_avx512_core_amx
                               : cpu->isa_mask & COLLET_ISA_AVX512 ? dnnl_cpu_isa_avx512_core_bf16
                                                                   : dnnl_cpu_isa_avx2);
}

static bool can_multiply(const onednn_engine *e, onednn_type type)
{
    dnnl_primitive_desc_t pd = NULL;
    const onednn_shape shape = { .type = type, .n_columns = 64, .n_groups = 2, .n_tokens = 1 };
    const bool can = onednn_describe(&pd, e, &shape, NULL) == dnnl_success;
    dnnl_primitive_desc_destroy(pd);
    return can;
}

static collet_status open_into(onednn_engine *e, const collet_host_cpu *cpu, collet_error *err)
{
    collet_status st = ONEDNN_CALL(e->host, dnnl_engine_create(&e->engine, dnnl_cpu, 0), err);
    for (uint32_t i = 0; i < e->n_workers && st == COLLET_OK; i++)
        st = ONEDNN_CALL(e->host, dnnl_stream_create(&e->streams[i], e->engine, dnnl_stream_in_order), err);
    for (onednn_type t = 0; t < ONEDNN_N_TYPES && st == COLLET_OK; t++)
        e->has[t] = (t != ONEDNN_S8 || (cpu->isa_mask & COLLET_ISA_AVX512)) && can_multiply(e, t);
    return st;
}

collet_status onednn_engine_open(onednn_engine **out, const collet_host *host, collet_error *err)
{
    const uint32_t n = host->workers(host->self);
    onednn_engine *e = host->alloc(host->self, sizeof *e + n * sizeof(dnnl_stream_t), 16);
    if (!e)
        return host->fail(err, COLLET_E_NOMEM, 0, "no memory for an engine of oneDNN");
    memset(e, 0, sizeof *e + n * sizeof(dnnl_stream_t));
    e->host = host;
    e->n_workers = n;
    e->streams = (dnnl_stream_t *)(e + 1);
    const collet_host_cpu *cpu = host->get(host->self, COLLET_HOST_CPU_ID);
    onednn_one_thread one;
    onednn_one_thread_begin(&one);
    limit_isa(cpu);
    const collet_status st = open_into(e, cpu, err);
    onednn_one_thread_end(&one);
    if (st == COLLET_OK)
        *out = e;
    else
        onednn_engine_close(e);
    return st;
}

void onednn_engine_close(onednn_engine *e)
{
    if (!e)
        return;
    onednn_product_destroy_all(e);
    for (uint32_t i = 0; i < e->n_workers; i++)
        dnnl_stream_destroy(e->streams[i]);
    dnnl_engine_destroy(e->engine);
    e->host->free(e->host->self, e);
}

bool onednn_engine_has(const onednn_engine *e, onednn_type type)
{
    return e->has[type];
}
