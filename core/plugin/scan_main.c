// SPDX-License-Identifier: Apache-2.0
// core/plugin/scan_main.c - collet-scan: maps one plugin in a process of its own, asks it, tells the answer.
//
// The registry runs it with descriptors as in scan_wire.h. People run `collet-scan FILE` to repeat what it does; the
// answer then goes to stdout. It may die at any moment, by design: before each step it says what it is about to run.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

#include "core/base/error.h"
#include "core/plugin/answer.h"
#include "core/plugin/describe.h"
#include "core/plugin/map.h"
#include "core/plugin/scan_host.h"
#include "core/plugin/scan_wire.h"

// A sanitizer would turn the signal of a crash into an exit code, and the parent names the signal.
#if defined(__SANITIZE_ADDRESS__)
COLLET_EXPORT const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigill=0:handle_sigfpe=0:detect_leaks=0";
}
#elif defined(__SANITIZE_THREAD__)
COLLET_EXPORT const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigill=0:handle_sigfpe=0";
}
#endif

typedef struct scanner {
    const char *path;
    int plugin_fd; // the checked file
    int answer_fd; // -1: a person watches
} scanner;

static void send_bytes(int fd, const void *data, size_t n_bytes)
{
    const char *at = data;
    while (n_bytes > 0) {
        ssize_t n = write(fd, at, n_bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(EXIT_FAILURE); // nobody listens any more
        at += n;
        n_bytes -= (size_t)n;
    }
}

static void send_frame(const scanner *s, uint32_t kind, const char *text)
{
    const collet_scan_frame head = { .magic = COLLET_SCAN_MAGIC, .kind = kind, .n_bytes = (uint32_t)strlen(text) };
    send_bytes(s->answer_fd, &head, sizeof head);
    send_bytes(s->answer_fd, text, strlen(text));
}

static void say_phase(void *ctx, const char *phase, const char *module)
{
    const scanner *s = ctx;
    char line[128];
    snprintf(line, sizeof line, "%s%s%s", phase, module[0] ? " " : "", module);
    if (s->answer_fd >= 0)
        send_frame(s, COLLET_SCAN_PHASE, line);
    else
        fprintf(stderr, "collet-scan: %s\n", line);
}

static json_t *refuse(collet_status st, const char *phase, const collet_error *err)
{
    collet_verdict verdict = st == COLLET_E_UNAVAILABLE ? COLLET_VERDICT_UNAVAILABLE
                             : st == COLLET_E_NOT_FOUND ? COLLET_VERDICT_IGNORED
                                                        : COLLET_VERDICT_REJECTED;
    return collet_answer_refusal(verdict, phase, "%s", err->msg);
}

static json_t *scan(scanner *s)
{
    collet_error err = COLLET_ERROR_INIT;
    void *handle = NULL;
    collet_plugin_entry_fn entry = NULL;
    const collet_plugin *record = NULL;
    int keep_fd = 0; // this process keeps it anyway
    say_phase(s, "dlopen", "");
    collet_status st = collet_map(&handle, &keep_fd, s->plugin_fd, s->path, &err);
    if (st != COLLET_OK)
        return refuse(st, "dlopen", &err);
    say_phase(s, "entry", "");
    st = collet_map_entry(&entry, handle, &err);
    if (st == COLLET_OK)
        st = collet_map_record(&record, entry, &err);
    if (st != COLLET_OK)
        return refuse(st, "entry", &err);
    collet_scan_host *host = collet_scan_host_create();
    if (!host)
        return NULL;
    const collet_describe_opts opts = { .host = collet_scan_host_table(host), .phase = say_phase, .ctx = s };
    return collet_describe(record, &opts); // the host lives until _exit: the plugin may have kept it
}

int main(int argc, char **argv)
{
    bool watched = argc == 3 && strcmp(argv[1], "--frames") == 0;
    if (!watched && (argc != 2 || argv[1][0] == '-')) {
        fprintf(stderr, "usage: collet-scan FILE\n");
        return 2;
    }
    scanner s = { .path = argv[argc - 1], .plugin_fd = COLLET_SCAN_FD_PLUGIN, .answer_fd = COLLET_SCAN_FD_ANSWER };
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    if (watched) {
#if defined(__linux__)
        prctl(PR_SET_PDEATHSIG, SIGKILL); // the registry is gone, nobody would stop a plugin that hangs
#endif
        fcntl(s.answer_fd, F_SETFD, FD_CLOEXEC); // what a plugin executes has no business with them
        fcntl(s.plugin_fd, F_SETFD, FD_CLOEXEC);
    } else {
        s.answer_fd = -1;
        s.plugin_fd = open(s.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (s.plugin_fd < 0) {
            fprintf(stderr, "collet-scan: %s: cannot open: %s\n", s.path, strerror(errno));
            return 1;
        }
    }
    json_t *answer = scan(&s);
    char *text = answer ? json_dumps(answer, watched ? JSON_COMPACT : JSON_INDENT(2)) : NULL;
    if (!text)
        _exit(EXIT_FAILURE);
    if (watched)
        send_frame(&s, COLLET_SCAN_ANSWER, text);
    else
        printf("%s\n", text);
    fflush(NULL);
    _exit(EXIT_SUCCESS); // no destructor of the plugin runs
}
