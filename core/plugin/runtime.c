// SPDX-License-Identifier: Apache-2.0
// core/plugin/runtime.c - the host table and what stands behind it.
#include "core/plugin/runtime.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arith.h"
#include "core/base/error.h"

#define DEVICES_MAX 8
#define TAGS_MAX 64

struct collet_buffer {
    collet_device *device;
    void *data;
    uint64_t n_bytes;
    size_t tag;
};

struct collet_runtime {
    collet_profile *profile;
    collet_registry *registry;
    const collet_log *log;
    const atomic_bool *cancelled; // may be NULL
    collet_names *names;
    collet_pool *pool;
    collet_isa isa;
    collet_host_cpu host_cpu;
    collet_host host;
    pthread_mutex_t lock; // of devices, modules and memory rows
    collet_device devices[DEVICES_MAX];
    size_t n_devices;
    collet_module_handle **modules; // by registry index; NULL: not opened
    collet_memory_row memory[TAGS_MAX];
    size_t n_memory;
};

// ---- host table ----

static void host_log(void *self, int32_t level, const char *module, const char *msg)
{
    collet_runtime *rt = self;
    collet_log_line(rt->log, level, module, "%s", msg ? msg : "");
}

static const void *host_get(void *self, const char *iface)
{
    collet_runtime *rt = self;
    return iface && strcmp(iface, COLLET_HOST_CPU_ID) == 0 ? &rt->host_cpu : NULL;
}

static uint32_t host_intern(void *self, const char *name)
{
    return collet_names_intern(((collet_runtime *)self)->names, name);
}

static const char *host_name_of(void *self, uint32_t id)
{
    return collet_names_text(((collet_runtime *)self)->names, id);
}

static void *host_alloc(void *self, size_t n_bytes, size_t align)
{
    (void)self;
    uint64_t padded;
    size_t at_least = align < sizeof(void *) ? sizeof(void *) : align;
    if ((at_least & (at_least - 1)) != 0 || !collet_align_u64(n_bytes ? n_bytes : 1, at_least, &padded))
        return NULL;
    return aligned_alloc(at_least, padded);
}

static void host_free(void *self, void *p)
{
    (void)self;
    free(p);
}

static size_t tag_row(collet_runtime *rt, const char *tag, const char *domain)
{
    for (size_t i = 0; i < rt->n_memory; i++)
        if (strcmp(rt->memory[i].tag, tag) == 0 && strcmp(rt->memory[i].domain, domain) == 0)
            return i;
    size_t i = rt->n_memory < TAGS_MAX ? rt->n_memory++ : TAGS_MAX - 1; // the last row takes what is too many
    rt->memory[i].tag = tag;
    rt->memory[i].domain = domain;
    return i;
}

static collet_status host_buf_alloc(void *self, uint32_t domain, uint64_t n_bytes, const char *tag, collet_buffer **buf,
                                    void **data, collet_error *err)
{
    collet_runtime *rt = self;
    const char *name = collet_names_text(rt->names, domain);
    if (!name)
        return collet_fail(err, COLLET_E_INVALID, "no domain has the id %u", domain);
    collet_device *device = NULL;
    collet_status st = collet_runtime_device(rt, name, &device, err);
    if (st != COLLET_OK)
        return st;
    collet_buffer *b = calloc(1, sizeof *b);
    if (!b)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for a buffer's record");
    const collet_device_vt *vt = device->module->vt;
    st = vt->mem_alloc(device->module->mod, device->index, n_bytes ? n_bytes : 64, &b->data, err);
    if (st != COLLET_OK) {
        if (st == COLLET_E_NOMEM)
            collet_fail(err, st,
                        "%s: no memory for %llu bytes of %s; free some, or lower engine.context or engine.max_requests",
                        name, (unsigned long long)n_bytes, tag);
        free(b);
        return st;
    }
    b->device = device;
    b->n_bytes = n_bytes ? n_bytes : 64;
    pthread_mutex_lock(&rt->lock);
    b->tag = tag_row(rt, tag, device->domain);
    rt->memory[b->tag].n_bytes += b->n_bytes;
    pthread_mutex_unlock(&rt->lock);
    *buf = b;
    *data = b->data;
    return COLLET_OK;
}

static void host_buf_free(void *self, collet_buffer *b)
{
    collet_runtime *rt = self;
    if (!b)
        return;
    const collet_device_vt *vt = b->device->module->vt;
    vt->mem_free(b->device->module->mod, b->device->index, b->data, b->n_bytes);
    pthread_mutex_lock(&rt->lock);
    rt->memory[b->tag].n_bytes -= b->n_bytes;
    pthread_mutex_unlock(&rt->lock);
    free(b);
}

static uint32_t host_workers(void *self)
{
    return collet_pool_workers(((collet_runtime *)self)->pool);
}

static void host_parallel(void *self, uint32_t n_tasks, collet_task_fn fn, void *ctx)
{
    collet_pool_run(((collet_runtime *)self)->pool, n_tasks, fn, ctx);
}

static uint64_t host_zone_begin(void *self, uint32_t name)
{
    (void)self;
    (void)name;
    return 0;
}

static void host_zone_end(void *self, uint64_t zone)
{
    (void)self;
    (void)zone;
}

static void fill_host(collet_runtime *rt)
{
    rt->host_cpu = (collet_host_cpu){ .size = sizeof rt->host_cpu,
                                      .isa_mask = rt->isa.mask,
                                      .l1d_bytes = rt->isa.l1d_bytes,
                                      .l2_bytes = rt->isa.l2_bytes,
                                      .l3_bytes = rt->isa.l3_bytes };
    rt->host = (collet_host){ .size = sizeof rt->host,
                              .abi_major = COLLET_ABI_MAJOR,
                              .abi_minor = COLLET_ABI_MINOR,
                              .name = "collet",
                              .version = COLLET_VERSION,
                              .self = rt,
                              .log_level = &rt->log->level,
                              .log = host_log,
                              .fail = collet_fail_text,
                              .get = host_get,
                              .intern = host_intern,
                              .name_of = host_name_of,
                              .alloc = host_alloc,
                              .free = host_free,
                              .buf_alloc = host_buf_alloc,
                              .buf_free = host_buf_free,
                              .workers = host_workers,
                              .parallel = host_parallel,
                              .zone_begin = host_zone_begin,
                              .zone_end = host_zone_end };
}

// ---- life ----

static size_t registry_index(const collet_runtime *rt, const collet_module_info *info)
{
    size_t n = collet_registry_n_modules(rt->registry);
    for (size_t i = 0; i < n; i++)
        if (collet_registry_module(rt->registry, i) == info)
            return i;
    return n;
}

static collet_status create_into(collet_runtime *rt, collet_error *err)
{
    rt->names = collet_names_create();
    rt->modules = calloc(collet_registry_n_modules(rt->registry) + 1, sizeof *rt->modules);
    if (!rt->names || !rt->modules)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the runtime");
    collet_isa_probe(&rt->isa);
    const collet_pool_opts pool = { .n_workers = (uint32_t)collet_profile_int(rt->profile, "engine.threads"),
                                    .pin = 1 };
    collet_status st = collet_pool_create(&rt->pool, &pool, err);
    if (st == COLLET_OK)
        fill_host(rt);
    return st;
}

collet_status collet_runtime_create(collet_runtime **out, const collet_runtime_opts *opts, collet_error *err)
{
    collet_runtime *rt = calloc(1, sizeof *rt);
    if (!rt)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the runtime");
    rt->profile = opts->profile;
    rt->registry = opts->registry;
    rt->log = opts->log;
    rt->cancelled = opts->cancelled;
    pthread_mutex_init(&rt->lock, NULL);
    collet_status st = create_into(rt, err);
    if (st == COLLET_OK)
        *out = rt;
    else
        collet_runtime_destroy(rt);
    return st;
}

void collet_runtime_destroy(collet_runtime *rt)
{
    if (!rt)
        return;
    for (size_t i = rt->n_devices; i-- > 0;) {
        collet_device *d = &rt->devices[i];
        ((const collet_device_vt *)d->module->vt)->queue_destroy(d->module->mod, d->queue);
    }
    size_t n_opened = rt->modules ? collet_registry_n_opened(rt->registry) : 0;
    for (size_t i = n_opened; i-- > 0;) { // the last opened first
        size_t module = registry_index(rt, collet_registry_opened(rt->registry, i));
        if (rt->modules[module]) {
            collet_registry_close(rt->registry, rt->modules[module]);
            free(rt->modules[module]);
        }
    }
    free(rt->modules);
    collet_pool_destroy(rt->pool);
    collet_names_destroy(rt->names);
    pthread_mutex_destroy(&rt->lock);
    free(rt);
}

const collet_host *collet_runtime_host(const collet_runtime *rt)
{
    return &rt->host;
}

const collet_isa *collet_runtime_isa(const collet_runtime *rt)
{
    return &rt->isa;
}

const collet_log *collet_runtime_log(const collet_runtime *rt)
{
    return rt->log;
}

bool collet_runtime_cancelled(const collet_runtime *rt)
{
    return rt->cancelled && atomic_load_explicit(rt->cancelled, memory_order_relaxed);
}

collet_pool *collet_runtime_pool(collet_runtime *rt)
{
    return rt->pool;
}

collet_profile *collet_runtime_profile(collet_runtime *rt)
{
    return rt->profile;
}

collet_registry *collet_runtime_registry(collet_runtime *rt)
{
    return rt->registry;
}

uint32_t collet_runtime_intern(collet_runtime *rt, const char *name)
{
    return collet_names_intern(rt->names, name);
}

const char *collet_runtime_name(const collet_runtime *rt, uint32_t id)
{
    return collet_names_text(rt->names, id);
}

collet_status collet_runtime_check_names(collet_runtime *rt, collet_error *err)
{
    return collet_names_ran_out(rt->names) ? collet_fail(err, COLLET_E_NOMEM, "no memory for the names of formats")
                                           : COLLET_OK;
}

// ---- modules and devices ----

static collet_status open_module(collet_runtime *rt, const collet_module_info *info, collet_module_handle *handle,
                                 collet_error *err)
{
    collet_value *values = calloc(info->n_options + 1, sizeof *values);
    if (!values)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the options of %s", info->id);
    collet_status st = collet_profile_values(rt->profile, info, values, err);
    if (st == COLLET_OK)
        st = collet_registry_open(rt->registry, info, &rt->host, values, handle, err);
    free(values);
    if (st == COLLET_OK && (st = collet_runtime_check_names(rt, err)) != COLLET_OK)
        collet_registry_close(rt->registry, handle);
    return st;
}

collet_status collet_runtime_module(collet_runtime *rt, const collet_module_info *info, collet_module_handle **out,
                                    collet_error *err)
{
    size_t i = registry_index(rt, info);
    if (i == collet_registry_n_modules(rt->registry))
        return collet_fail(err, COLLET_E_INTERNAL, "module %s is of another registry", info->id);
    if (!rt->modules[i]) {
        collet_module_handle *handle = calloc(1, sizeof *handle);
        if (!handle)
            return collet_fail(err, COLLET_E_NOMEM, "no memory to open %s", info->id);
        collet_status st = open_module(rt, info, handle, err);
        if (st != COLLET_OK) {
            free(handle);
            return st;
        }
        rt->modules[i] = handle;
    }
    *out = rt->modules[i];
    return COLLET_OK;
}

// The domain's device module: one authority per domain, the best by tier and score.
static const collet_module_info *device_module(const collet_runtime *rt, const char *domain)
{
    const collet_module_info *best = NULL;
    for (size_t i = 0; i < collet_registry_n_modules(rt->registry); i++) {
        const collet_module_info *m = collet_registry_module(rt->registry, i);
        if (m->verdict != COLLET_VERDICT_OK || strcmp(m->iface, COLLET_DEVICE_IFACE) != 0 ||
            strcmp(m->domain, domain) != 0)
            continue;
        if (!best || m->tier > best->tier || (m->tier == best->tier && m->score > best->score))
            best = m;
    }
    return best;
}

static collet_status open_device(collet_runtime *rt, collet_device *d, const char *domain, collet_error *err)
{
    const collet_module_info *info = device_module(rt, domain);
    if (!info)
        return collet_fail(err, COLLET_E_NOT_FOUND,
                           "no plugin here has a device module for the domain '%s'; "
                           "`collet plugins list` shows what was found",
                           domain);
    collet_status st = collet_runtime_module(rt, info, &d->module, err);
    if (st != COLLET_OK)
        return st;
    const collet_device_vt *vt = d->module->vt;
    d->domain = info->domain;
    d->domain_id = collet_names_intern(rt->names, domain);
    d->info.size = sizeof d->info;
    st = collet_runtime_check_names(rt, err);
    if (st == COLLET_OK)
        st = vt->info(d->module->mod, d->index, &d->info, err);
    if (st == COLLET_OK)
        st = vt->queue_create(d->module->mod, d->index, &d->queue, err);
    return st;
}

collet_status collet_runtime_device(collet_runtime *rt, const char *domain, collet_device **out, collet_error *err)
{
    pthread_mutex_lock(&rt->lock);
    collet_device *found = NULL;
    for (size_t i = 0; i < rt->n_devices && !found; i++)
        if (strcmp(rt->devices[i].domain, domain) == 0)
            found = &rt->devices[i];
    collet_status st = COLLET_OK;
    if (!found && rt->n_devices == DEVICES_MAX) {
        st = collet_fail(err, COLLET_E_UNSUPPORTED, "more than %d domains in one program", DEVICES_MAX);
    } else if (!found) {
        collet_device d = { 0 };
        st = open_device(rt, &d, domain, err);
        if (st == COLLET_OK) {
            rt->devices[rt->n_devices] = d;
            found = &rt->devices[rt->n_devices++];
        }
    }
    pthread_mutex_unlock(&rt->lock);
    if (st == COLLET_OK)
        *out = found;
    return st;
}

size_t collet_runtime_memory(collet_runtime *rt, collet_memory_row *rows, size_t n_rows_max)
{
    pthread_mutex_lock(&rt->lock);
    size_t n = rt->n_memory < n_rows_max ? rt->n_memory : n_rows_max;
    memcpy(rows, rt->memory, n * sizeof *rows);
    pthread_mutex_unlock(&rt->lock);
    return n;
}
