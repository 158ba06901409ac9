// SPDX-License-Identifier: Apache-2.0
// core/plugin/registry_open.c - from a module's data to a module at work: map, check again, open, copy the vtable.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/error.h"
#include "core/plugin/answer.h"
#include "core/plugin/describe.h"
#include "core/plugin/map.h"
#include "core/plugin/option.h"
#include "core/plugin/record.h"
#include "core/plugin/registry_impl.h"

static bool same_file(const collet_found *a, const collet_found *b)
{
    return a->dev == b->dev && a->inode == b->inode && a->n_bytes == b->n_bytes && a->mtime_ns == b->mtime_ns &&
           a->ctime_ns == b->ctime_ns;
}

static collet_status map_file(collet_entry *e, int fd, collet_error *err)
{
    void *handle = NULL;
    collet_plugin_entry_fn entry = NULL;
    int keep_fd = 0;
    collet_status st = collet_map(&handle, &keep_fd, fd, e->path, err);
    if (!keep_fd)
        close(fd);
    if (st == COLLET_OK)
        st = collet_map_entry(&entry, handle, err);
    if (st == COLLET_OK)
        st = collet_map_record(&e->record, entry, err);
    return st;
}

// Maps the plugin into this process, once.
static collet_status need_record(const collet_registry *r, collet_entry *e, collet_error *err)
{
    if (e->record)
        return COLLET_OK;
    collet_found now;
    int fd = -1;
    collet_status st = collet_entry_open(r, &now, &fd, e->path, err);
    if (st != COLLET_OK)
        return collet_fail(err, COLLET_E_ABI, "path: %s", err->msg);
    if (!same_file(&now, &e->file)) {
        close(fd);
        return collet_fail(err, COLLET_E_ABI, "path: the file is not the one that was scanned: start again");
    }
    st = map_file(e, fd, err);
    return st == COLLET_OK ? st
                           : collet_fail(err, st == COLLET_E_UNAVAILABLE ? st : COLLET_E_ABI, "dlopen: %s", err->msg);
}

static collet_status default_values(collet_value *values, const collet_module_info *m, collet_error *err)
{
    collet_status st = COLLET_OK;
    for (uint32_t i = 0; st == COLLET_OK && i < m->n_options; i++)
        st = collet_option_default(&values[i], &m->options[i], err);
    return st;
}

static collet_status call_open(const collet_module *m, const collet_module_info *info, const collet_host *host,
                               const collet_value *values, void **mod, collet_error *err)
{
    collet_value *defaults = NULL;
    collet_status st = COLLET_OK;
    if (!values) {
        defaults = calloc(info->n_options + 1, sizeof *defaults);
        if (!defaults)
            return collet_fail(err, COLLET_E_NOMEM, "no memory for %u options", info->n_options);
        st = default_values(defaults, info, err);
        values = defaults;
    }
    if (st == COLLET_OK && m->open) {
        st = m->open(host, values, info->n_options, mod, err);
        if (st != COLLET_OK && err->msg[0] == '\0')
            collet_fail(err, st, "it gave no reason");
    }
    free(defaults);
    // Codes that open() may return are a short list; any other is a defect of the plugin.
    return st == COLLET_OK || st == COLLET_E_ABI || st == COLLET_E_UNAVAILABLE || st == COLLET_E_NOMEM ||
                   st == COLLET_E_INVALID || st == COLLET_E_DEVICE
               ? st
               : COLLET_E_INTERNAL;
}

static collet_status open_into(collet_registry *r, const collet_module_info *info, const collet_host *host,
                               const collet_value *values, collet_module_handle *out, collet_error *err)
{
    collet_entry *e = &r->entries[info->plugin];
    collet_module m;
    const collet_iface *iface = collet_iface_find(info->iface);
    collet_status st = need_record(r, e, err);
    if (st != COLLET_OK)
        return st;
    if (e->n_used == 0)
        e->n_used = ++r->n_used;
    void *vt = calloc(1, iface->vt_bytes);
    if (!vt)
        return collet_fail(err, COLLET_E_NOMEM, "describe: no memory for a vtable");
    void *mod = NULL;
    st = collet_describe_again(&m, vt, e->record, info, err);
    if (st != COLLET_OK)
        collet_fail(err, st, "describe: %s", err->msg);
    else if ((st = call_open(&m, info, host, values, &mod, err)) != COLLET_OK)
        collet_fail(err, st, "open: %s", err->msg);
    if (st == COLLET_OK)
        *out = (collet_module_handle){ .info = info, .mod = mod, .vt = vt };
    else
        free(vt);
    return st;
}

collet_status collet_registry_open(collet_registry *r, const collet_module_info *info, const collet_host *host,
                                   const collet_value *values, collet_module_handle *out, collet_error *err)
{
    const char *path = r->entries[info->plugin].path;
    collet_error why = COLLET_ERROR_INIT;
    if (info->verdict != COLLET_VERDICT_OK)
        return collet_fail(err, info->verdict == COLLET_VERDICT_UNAVAILABLE ? COLLET_E_UNAVAILABLE : COLLET_E_ABI,
                           "%s: module '%s' is %s: %s", path, info->id, collet_verdict_name(info->verdict), info->why);
    collet_status st = open_into(r, info, host, values, out, &why);
    if (st != COLLET_OK)
        return collet_fail(err, st, "%s: module '%s': %s", path, info->id, why.msg);
    for (size_t i = 0; i < r->n_opened; i++)
        if (r->opened[i] == info)
            return COLLET_OK; // opened twice, reported once
    r->opened[r->n_opened++] = info;
    return COLLET_OK;
}

void collet_registry_close(collet_registry *r, collet_module_handle *handle)
{
    const collet_plugin *record = r->entries[handle->info->plugin].record;
    collet_module m;
    if (collet_record_module(&m, record, handle->info->index, NULL) == COLLET_OK && m.close)
        m.close(handle->mod);
    free((void *)(uintptr_t)handle->vt);
    *handle = (collet_module_handle){ 0 };
}

void collet_entry_shutdown(const collet_entry *e)
{
    collet_plugin record;
    if (collet_record_read(&record, NULL, e->record, NULL) == COLLET_OK && record.shutdown)
        record.shutdown();
}
