// SPDX-License-Identifier: Apache-2.0
// cli/cmd_doctor.c - what this machine has and lacks, each lack with a hint.
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/common.h"
#include "cli/print_json.h"
#include "core/base/isa.h"
#include "core/base/text.h"

// One line of the report. `level`: "ok", "note" (could be better), "warning" (something does not work).
typedef struct finding {
    const char *level, *what;
    char text[480];
} finding;

#define FINDINGS_MAX 256
typedef struct report {
    finding findings[FINDINGS_MAX];
    size_t n;
} report;

static void add(report *r, const char *level, const char *what, const char *format, ...) COLLET_PRINTF(4, 5);
static void add(report *r, const char *level, const char *what, const char *format, ...)
{
    if (r->n == FINDINGS_MAX)
        return;
    finding *f = &r->findings[r->n++];
    f->level = level;
    f->what = what;
    va_list args;
    va_start(args, format);
    vsnprintf(f->text, sizeof f->text, format, args);
    va_end(args);
}

static void check_cpu(report *r)
{
    collet_isa isa;
    collet_isa_probe(&isa);
    char l2[32], l3[32];
    add(r, "ok", "cpu", "%s, %ld CPUs, L2 %s, L3 %s", isa.cpu_name[0] ? isa.cpu_name : "unknown",
        sysconf(_SC_NPROCESSORS_ONLN), collet_format_bytes(l2, sizeof l2, isa.l2_bytes),
        collet_format_bytes(l3, sizeof l3, isa.l3_bytes));
    for (uint32_t level = 0; level < COLLET_COUNT(isa.why); level++) {
        const char *name = collet_isa_name(1u << level);
        if (isa.mask & 1u << level)
            add(r, "ok", "isa", "%s: offered, a known product came out right", name);
        else
            add(r, "note", "isa", "%s: not offered: %s", name, isa.why[level]);
    }
}

static bool read_line(const char *path, char *out, size_t n_out)
{
    FILE *f = fopen(path, "r");
    bool read = f && fgets(out, (int)n_out, f) != NULL;
    if (f)
        fclose(f);
    if (read)
        out[strcspn(out, "\n")] = '\0';
    return read;
}

static void check_memory(report *r)
{
    char total[32], limit[32], text[128];
    uint64_t n_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    add(r, "ok", "memory", "%s of RAM", collet_format_bytes(total, sizeof total, n_bytes));
    struct rlimit as;
    if (getrlimit(RLIMIT_AS, &as) == 0 && as.rlim_cur != RLIM_INFINITY)
        add(r, "note", "memory", "address space limited to %s (ulimit -v): models are mapped and may not fit",
            collet_format_bytes(limit, sizeof limit, as.rlim_cur));
    if (read_line("/sys/fs/cgroup/memory.max", text, sizeof text) && strcmp(text, "max") != 0)
        add(r, "note", "memory", "the control group allows %s",
            collet_format_bytes(limit, sizeof limit, strtoull(text, NULL, 10)));
}

static void check_governor(report *r)
{
    char text[64];
    if (!read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", text, sizeof text))
        add(r, "ok", "governor", "not visible here, as in most virtual machines");
    else if (strcmp(text, "performance") == 0)
        add(r, "ok", "governor", "performance");
    else
        add(r, "note", "governor", "%s: measurements vary less with `cpupower frequency-set -g performance`", text);
}

// Two OpenMP runtimes in one process fight for the CPUs; ours has none of its own. One may come with a vendor's
// library, whose plugin limits it.
static void check_openmp(report *r)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[4096], seen[8][128];
    size_t n = 0;
    while (maps && fgets(line, sizeof line, maps)) {
        const char *slash = strrchr(line, '/');
        if (!slash || (!strstr(slash, "libgomp") && !strstr(slash, "libomp") && !strstr(slash, "libiomp")))
            continue;
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(slash + 1, "\n"), slash + 1);
        bool known = n == COLLET_COUNT(seen);
        for (size_t i = 0; i < n; i++)
            known = known || strcmp(seen[i], name) == 0;
        if (!known)
            snprintf(seen[n++], sizeof seen[0], "%s", name);
    }
    if (maps)
        fclose(maps);
    if (n == 0)
        add(r, "ok", "openmp", "no OpenMP runtime in this process");
    else if (n == 1)
        add(r, "note", "openmp", "%s is in this process beside the core's own threads", seen[0]);
    for (size_t i = 1; i < n; i++)
        add(r, "warning", "openmp",
            "two OpenMP runtimes in this process, %s and %s: each starts a thread for every CPU; "
            "unload the plugin or LD_PRELOAD that brought one of them",
            seen[0], seen[i]);
}

static void check_plugins(report *r, const collet_registry *registry)
{
    size_t n_ok = 0;
    for (size_t i = 0; i < collet_registry_n_plugins(registry); i++) {
        const collet_plugin_info *p = collet_registry_plugin(registry, i);
        if (p->verdict == COLLET_VERDICT_OK)
            n_ok++;
        else if (p->verdict == COLLET_VERDICT_UNAVAILABLE || p->verdict == COLLET_VERDICT_SHADOWED)
            add(r, "note", "plugin", "%s: %s", p->path, p->why);
        else if (p->verdict != COLLET_VERDICT_IGNORED)
            add(r, "warning", "plugin", "%s: rejected in phase %s: %s", p->path, p->phase, p->why);
    }
    for (size_t i = 0; i < collet_registry_n_modules(registry); i++) {
        const collet_module_info *m = collet_registry_module(registry, i);
        if (m->verdict != COLLET_VERDICT_OK)
            add(r, "note", "module", "%s: %s", m->id, m->why);
    }
    if (COLLET_LEFT_OUT[0])
        add(r, "note", "plugin", "%s", COLLET_LEFT_OUT);
    add(r, "ok", "plugins", "%zu usable; `collet plugins list` shows their modules", n_ok);
}

static int print_json(const report *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->n; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "level", r->findings[i].level, "what",
                                              r->findings[i].what, "text", r->findings[i].text));
    json_t *object = json_pack("{s:o}", "findings", list);
    return collet_cli_print_json(object, JSON_INDENT(1));
}

static int run(const collet_args *args)
{
    collet_session s;
    int exit_code = collet_session_open(&s, args);
    if (exit_code != COLLET_EXIT_OK)
        return exit_code;
    report *r = calloc(1, sizeof *r);
    if (!r) {
        collet_session_close(&s);
        return collet_cli_error(COLLET_EXIT_MEMORY, "no memory for the report");
    }
    check_cpu(r);
    check_memory(r);
    check_governor(r);
    check_openmp(r);
    check_plugins(r, s.registry);
    if (collet_args_bool(args, "json")) {
        exit_code = print_json(r);
    } else {
        for (size_t i = 0; i < r->n; i++)
            printf("%-8s %-9s %s\n", r->findings[i].level, r->findings[i].what, r->findings[i].text);
        exit_code = collet_cli_finish();
    }
    free(r);
    collet_session_close(&s);
    return exit_code;
}

const collet_command collet_cmd_doctor = {
    .name = "doctor",
    .summary = "what this machine has and lacks, and which plugins were rejected",
    .shared = COLLET_FLAGS_JSON | COLLET_FLAGS_PROFILE,
    .run = run,
};
