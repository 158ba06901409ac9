// SPDX-License-Identifier: Apache-2.0
// core/plugin/runtime.h - plugins, profile, pool and devices of one program: what a model is opened in.
//
// The runtime implements collet_host (host.h of the plugin tier), opens each module once with the profile's options,
// and owns one queue per device. Two runtimes in one process share nothing.
#ifndef COLLET_CORE_PLUGIN_RUNTIME_H
#define COLLET_CORE_PLUGIN_RUNTIME_H

#include <stdatomic.h>

#include "collet/plugin/device.h"
#include "core/base/intern.h"
#include "core/base/isa.h"
#include "core/base/log.h"
#include "core/base/pool.h"
#include "core/plugin/profile.h"
#include "core/plugin/registry.h"

// One domain in use: its device module, its queue.
typedef struct collet_device {
    collet_module_handle *module; // collet_device_vt
    const char *domain;           // "cpu"
    uint32_t domain_id;           // interned
    int32_t index;
    collet_device_info info;
    collet_queue *queue;
} collet_device;

typedef struct collet_runtime collet_runtime;

typedef struct collet_runtime_opts {
    collet_profile *profile;      // borrowed until the runtime is destroyed
    collet_registry *registry;    // the same
    const collet_log *log;        // the same
    const atomic_bool *cancelled; // ends what takes long while loading, once it is true; the same; NULL: nobody does
} collet_runtime_opts;

// Ownership: gives; destroy closes modules and queues, accepts NULL.  Errors: NOMEM, UNAVAILABLE.
collet_status collet_runtime_create(collet_runtime **out, const collet_runtime_opts *opts, collet_error *err);
void collet_runtime_destroy(collet_runtime *rt);

const collet_host *collet_runtime_host(const collet_runtime *rt);
const collet_isa *collet_runtime_isa(const collet_runtime *rt);
const collet_log *collet_runtime_log(const collet_runtime *rt);
bool collet_runtime_cancelled(const collet_runtime *rt); // Threads: [any-thread]
collet_pool *collet_runtime_pool(collet_runtime *rt);
collet_profile *collet_runtime_profile(collet_runtime *rt);
collet_registry *collet_runtime_registry(collet_runtime *rt);
uint32_t collet_runtime_intern(collet_runtime *rt, const char *name);
const char *collet_runtime_name(const collet_runtime *rt, uint32_t id);

// NOMEM when a name could not be interned since the last call, by the core or by a plugin that did not look.
collet_status collet_runtime_check_names(collet_runtime *rt, collet_error *err);

// The opened module, opened now if it was not. Lent until the runtime is destroyed.
// Errors: those of collet_registry_open.  Threads: [load]
collet_status collet_runtime_module(collet_runtime *rt, const collet_module_info *info, collet_module_handle **out,
                                    collet_error *err);

// The device of a domain, with its queue, opened now if it was not.  Errors: NOT_FOUND, or of the module.
collet_status collet_runtime_device(collet_runtime *rt, const char *domain, collet_device **out, collet_error *err);

// Memory handed out by buf_alloc, by tag: for reports.
typedef struct collet_memory_row {
    const char *tag, *domain;
    uint64_t n_bytes;
} collet_memory_row;
size_t collet_runtime_memory(collet_runtime *rt, collet_memory_row *rows, size_t n_rows_max);

#endif
