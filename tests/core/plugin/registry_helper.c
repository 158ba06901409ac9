// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/registry_helper.c
#include "tests/core/plugin/registry_helper.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"

static const char *build_dir(void)
{
    const char *folder = getenv("COLLET_BUILD_DIR");
    assert_non_null(folder); // ctest sets it
    return folder;
}

static void keep_line(void *ctx, int32_t level, const char *line)
{
    (void)level;
    collet_text_printf(ctx, "%s\n", line);
}

int helper_setup(void **state)
{
    helper *h = calloc(1, sizeof *h);
    if (!h)
        return -1;
    // Not /tmp, where some machines refuse to map code.
    snprintf(h->folder, sizeof h->folder, "%s/tests/registry-XXXXXX", build_dir());
    if (!mkdtemp(h->folder))
        return -1;
    snprintf(h->cache_path, sizeof h->cache_path, "%s/cache/collet/registry-0.json", h->folder);
    h->err = (collet_error)COLLET_ERROR_INIT;
    h->log = (collet_log){ .level = 3, .write = keep_line, .ctx = &h->lines };
    setenv("XDG_DATA_HOME", h->folder, 1);
    setenv("XDG_CACHE_HOME", h->folder, 1);
    unsetenv("COLLET_PLUGIN_PATH");
    *state = h;
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

int helper_teardown(void **state)
{
    helper *h = *state;
    collet_registry_destroy(h->r);
    collet_text_free(&h->lines);
    nftw(h->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(h);
    return 0;
}

const char *helper_bad(const char *name)
{
    static char path[600];
    snprintf(path, sizeof path, "%s/tests/bad/%s", build_dir(), name);
    return path;
}

const char *helper_bad_file(const char *name)
{
    static char path[700];
    snprintf(path, sizeof path, "%s/libcollet_%s.so", helper_bad(name), name);
    return path;
}

void helper_search(helper *h, const char *folder)
{
    assert_true(h->n_search < HELPER_PATHS_MAX);
    snprintf(h->search[h->n_search++], sizeof h->search[0], "%s", folder);
}

void helper_reset(helper *h)
{
    h->n_search = 0;
    h->n_pins = 0;
}

collet_status helper_create(helper *h)
{
    char scanner[600];
    const char *search[HELPER_PATHS_MAX];
    for (size_t i = 0; i < h->n_search; i++)
        search[i] = h->search[i];
    snprintf(scanner, sizeof scanner, "%s/bin/collet-scan", build_dir());
    const collet_registry_opts opts = { .log = &h->log,
                                        .built_in = h->built_in,
                                        .n_built_in = h->n_built_in,
                                        .search = search,
                                        .n_search = h->n_search,
                                        .pins = h->pins,
                                        .n_pins = h->n_pins,
                                        .scanner_path = scanner,
                                        .cache_path = h->use_cache ? h->cache_path : "",
                                        .timeout_ms = h->timeout_ms,
                                        .rescan = h->rescan,
                                        .unsafe_paths = h->unsafe_paths };
    collet_registry_destroy(h->r);
    h->r = NULL;
    collet_text_free(&h->lines);
    collet_text_add(&h->lines, "", 0);
    h->err = (collet_error)COLLET_ERROR_INIT;
    return collet_registry_create(&h->r, &opts, &h->err);
}

const collet_plugin_info *helper_one(helper *h, const char *name)
{
    helper_reset(h);
    helper_search(h, helper_bad(name));
    assert_int_equal(helper_create(h), COLLET_OK);
    assert_int_equal(collet_registry_n_plugins(h->r), 1);
    return collet_registry_plugin(h->r, 0);
}

const collet_module_info *helper_module(const helper *h, const char *id)
{
    for (size_t i = 0; i < collet_registry_n_modules(h->r); i++)
        if (strcmp(collet_registry_module(h->r, i)->id, id) == 0)
            return collet_registry_module(h->r, i);
    fail_msg("no module '%s'", id);
    return NULL;
}

const char *helper_write(helper *h, const char *name, const void *data, size_t n_bytes)
{
    static char path[700];
    snprintf(path, sizeof path, "%s/%s", h->folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n_bytes, f), n_bytes);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0644), 0);
    return path;
}

uint8_t *helper_read(const char *path, size_t *n_bytes)
{
    char *data = NULL;
    assert_int_equal(collet_file_read(&data, n_bytes, path, 64u << 20, NULL), COLLET_OK);
    return (uint8_t *)data;
}

const char *helper_copy(helper *h, const char *name, const char *bad)
{
    size_t n_bytes = 0;
    uint8_t *data = helper_read(helper_bad_file(bad), &n_bytes);
    const char *path = helper_write(h, name, data, n_bytes);
    free(data);
    return path;
}

void helper_assert_holds(const char *text, const char *part, const char *file, int line)
{
    if (!text || !strstr(text, part)) {
        print_error("'%s'\ndoes not hold '%s'\n", text ? text : "(null)", part);
        _fail(file, line);
    }
}
