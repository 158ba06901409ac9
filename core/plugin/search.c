// SPDX-License-Identifier: Apache-2.0
// core/plugin/search.c - pins, variables, folders.
#include "core/plugin/search.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif

#include "core/base/error.h"
#include "core/base/text.h"

#define HITS_MAX 4096

const char *collet_user_env(const char *name)
{
#if defined(__linux__)
    if (getauxval(AT_SECURE))
        return NULL;
#endif
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

bool collet_user_path(char out[PATH_MAX], const char *variable, const char *fallback, const char *name)
{
    const char *base = collet_user_env(variable), *home = collet_user_env("HOME");
    if (base && base[0] == '/')
        return snprintf(out, PATH_MAX, "%s/%s", base, name) < PATH_MAX;
    return home && home[0] == '/' && snprintf(out, PATH_MAX, "%s/%s/%s", home, fallback, name) < PATH_MAX;
}

bool collet_program_path(char out[PATH_MAX], const char *relative)
{
    char program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n <= 0)
        return false;
    program[n] = '\0';
    char *slash = strrchr(program, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return snprintf(out, PATH_MAX, "%s/%s", program, relative) < PATH_MAX;
}

static collet_status add_hit(collet_hits *hits, const char *folder, const char *name, const collet_plugin_pin *pin,
                             collet_error *err)
{
    if (hits->n == hits->capacity) {
        size_t capacity = hits->capacity ? 2 * hits->capacity : 32;
        collet_hit *grown = realloc(hits->list, capacity * sizeof *grown);
        if (!grown)
            return collet_fail(err, COLLET_E_NOMEM, "no memory for the list of plugin files");
        hits->list = grown;
        hits->capacity = capacity;
    }
    size_t n_bytes = strlen(folder) + strlen(name) + 2;
    char *path = malloc(n_bytes);
    if (!path)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for the list of plugin files");
    snprintf(path, n_bytes, "%s%s%s", folder, folder[0] ? "/" : "", name);
    hits->list[hits->n++] = (collet_hit){ .path = path, .pin = pin };
    return COLLET_OK;
}

static int is_plugin_name(const struct dirent *entry)
{
    return collet_glob("libcollet_?*.so", entry->d_name) || collet_glob("libcollet_?*.dylib", entry->d_name);
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name); // not alphasort(): the locale must not order plugins
}

// `told`: the user named the folder, so that a missing one is worth a line; where from is in `source`.
static collet_status add_folder(collet_hits *hits, const char *folder, const char *source, bool told,
                                const collet_log *log, collet_error *err)
{
    if (folder[0] != '/') {
        collet_log_line(log, 1, NULL,
                        "%s: '%s' is not an absolute path, so plugins are not looked for there: write "
                        "the whole path",
                        source, folder);
        return COLLET_OK;
    }
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, is_plugin_name, by_bytes);
    if (n < 0 && told)
        collet_log_line(log, 1, NULL, "%s: cannot look for plugins in %s: %s", source, folder, strerror(errno));
    collet_status st = COLLET_OK;
    for (int i = 0; i < n; i++) {
        if (st == COLLET_OK && hits->n < HITS_MAX)
            st = add_hit(hits, folder, entries[i]->d_name, NULL, err);
        else if (hits->n == HITS_MAX && i + 1 == n)
            collet_log_line(log, 1, NULL, "%s: more than %d plugin files: the rest is not looked at", folder, HITS_MAX);
        free(entries[i]);
    }
    free(entries);
    return st;
}

// COLLET_PLUGIN_PATH: folders between colons.
static collet_status add_variable(collet_hits *hits, const collet_log *log, collet_error *err)
{
    const char *value = collet_user_env("COLLET_PLUGIN_PATH");
    char *list = value ? strdup(value) : NULL, *rest = list, *folder;
    if (value && !list)
        return collet_fail(err, COLLET_E_NOMEM, "no memory for COLLET_PLUGIN_PATH");
    collet_status st = COLLET_OK;
    while (st == COLLET_OK && (folder = strsep(&rest, ":")) != NULL)
        st = add_folder(hits, folder, "COLLET_PLUGIN_PATH", true, log, err);
    free(list);
    return st;
}

collet_status collet_search(collet_hits *hits, const collet_registry_opts *opts, collet_error *err)
{
    char folder[PATH_MAX];
    collet_status st = COLLET_OK;
    for (size_t i = 0; st == COLLET_OK && i < opts->n_pins; i++)
        if (opts->pins[i].path)
            st = add_hit(hits, "", opts->pins[i].path, &opts->pins[i], err);
    if (st == COLLET_OK)
        st = add_variable(hits, opts->log, err);
    for (size_t i = 0; st == COLLET_OK && i < opts->n_search; i++)
        st = add_folder(hits, opts->search[i], "search", true, opts->log, err);
    if (st == COLLET_OK && collet_user_path(folder, "XDG_DATA_HOME", ".local/share", "collet/plugins"))
        st = add_folder(hits, folder, "user", false, opts->log, err);
    if (st == COLLET_OK && collet_program_path(folder, "../lib/collet"))
        st = add_folder(hits, folder, "program", false, opts->log, err);
#if defined(COLLET_PLUGIN_DIR)
    if (st == COLLET_OK)
        st = add_folder(hits, COLLET_PLUGIN_DIR, "installation", false, opts->log, err);
#endif
    return st;
}

void collet_hits_free(collet_hits *hits)
{
    for (size_t i = 0; i < hits->n; i++)
        free(hits->list[i].path);
    free(hits->list);
    *hits = (collet_hits){ 0 };
}
