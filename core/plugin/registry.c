// SPDX-License-Identifier: Apache-2.0
// core/plugin/registry.c - from paths to modules: look, ask the cache, scan the rest, settle who is shadowed.
#include "core/plugin/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/plugin/answer.h"
#include "core/plugin/describe.h"
#include "core/plugin/elf_sniff.h"
#include "core/plugin/registry_cache.h"
#include "core/plugin/registry_impl.h"
#include "core/plugin/scan.h"
#include "core/plugin/scan_host.h"
#include "core/plugin/search.h"

#define TIMEOUT_MS 10000

typedef struct survey { // what create() needs and the registry does not keep
    collet_registry *r;
    const collet_registry_opts *opts;
    collet_hits hits;
    collet_cache *cache;
    collet_scan_job *jobs;
    size_t *job_entry; // index of each job's entry
    size_t n_jobs;
    char scanner_path[PATH_MAX];
} survey;

static json_t *refusal(collet_verdict verdict, const char *phase, const collet_error *err)
{
    return collet_answer_refusal(verdict, phase, "%s", err->msg);
}

// ---- built in ----

static collet_status add_built_in(survey *s, collet_error *err)
{
    collet_scan_host *host = collet_scan_host_create();
    collet_status st = host ? COLLET_OK : collet_fail(err, COLLET_E_NOMEM, "no memory to ask the built-in modules");
    for (size_t i = 0; st == COLLET_OK && i < s->opts->n_built_in; i++) {
        const collet_describe_opts opts = { .host = collet_scan_host_table(host) };
        collet_entry *e = &s->r->entries[s->r->n_entries++];
        e->path = strdup("(built in)");
        e->record = s->opts->built_in[i];
        e->answer = collet_describe(e->record, &opts);
        if (!e->path || !e->answer)
            st = collet_fail(err, COLLET_E_NOMEM, "no memory to ask the built-in modules");
    }
    collet_scan_host_destroy(host);
    return st;
}

// ---- files ----

collet_status collet_entry_open(const collet_registry *r, collet_found *file, int *fd, const char *path,
                                collet_error *err)
{
    if (path[0] != '/')
        return collet_fail(err, COLLET_E_INVALID, "the path is not absolute: write the whole path");
    collet_status st = collet_path_open(file, fd, path, err);
    if (st != COLLET_OK)
        return st;
    st = collet_path_check(file, err);
    if (st != COLLET_OK && r->unsafe_paths) {
        collet_log_line(r->log, 1, NULL, "%s: loaded although %s", path, err->msg);
        st = COLLET_OK;
    }
    if (st != COLLET_OK)
        close(*fd);
    return st;
}

// The earlier entry that is the same file, or NULL.
static const collet_entry *find_alias(const collet_registry *r, const collet_entry *e)
{
    for (const collet_entry *o = r->entries; o < e; o++)
        if (o->file.path[0] && o->file.dev == e->file.dev && o->file.inode == e->file.inode)
            return o;
    return NULL;
}

static bool pin_differs(const collet_entry *e)
{
    return e->pin && e->pin->sha256 && strcasecmp(e->pin->sha256, e->sha256) != 0;
}

static json_t *refuse_digest(const collet_entry *e)
{
    return collet_answer_refusal(COLLET_VERDICT_REJECTED, "path",
                                 "its sha256 is %s, the profile pins %s: restore the file, or update the pin if the "
                                 "change is meant",
                                 e->sha256, e->pin->sha256);
}

// Settles the entry now, or leaves its answer NULL: it is to be scanned.
static void look_at(survey *s, collet_entry *e)
{
    int fd = -1;
    collet_error err = COLLET_ERROR_INIT;
    collet_status st = collet_entry_open(s->r, &e->file, &fd, e->path, &err);
    if (st != COLLET_OK) {
        e->file.path[0] = '\0';
        e->answer = refusal(st == COLLET_E_FORMAT ? COLLET_VERDICT_IGNORED : COLLET_VERDICT_REJECTED, "path", &err);
        return;
    }
    const collet_entry *alias = find_alias(s->r, e);
    if (alias)
        e->answer = collet_answer_refusal(COLLET_VERDICT_SHADOWED, "path", "the same file as %s, which comes first",
                                          alias->path);
    else if (!s->opts->rescan && (e->answer = collet_cache_find(s->cache, &e->file, fd, e->sha256)) != NULL)
        e->info.cached = 1;
    close(fd);
    if (e->info.cached && pin_differs(e)) {
        json_decref(e->answer);
        e->answer = refuse_digest(e);
    }
}

// Opens a file for its scanner: the same file still, and one that could be loaded at all.
static json_t *prepare_scan(void *ctx, size_t i, int *fd)
{
    survey *s = ctx;
    collet_entry *e = &s->r->entries[s->job_entry[i]];
    collet_found again;
    collet_error err = COLLET_ERROR_INIT;
    const char *phase = "path";
    collet_status st = collet_path_open(&again, fd, e->file.path, &err);
    if (st != COLLET_OK)
        return refusal(COLLET_VERDICT_REJECTED, phase, &err);
    e->file = again;
    st = collet_path_check(&e->file, &err);
    st = s->r->unsafe_paths ? COLLET_OK : st;
    if (st == COLLET_OK) {
        phase = "header";
        st = collet_elf_sniff(*fd, e->file.n_bytes, &err);
    }
    if (st == COLLET_OK)
        st = collet_digest_fd(e->sha256, *fd, &err);
    json_t *answer = NULL;
    if (st != COLLET_OK)
        answer = refusal(st == COLLET_E_NOT_FOUND ? COLLET_VERDICT_IGNORED : COLLET_VERDICT_REJECTED, phase, &err);
    else if (pin_differs(e))
        answer = refuse_digest(e);
    if (answer)
        close(*fd);
    return answer;
}

// Where collet-scan is: given, beside the program, or where an installation or a build puts it.
static void find_scanner(survey *s)
{
    static const char *const places[] = { "collet-scan", "../libexec/collet/collet-scan", "../bin/collet-scan" };
    if (s->opts->scanner_path) {
        snprintf(s->scanner_path, sizeof s->scanner_path, "%s", s->opts->scanner_path);
        return;
    }
    for (size_t i = 0; i < COLLET_COUNT(places); i++)
        if (collet_program_path(s->scanner_path, places[i]) && access(s->scanner_path, X_OK) == 0)
            return;
    // An absolute path in any case: a scanner in the current folder is not ours.
    snprintf(s->scanner_path, sizeof s->scanner_path, "/usr/libexec/collet/collet-scan");
}

static collet_status scan_files(survey *s, collet_error *err)
{
    collet_registry *r = s->r;
    s->jobs = calloc(s->hits.n + 1, sizeof *s->jobs);
    s->job_entry = calloc(s->hits.n + 1, sizeof *s->job_entry);
    if (!s->jobs || !s->job_entry)
        return collet_fail(err, COLLET_E_NOMEM, "no memory to scan %zu plugins", s->hits.n);
    for (size_t i = 0; i < s->hits.n; i++) {
        collet_entry *e = &r->entries[r->n_entries++];
        e->path = s->hits.list[i].path;
        s->hits.list[i].path = NULL; // the entry owns it now
        e->pin = s->hits.list[i].pin;
        look_at(s, e);
        if (!e->answer) {
            s->jobs[s->n_jobs].path = e->file.path;
            s->job_entry[s->n_jobs++] = r->n_entries - 1;
        }
    }
    if (s->n_jobs == 0)
        return COLLET_OK;
    find_scanner(s);
    const collet_scan_opts opts = { .scanner_path = s->scanner_path,
                                    .timeout_ms = s->opts->timeout_ms ? s->opts->timeout_ms : TIMEOUT_MS,
                                    .prepare = prepare_scan,
                                    .ctx = s };
    collet_status st = collet_scan_run(s->jobs, s->n_jobs, &opts, err);
    for (size_t i = 0; i < s->n_jobs; i++) {
        collet_entry *e = &r->entries[s->job_entry[i]];
        e->answer = s->jobs[i].answer;
        if (e->answer && e->sha256[0] && !pin_differs(e))
            collet_cache_put(s->cache, &e->file, e->sha256, e->answer);
    }
    return st;
}

// ---- settle ----

// Puts a new verdict over what is known of the plugin. NULL, no memory for it, is an error.
static collet_status replace_answer(collet_entry *e, json_t *answer, collet_error *err)
{
    if (!answer || json_object_set(answer, "id", json_object_get(e->answer, "id")) != 0 ||
        json_object_set(answer, "version", json_object_get(e->answer, "version")) != 0 ||
        json_object_set(answer, "abi", json_object_get(e->answer, "abi")) != 0) {
        json_decref(answer);
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the verdict on %s", e->path);
    }
    json_decref(e->answer);
    e->answer = answer;
    collet_answer_plugin(&e->info, e->answer);
    return COLLET_OK;
}

// The sound plugin of the same id that comes before this one, or NULL.
static const collet_entry *find_namesake(const collet_registry *r, const collet_entry *e)
{
    if (e->info.verdict != COLLET_VERDICT_OK)
        return NULL;
    for (const collet_entry *o = r->entries; o < e; o++)
        if (o->info.verdict == COLLET_VERDICT_OK && strcmp(o->info.id, e->info.id) == 0)
            return o;
    return NULL;
}

// The first plugin of an id wins.
static collet_status settle_plugins(collet_registry *r, collet_error *err)
{
    collet_status st = COLLET_OK;
    for (size_t i = 0; st == COLLET_OK && i < r->n_entries; i++) {
        collet_entry *e = &r->entries[i];
        e->info.path = e->path;
        collet_answer_plugin(&e->info, e->answer);
        const collet_entry *namesake = find_namesake(r, e);
        if (e->info.verdict == COLLET_VERDICT_IGNORED && e->pin) // quiet in a folder, loud when it was named
            st = replace_answer(e, collet_answer_refusal(COLLET_VERDICT_REJECTED, e->info.phase, "%s", e->info.why),
                                err);
        else if (namesake)
            st = replace_answer(e,
                                collet_answer_refusal(COLLET_VERDICT_SHADOWED, "",
                                                      "plugin '%s' %s comes first, from %s: remove one of them",
                                                      e->info.id, namesake->info.version, namesake->path),
                                err);
    }
    return st;
}

static char *make_full_name(const collet_registry *r, const collet_module_info *m)
{
    collet_text t = { 0 };
    collet_text_printf(&t, "%s:%s", r->entries[m->plugin].info.id, m->id);
    return t.failed ? NULL : t.data;
}

// An id that two plugins have names neither: collet_registry_find() wants the full name then.
static collet_status name_twins(collet_registry *r, collet_error *err)
{
    for (size_t i = 0; i < r->n_modules; i++)
        for (size_t k = 0; k < i; k++) {
            const collet_module_info *a = &r->modules[k], *b = &r->modules[i];
            if (a->plugin == b->plugin || !a->id[0] || strcmp(a->id, b->id) != 0)
                continue;
            if ((!r->full_names[k] && !(r->full_names[k] = make_full_name(r, a))) ||
                (!r->full_names[i] && !(r->full_names[i] = make_full_name(r, b))))
                return collet_fail(err, COLLET_E_NOMEM, "no memory for the list of modules");
            collet_log_line(r->log, 1, NULL, "module '%s' is in %s and in %s: name it '%s' or '%s'", a->id,
                            r->entries[a->plugin].path, r->entries[b->plugin].path, r->full_names[k], r->full_names[i]);
        }
    return COLLET_OK;
}

static collet_status list_modules(collet_registry *r, collet_error *err)
{
    for (size_t i = 0; i < r->n_entries; i++)
        r->n_modules += r->entries[i].info.n_modules;
    r->modules = calloc(r->n_modules + 1, sizeof *r->modules);
    r->opened = calloc(r->n_modules + 1, sizeof *r->opened);
    r->full_names = calloc(r->n_modules + 1, sizeof *r->full_names);
    if (!r->modules || !r->opened || !r->full_names)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the list of modules");
    collet_status st = COLLET_OK;
    size_t at = 0;
    for (size_t i = 0; st == COLLET_OK && i < r->n_entries; i++) {
        const collet_entry *e = &r->entries[i];
        st = collet_answer_modules(r->modules + at, e->info.n_modules, (uint32_t)i, e->answer, err);
        at += e->info.n_modules;
    }
    return st == COLLET_OK ? name_twins(r, err) : st;
}

static void log_plugin(const collet_registry *r, const collet_entry *e)
{
    static const int32_t levels[] = { 3, 3, 1, 2, 1, 3 }; // by verdict: what is broken is worth a line in any case
    const collet_plugin_info *p = &e->info;
    collet_log_line(r->log, levels[p->verdict], NULL, "%s: %s%s%s%s%s", p->path, collet_verdict_name(p->verdict),
                    p->phase[0] ? " in " : "", p->phase, p->why[0] ? ": " : "", p->why);
    for (size_t i = 0; i < r->n_modules; i++) {
        const collet_module_info *m = &r->modules[i];
        if (&r->entries[m->plugin] == e && m->verdict == COLLET_VERDICT_BROKEN)
            collet_log_line(r->log, 1, NULL, "%s: module '%s' is broken: %s", p->path, m->id, m->why);
    }
}

static collet_status check_pins(const collet_registry *r, const collet_registry_opts *opts, collet_error *err)
{
    for (size_t i = 0; i < opts->n_pins; i++)
        if (!opts->pins[i].path)
            return collet_fail(err, COLLET_E_ABI, "plugin '%s' of the profile has no path: add one",
                               opts->pins[i].name);
    for (size_t i = 0; i < r->n_entries; i++) {
        const collet_entry *e = &r->entries[i];
        if (e->pin && e->info.verdict != COLLET_VERDICT_OK)
            return collet_fail(err, COLLET_E_ABI, "plugin '%s' of the profile, %s: %s in %s: %s", e->pin->name, e->path,
                               collet_verdict_name(e->info.verdict), e->info.phase, e->info.why);
    }
    return COLLET_OK;
}

// ---- create, destroy ----

static collet_status fill(survey *s, collet_error *err)
{
    char cache_path[PATH_MAX];
    collet_status st = collet_search(&s->hits, s->opts, err);
    if (st != COLLET_OK)
        return st;
    if (s->opts->cache_path)
        snprintf(cache_path, sizeof cache_path, "%s", s->opts->cache_path);
    else if (!collet_user_path(cache_path, "XDG_CACHE_HOME", ".cache", "collet/registry-0.json"))
        cache_path[0] = '\0';
    s->cache = collet_cache_load(cache_path, s->opts->log);
    s->r->entries = calloc(s->opts->n_built_in + s->hits.n + 1, sizeof *s->r->entries);
    if (!s->cache || !s->r->entries)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the list of plugins");
    st = add_built_in(s, err);
    if (st == COLLET_OK)
        st = scan_files(s, err);
    if (st != COLLET_OK)
        return st;
    collet_cache_save(s->cache);
    st = settle_plugins(s->r, err);
    if (st == COLLET_OK)
        st = list_modules(s->r, err);
    if (st != COLLET_OK)
        return st;
    for (size_t i = 0; i < s->r->n_entries; i++)
        log_plugin(s->r, &s->r->entries[i]);
    return check_pins(s->r, s->opts, err);
}

collet_status collet_registry_create(collet_registry **out, const collet_registry_opts *opts, collet_error *err)
{
    collet_registry *r = calloc(1, sizeof *r);
    if (!r)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the plugin registry");
    r->log = opts->log;
    r->unsafe_paths = opts->unsafe_paths != 0;
    survey s = { .r = r, .opts = opts };
    collet_status st = fill(&s, err);
    collet_hits_free(&s.hits);
    collet_cache_destroy(s.cache);
    free(s.jobs);
    free(s.job_entry);
    for (size_t i = 0; i < r->n_entries; i++)
        r->entries[i].pin = NULL; // the caller's, borrowed for the call
    if (st == COLLET_OK)
        *out = r;
    else
        collet_registry_destroy(r);
    return st;
}

void collet_registry_destroy(collet_registry *r)
{
    if (!r)
        return;
    for (size_t nth = r->n_used; nth > 0; nth--) // the last that came into use goes first
        for (size_t i = 0; i < r->n_entries; i++)
            if (r->entries[i].n_used == nth)
                collet_entry_shutdown(&r->entries[i]);
    for (size_t i = 0; i < r->n_entries; i++) {
        free(r->entries[i].path);
        json_decref(r->entries[i].answer);
    }
    if (r->modules)
        collet_answer_modules_free(r->modules, (uint32_t)r->n_modules);
    for (size_t i = 0; r->full_names && i < r->n_modules; i++)
        free(r->full_names[i]);
    free(r->modules);
    free(r->full_names);
    free(r->opened);
    free(r->entries);
    free(r);
}

// ---- lists ----

size_t collet_registry_n_plugins(const collet_registry *r)
{
    return r->n_entries;
}

const collet_plugin_info *collet_registry_plugin(const collet_registry *r, size_t i)
{
    return &r->entries[i].info;
}

size_t collet_registry_n_modules(const collet_registry *r)
{
    return r->n_modules;
}

const collet_module_info *collet_registry_module(const collet_registry *r, size_t i)
{
    return &r->modules[i];
}

// Is `id` this module's, written alone or as "plugin:module"? Ids hold no colon.
static bool names_module(const collet_registry *r, const collet_module_info *m, const char *id)
{
    const char *colon = strchr(id, ':');
    const char *plugin = r->entries[m->plugin].info.id;
    if (!colon)
        return strcmp(m->id, id) == 0;
    size_t n = (size_t)(colon - id);
    return strlen(plugin) == n && memcmp(plugin, id, n) == 0 && strcmp(m->id, colon + 1) == 0;
}

// What may have been meant: the full name when the id is ambiguous, else the most similar id, or NULL.
static const char *nearest_module(const collet_registry *r, const char *id)
{
    for (size_t i = 0; i < r->n_modules; i++)
        if (r->full_names[i] && strcmp(r->modules[i].id, id) == 0)
            return r->full_names[i];
    const char **ids = calloc(r->n_modules + 1, sizeof *ids);
    if (!ids)
        return NULL;
    for (size_t i = 0; i < r->n_modules; i++)
        ids[i] = r->modules[i].id;
    const char *colon = strchr(id, ':');
    const char *nearest = collet_nearest(colon ? colon + 1 : id, ids, r->n_modules);
    free(ids);
    return nearest;
}

collet_status collet_registry_resolve(const collet_registry *r, const char *id, const collet_module_info **out,
                                      collet_error *err)
{
    size_t at[2], n = 0;
    for (size_t i = 0; n < 2 && i < r->n_modules; i++)
        if (names_module(r, &r->modules[i], id) &&
            (n == 0 || (r->full_names[i] && r->modules[i].plugin != r->modules[at[0]].plugin)))
            at[n++] = i;
    if (n == 1) {
        *out = &r->modules[at[0]];
        return COLLET_OK;
    }
    if (n == 2)
        return collet_fail(err, COLLET_E_INVALID, "two plugins have a module '%s': write '%s' or '%s'", id,
                           r->full_names[at[0]], r->full_names[at[1]]);
    const char *nearest = nearest_module(r, id);
    return collet_fail(err, COLLET_E_NOT_FOUND, "no module is called '%s'%s%s%s", id, nearest ? "; did you mean '" : "",
                       nearest ? nearest : "", nearest ? "'?" : "");
}

const collet_module_info *collet_registry_find(const collet_registry *r, const char *id, const char **nearest)
{
    const collet_module_info *found = NULL;
    if (collet_registry_resolve(r, id, &found, NULL) != COLLET_OK && nearest)
        *nearest = nearest_module(r, id);
    return found;
}

size_t collet_registry_n_opened(const collet_registry *r)
{
    return r->n_opened;
}

const collet_module_info *collet_registry_opened(const collet_registry *r, size_t i)
{
    return r->opened[i];
}
