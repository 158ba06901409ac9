// SPDX-License-Identifier: Apache-2.0
// include/collet/plugin/host.h - what the core lends to a plugin: one table, and nothing else is ever linked.
//
// The table is valid from a module's open() until the process ends. Always pass `host->self` as the first argument.
// It grows at the end: test COLLET_HAS(host, collet_host, slot) for slots newer than your min_host_minor.
#ifndef COLLET_PLUGIN_HOST_H
#define COLLET_PLUGIN_HOST_H

#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

// True when the writer of *p knew `field`: the only legal way to look past the first version of a struct.
#define COLLET_HAS(p, type, field) ((p)->size >= offsetof(type, field) + sizeof(((type *)0)->field))

enum { COLLET_LOG_ERROR = 0, COLLET_LOG_WARN = 1, COLLET_LOG_INFO = 2, COLLET_LOG_DEBUG = 3 };

// One task of a parallel region. `worker` names the thread: 0 <= worker < workers(); no two tasks that run at the
// same time have the same worker, so it indexes scratch memory.
typedef void (*collet_task_fn)(void *ctx, uint32_t task, uint32_t worker);

typedef struct collet_queue collet_queue;   // device.h
typedef struct collet_buffer collet_buffer; // opaque, owned by the core

typedef struct collet_host {
    uint32_t size;
    uint16_t abi_major, abi_minor;
    const char *name, *version; // "collet", "0.1.0"
    void *self;

    // Level above which log() does nothing: test it before formatting. Threads: [any-thread]
    const int32_t *log_level;

    // Writes one line to stderr, prefixed with `module`. Plugins never print themselves.
    // Ownership: borrows both strings for the call.  Threads: [any-thread], not inside run()
    void (*log)(void *self, int32_t level, const char *module, const char *msg);

    // Fills *err (may be NULL) and returns `code`, so that `return host->fail(...)` reads well.
    // Threads: [any-thread]
    collet_status (*fail)(collet_error *err, collet_status code, int64_t native, const char *msg);

    // Returns another service by its id, or NULL: "collet.host.cpu/0" -> collet_host_cpu.
    // Ownership: lends until the process ends.  Threads: [any-thread], not inside run()
    const void *(*get)(void *self, const char *iface);

    // Interns a name ([a-z0-9._+-], 1..63 bytes): the same text gives the same id, never 0, except when memory ran
    // out or the name is malformed: 0.  Threads: [any-thread], not inside run()
    uint32_t (*intern)(void *self, const char *name);

    // The text of an id, or NULL.  Ownership: lends until the process ends.  Threads: [any-thread]
    const char *(*name_of)(void *self, uint32_t id);

    // Host memory tagged with the caller; align is a power of two. free(NULL) is fine.
    // Ownership: gives; free with free().  Threads: [any-thread], never inside run()
    void *(*alloc)(void *self, size_t n_bytes, size_t align);
    void (*free)(void *self, void *p);

    // Memory of a domain, zeroed, aligned to 64 bytes; `tag` (a literal) names it in memory reports.
    // Ownership: gives *buf; free with buf_free().  Errors: NOMEM, NOT_FOUND (no such domain)
    // Threads: [any-thread], never inside run()
    collet_status (*buf_alloc)(void *self, uint32_t domain, uint64_t n_bytes, const char *tag, collet_buffer **buf,
                               void **data, collet_error *err);
    void (*buf_free)(void *self, collet_buffer *buf);

    // The one CPU pool: how many workers, and run fn(ctx, task, worker) for every task in [0, n_tasks), returning
    // when all are done. The caller works too, as worker 0. Tasks are dealt in contiguous runs: with n_tasks ==
    // workers() task i is worker i's, which is how a kernel streams the same rows on the same core every step; only
    // when a worker has not begun (it lost its CPU) does another take over its tasks.
    // Calls inside a task run their tasks in that task.  Threads: the thread that was lent the run() call.  Hot.
    uint32_t (*workers)(void *self);
    void (*parallel)(void *self, uint32_t n_tasks, collet_task_fn fn, void *ctx);

    // A named stretch of time inside run() for traces; `name` is interned. No-ops unless tracing.  [any-thread]
    uint64_t (*zone_begin)(void *self, uint32_t name);
    void (*zone_end)(void *self, uint64_t zone);
} collet_host;

// ISA levels that the core offers on this machine: the CPU has the bits, the operating system saves the registers
// (XCR0), permission was granted (AMX), and a small known product came out right in a child process.
// Plugins never read CPUID themselves. Each level names a closed list of features.
enum {
    COLLET_ISA_REF = 1,     // portable C
    COLLET_ISA_AVX2 = 2,    // AVX2, FMA, F16C, BMI2
    COLLET_ISA_AVX512 = 4,  // AVX2 and AVX-512 F, BW, DQ, VL, VNNI
    COLLET_ISA_AMX = 8,     // AVX512 and AMX-TILE, AMX-INT8, AMX-BF16, AVX512-BF16
    COLLET_ISA_NEON = 16,   // AArch64: Advanced SIMD of Armv8.0
    COLLET_ISA_DOTPROD = 32 // NEON and SDOT, UDOT (FEAT_DotProd)
};

// host->get(self, COLLET_HOST_CPU_ID)
#define COLLET_HOST_CPU_ID "collet.host.cpu/0"
typedef struct collet_host_cpu {
    uint32_t size;
    uint32_t isa_mask; // COLLET_ISA_*, REF always set; lowered by COLLET_ISA_MAX=ref|avx2|... for tests
    uint64_t l1d_bytes, l2_bytes, l3_bytes; // per core, per core, shared; 0 when unknown
} collet_host_cpu;

#ifdef __cplusplus
}
#endif
#endif
