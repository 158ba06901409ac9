// SPDX-License-Identifier: Apache-2.0
// core/plugin/registry_cache.c
#include "core/plugin/registry_cache.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "collet/plugin/plugin.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/isa.h"
#include "core/plugin/answer.h"

#define FORMAT 1
#define FILE_BYTES_MAX (32u << 20)
#define ENTRIES_MAX 4096
#define SETTLED_NS 2000000000 // file systems stamp times in steps of up to two seconds

struct collet_cache {
    char path[PATH_MAX]; // "": memory only
    const collet_log *log;
    json_t *root; // { format, host, machine, entries: { <path>: { dev, ..., sha256, scanned_ns, answer } } }
    bool changed;
};

static int64_t real_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

// What decides whether this core would judge as the one that wrote the file.
static json_t *describe_host(void)
{
    char text[128];
    snprintf(text, sizeof text, "%s abi %u.%u layout %016" PRIx64 " sanitizer %u", COLLET_VERSION, COLLET_ABI_MAJOR,
             COLLET_ABI_MINOR, (uint64_t)COLLET_LAYOUT_HASH, (unsigned)COLLET_SANITIZER);
    return json_string(text);
}

// What decides whether a probe would find the same here: CPU, its offered ISA levels, kernel.
static json_t *describe_machine(void)
{
    struct utsname u;
    collet_isa isa = { 0 };
    char text[512];
    collet_isa_probe(&isa);
    if (uname(&u) != 0)
        memset(&u, 0, sizeof u);
    snprintf(text, sizeof text, "%.64s %.64s %.64s, %.64s, isa %x", u.sysname, u.release, u.machine, isa.cpu_name,
             isa.mask);
    return json_string(text);
}

static bool same_text(const json_t *root, const char *key, json_t *wanted)
{
    bool same = wanted && json_equal(json_object_get(root, key), wanted);
    json_decref(wanted);
    return same;
}

// The parsed file, or NULL. `quiet`: there is no file, or it is a sound one of another core or machine.
static json_t *read_file(const collet_cache *cache)
{
    char *text = NULL;
    size_t n_bytes = 0;
    collet_error err = COLLET_ERROR_INIT;
    json_error_t where;
    collet_status st = collet_file_read(&text, &n_bytes, cache->path, FILE_BYTES_MAX, &err);
    if (st == COLLET_E_NOT_FOUND)
        return NULL;
    json_t *root = st == COLLET_OK ? json_loadb(text, n_bytes, JSON_REJECT_DUPLICATES, &where) : NULL;
    free(text);
    if (!root) {
        collet_log_line(cache->log, 1, NULL, "%s: the plugin cache is not used: %s; plugins are scanned again",
                        cache->path, st == COLLET_OK ? where.text : err.msg);
        return NULL;
    }
    const json_t *entries = json_object_get(root, "entries");
    if (json_integer_value(json_object_get(root, "format")) != FORMAT || !json_is_object(entries) ||
        !same_text(root, "host", describe_host()) || !same_text(root, "machine", describe_machine())) {
        collet_log_line(cache->log, 2, NULL, "%s: written by another version or machine; plugins are scanned again",
                        cache->path);
        json_decref(root);
        return NULL;
    }
    return root;
}

collet_cache *collet_cache_load(const char *path, const collet_log *log)
{
    collet_cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return NULL;
    cache->log = log;
    snprintf(cache->path, sizeof cache->path, "%s", path);
    if (path[0])
        cache->root = read_file(cache);
    if (!cache->root)
        cache->root = json_pack("{s:i, s:o, s:o, s:{}}", "format", FORMAT, "host", describe_host(), "machine",
                                describe_machine(), "entries");
    if (!cache->root) {
        free(cache);
        return NULL;
    }
    return cache;
}

void collet_cache_destroy(collet_cache *cache)
{
    if (!cache)
        return;
    json_decref(cache->root);
    free(cache);
}

static bool has(const json_t *entry, const char *key, uint64_t value)
{
    const json_t *number = json_object_get(entry, key);
    return json_is_integer(number) && json_integer_value(number) == (json_int_t)value;
}

static bool same_file(const json_t *entry, const collet_found *file)
{
    return has(entry, "dev", file->dev) && has(entry, "inode", file->inode) && has(entry, "bytes", file->n_bytes) &&
           has(entry, "mtime_ns", (uint64_t)file->mtime_ns) && has(entry, "ctime_ns", (uint64_t)file->ctime_ns);
}

static void set_key(json_t *entry, const collet_found *file)
{
    json_object_set_new(entry, "dev", json_integer((json_int_t)file->dev));
    json_object_set_new(entry, "inode", json_integer((json_int_t)file->inode));
    json_object_set_new(entry, "bytes", json_integer((json_int_t)file->n_bytes));
    json_object_set_new(entry, "mtime_ns", json_integer(file->mtime_ns));
    json_object_set_new(entry, "ctime_ns", json_integer(file->ctime_ns));
    json_object_set_new(entry, "scanned_ns", json_integer(real_ns()));
}

json_t *collet_cache_find(collet_cache *cache, const collet_found *file, int fd, char hex[COLLET_DIGEST_CHARS])
{
    json_t *entry = json_object_get(json_object_get(cache->root, "entries"), file->path);
    json_t *answer = json_object_get(entry, "answer");
    const char *known = json_string_value(json_object_get(entry, "sha256"));
    if (!answer || !known || strlen(known) != COLLET_DIGEST_CHARS - 1 || !collet_answer_valid(answer))
        return NULL;
    json_int_t scanned_ns = json_integer_value(json_object_get(entry, "scanned_ns"));
    bool settled = scanned_ns - SETTLED_NS > file->ctime_ns && scanned_ns - SETTLED_NS > file->mtime_ns;
    if (!same_file(entry, file) || !settled) {
        if (collet_digest_fd(hex, fd, NULL) != COLLET_OK || strcmp(hex, known) != 0)
            return NULL;
        set_key(entry, file); // the same content, so the answer holds for this file too
        cache->changed = true;
    }
    memcpy(hex, known, COLLET_DIGEST_CHARS);
    return json_incref(answer);
}

static bool lasting(json_t *answer)
{
    const char *phase = json_string_value(json_object_get(answer, "phase"));
    collet_plugin_info plugin = { 0 };
    collet_answer_plugin(&plugin, answer);
    if (plugin.verdict == COLLET_VERDICT_UNAVAILABLE ||
        (plugin.verdict == COLLET_VERDICT_REJECTED && strcmp(phase, "dlopen") == 0) || // a library may come or change
        (plugin.verdict == COLLET_VERDICT_BROKEN && strcmp(phase, "scan") == 0)) // nor is it known who is at fault
        return false;
    const json_t *modules = json_object_get(answer, "modules");
    for (size_t i = 0; i < json_array_size(modules); i++) {
        const json_t *m = json_array_get(modules, i);
        const char *verdict = json_string_value(json_object_get(m, "verdict"));
        if (strcmp(verdict, collet_verdict_name(COLLET_VERDICT_UNAVAILABLE)) == 0 &&
            strcmp(json_string_value(json_object_get(m, "domain")), "cpu") != 0)
            return false;
    }
    return true;
}

void collet_cache_put(collet_cache *cache, const collet_found *file, const char *hex, json_t *answer)
{
    json_t *entries = json_object_get(cache->root, "entries");
    bool keep = lasting(answer) && json_object_size(entries) < ENTRIES_MAX;
    json_t *entry = keep ? json_pack("{s:s, s:O}", "sha256", hex, "answer", answer) : NULL;
    if (entry) {
        set_key(entry, file);
        cache->changed = json_object_set_new(entries, file->path, entry) == 0 || cache->changed;
    } else if (json_object_del(entries, file->path) == 0) {
        cache->changed = true;
    }
}

// Entries of files that are gone would pile up.
static void forget_gone(json_t *entries)
{
    const char *path;
    json_t *entry;
    void *next;
    json_object_foreach_safe(entries, next, path, entry)
    {
        if (access(path, F_OK) != 0)
            json_object_del(entries, path);
    }
}

// mkdir -p of the folder of `path`; a failure shows when the file is written.
static void make_folder(const char *path)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(folder, 0700);
        *slash = '/';
    }
}

void collet_cache_save(collet_cache *cache)
{
    if (!cache->changed || !cache->path[0])
        return;
    forget_gone(json_object_get(cache->root, "entries"));
    char *text = json_dumps(cache->root, JSON_COMPACT);
    collet_error err = COLLET_ERROR_INIT;
    make_folder(cache->path);
    if (!text || collet_file_replace(cache->path, text, strlen(text), &err) != COLLET_OK)
        collet_log_line(cache->log, 2, NULL, "%s: the plugin cache is not kept: %s", cache->path,
                        text ? err.msg : "no memory");
    cache->changed = false;
    free(text);
}
