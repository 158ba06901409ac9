// SPDX-License-Identifier: Apache-2.0
// core/plugin/map.c - the only file that calls dlopen.
#include "core/plugin/map.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/error.h"
#include "core/base/text.h"

#define NAME_BYTES 64 // "/proc/4294967295/fd/2147483647"

typedef struct search {
    char prefix[NAME_BYTES]; // "/proc/<pid>/fd/"
    dev_t dev;
    ino_t ino;
    char name[NAME_BYTES]; // "" until found
} search;

static int same_file(struct dl_phdr_info *info, size_t size, void *ctx)
{
    (void)size;
    search *s = ctx;
    struct stat st;
    if (strncmp(info->dlpi_name, s->prefix, strlen(s->prefix)) != 0 || strlen(info->dlpi_name) >= sizeof s->name)
        return 0;
    if (stat(info->dlpi_name, &st) != 0 || st.st_dev != s->dev || st.st_ino != s->ino)
        return 0;
    memcpy(s->name, info->dlpi_name, strlen(info->dlpi_name) + 1);
    return 1;
}

// The name under which the dynamic linker knows, or is to know, the file behind fd. A file that an earlier registry
// mapped keeps its first name; the linker would add ours as an alias, and this descriptor will be closed.
static collet_status linker_name(char name[NAME_BYTES], int *keep_fd, int fd, collet_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return collet_fail_errno(err, COLLET_E_IO, "cannot stat descriptor %d", fd);
    search s = { .dev = st.st_dev, .ino = st.st_ino };
    snprintf(s.prefix, sizeof s.prefix, "/proc/%ld/fd/", (long)getpid());
    *keep_fd = dl_iterate_phdr(same_file, &s) == 0;
    if (*keep_fd)
        snprintf(name, NAME_BYTES, "/proc/%ld/fd/%d", (long)getpid(), fd);
    else
        memcpy(name, s.name, NAME_BYTES);
    return COLLET_OK;
}

// dlerror()'s text with our /proc name written as the path that people know, and what to do about it.
static collet_status explain(const char *text, const char *name, const char *path, collet_error *err)
{
    char line[COLLET_ERROR_MSG_MAX], clean[COLLET_ERROR_MSG_MAX];
    const char *rest = text && strncmp(text, name, strlen(name)) == 0 ? text + strlen(name) : NULL;
    snprintf(line, sizeof line, "%s%s", rest ? path : "", rest ? rest : text ? text : "unknown error");
    collet_escape(clean, sizeof clean - 64, line, strlen(line));
    if (strstr(line, "cannot open shared object file"))
        return collet_fail(err, COLLET_E_UNAVAILABLE, "%s: install that library", clean);
    if (strstr(line, "undefined symbol"))
        return collet_fail(err, COLLET_E_ABI, "%s: rebuild it with the library that has the symbol", clean);
    if (strstr(line, "version `"))
        return collet_fail(err, COLLET_E_ABI, "%s: rebuild it on this system, or update the library", clean);
    return collet_fail(err, COLLET_E_ABI, "%s: rebuild or reinstall it", clean);
}

static bool is_function(void *symbol)
{
    Dl_info info;
    const ElfW(Sym) *sym = NULL;
    if (!dladdr1(symbol, &info, (void **)&sym, RTLD_DL_SYMENT) || !sym)
        return true; // not known: the scanner will see
    unsigned type = ELF64_ST_TYPE(sym->st_info);
    return type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE;
}

collet_status collet_map(void **handle, int *keep_fd, int fd, const char *path, collet_error *err)
{
    char name[NAME_BYTES];
    collet_status st = linker_name(name, keep_fd, fd, err);
    if (st != COLLET_OK)
        return st;
    bool have_proc = access(name, R_OK) == 0;
    dlerror();
    // NOW: an unresolved symbol fails here and not in the middle of a token. LOCAL: plugins may share symbol names.
    *handle = dlopen(have_proc ? name : path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    *keep_fd = *keep_fd && have_proc && *handle;
    return *handle ? COLLET_OK : explain(dlerror(), have_proc ? name : path, path, err);
}

collet_status collet_map_entry(collet_plugin_entry_fn *entry, void *handle, collet_error *err)
{
    void *symbol = dlsym(handle, COLLET_PLUGIN_ENTRY);
    if (!symbol)
        return collet_fail(err, COLLET_E_NOT_FOUND,
                           "no symbol %s, so it is not a Collet plugin: export one with COLLET_PLUGIN(record)",
                           COLLET_PLUGIN_ENTRY);
    if (!is_function(symbol))
        return collet_fail(err, COLLET_E_ABI, "%s is data, a function was wanted: define it with COLLET_PLUGIN(record)",
                           COLLET_PLUGIN_ENTRY);
    memcpy(entry, &symbol, sizeof *entry);
    return COLLET_OK;
}

collet_status collet_map_record(const collet_plugin **record, collet_plugin_entry_fn entry, collet_error *err)
{
    const collet_plugin *first = entry(COLLET_ABI_MAJOR, COLLET_ABI_MINOR);
    if (!first)
        return collet_fail(err, COLLET_E_ABI,
                           "%s returned NULL, the address of a record was wanted: a plugin leaves "
                           "it to the host to judge versions",
                           COLLET_PLUGIN_ENTRY);
    const collet_plugin *again = entry(COLLET_ABI_MAJOR, COLLET_ABI_MINOR);
    if (again != first)
        return collet_fail(err, COLLET_E_ABI, "%s returned %p, then %p: it must always return the same record",
                           COLLET_PLUGIN_ENTRY, (const void *)first, (const void *)again);
    *record = first;
    return COLLET_OK;
}
