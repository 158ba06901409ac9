// SPDX-License-Identifier: Apache-2.0
// core/plugin/scan.c - one poll loop over all scanner processes.
#include "core/plugin/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/plugin/answer.h"
#include "core/plugin/scan_wire.h"

#define CHILDREN_MAX 64
#define TAIL_BYTES 8192      // of stderr that are kept
#define LAST_WORDS_BYTES 240 // of them that fit a message
#define FD_MIN 10            // descriptors meant for a child stay clear of the numbers they become there
#define TICK_MS 10           // an exit that no pipe tells of (a grandchild holds them) is noticed this late

extern char **environ;

typedef struct child {
    collet_scan_job *job; // NULL: the slot is free
    pid_t pid;
    int answer_fd, stderr_fd; // read ends, non-blocking; -1 after their end
    int64_t deadline_ns;
    char phase[128];       // the last one told: "probe acme.matmul"
    collet_text frames;    // bytes of unfinished frames
    bool no_memory;        // for them or for the answer: no fault of the plugin
    char tail[TAIL_BYTES]; // ring: byte i of stderr is at i % TAIL_BYTES
    uint64_t n_stderr;
} child;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

// ---- start ----

// A pipe, both ends >= FD_MIN and closed on exec; the read end does not block.
static bool open_pipe(int ends[2])
{
    int low[2];
    if (pipe2(low, O_CLOEXEC) != 0)
        return false;
    for (int i = 0; i < 2; i++) {
        ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, FD_MIN);
        close(low[i]);
    }
    if (ends[0] >= 0 && ends[1] >= 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
        return true;
    close_fd(&ends[0]);
    close_fd(&ends[1]);
    return false;
}

static int spawn(child *c, const char *scanner_path, int answer_fd, int stderr_fd, int plugin_fd)
{
    char *const argv[] = { "collet-scan", "--frames", (char *)(uintptr_t)c->job->path, NULL };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, stderr_fd, STDOUT_FILENO); // stdout is no channel of a plugin
    posix_spawn_file_actions_adddup2(&files, stderr_fd, STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&files, answer_fd, COLLET_SCAN_FD_ANSWER);
    posix_spawn_file_actions_adddup2(&files, plugin_fd, COLLET_SCAN_FD_PLUGIN);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    posix_spawn_file_actions_addclosefrom_np(&files, COLLET_SCAN_FD_PLUGIN + 1); // what the host left without CLOEXEC
#endif
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attr, 0); // a group of its own, to be killed whole
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    int failed = posix_spawn(&c->pid, scanner_path, &files, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return failed;
}

// Starts the job's process, or settles the job at once.
static void start(child *c, collet_scan_job *job, size_t i, const collet_scan_opts *opts)
{
    int plugin_fd = -1, answer[2] = { -1, -1 }, errors[2] = { -1, -1 };
    job->answer = opts->prepare(opts->ctx, i, &plugin_fd);
    if (job->answer)
        return;
    *c = (child){ .job = job, .answer_fd = -1, .stderr_fd = -1 };
    int high = fcntl(plugin_fd, F_DUPFD_CLOEXEC, FD_MIN);
    int failed = high < 0 || !open_pipe(answer) || !open_pipe(errors) ? errno : 0;
    if (!failed)
        failed = spawn(c, opts->scanner_path, answer[1], errors[1], high);
    close_fd(&plugin_fd);
    close_fd(&high);
    close_fd(&answer[1]);
    close_fd(&errors[1]);
    if (failed) {
        close_fd(&answer[0]);
        close_fd(&errors[0]);
        job->answer = collet_answer_refusal(COLLET_VERDICT_UNAVAILABLE, "scan",
                                            "cannot start %s: %s: install collet-scan beside the program",
                                            opts->scanner_path, strerror(failed));
        c->job = NULL;
        return;
    }
    c->answer_fd = answer[0];
    c->stderr_fd = errors[0];
    c->deadline_ns = now_ns() + (int64_t)opts->timeout_ms * 1000000;
}

// ---- listen ----

static void drain_stderr(child *c)
{
    char buf[65536];
    while (c->stderr_fd >= 0) {
        ssize_t n = read(c->stderr_fd, buf, sizeof buf);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            close_fd(&c->stderr_fd);
        for (ssize_t i = n > TAIL_BYTES ? n - TAIL_BYTES : 0; i < n; i++)
            c->tail[(c->n_stderr + (uint64_t)i) % TAIL_BYTES] = buf[i];
        c->n_stderr += n > 0 ? (uint64_t)n : 0;
        if (n > 0 && now_ns() > c->deadline_ns)
            return; // a flood must not outrun the clock
    }
}

static void drain_answer(child *c)
{
    char buf[65536];
    while (c->answer_fd >= 0 && c->frames.n_bytes <= COLLET_SCAN_BYTES_MAX + sizeof(collet_scan_frame)) {
        ssize_t n = read(c->answer_fd, buf, sizeof buf);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            close_fd(&c->answer_fd);
        else
            collet_text_add(&c->frames, buf, (size_t)n);
    }
}

static json_t *garbage(void)
{
    return collet_answer_refusal(COLLET_VERDICT_BROKEN, "scan",
                                 "the answer of its scanner is garbage: the plugin must not write to descriptors that "
                                 "it did not open");
}

// Takes the frames that are complete. Returns the answer once it is there, and one of verdict BROKEN for garbage.
static json_t *take_frames(child *c)
{
    collet_scan_frame head;
    json_t *answer = NULL;
    size_t at = 0;
    while (!answer && c->frames.n_bytes - at >= sizeof head) {
        memcpy(&head, c->frames.data + at, sizeof head);
        if (head.magic != COLLET_SCAN_MAGIC || head.n_bytes > COLLET_SCAN_BYTES_MAX)
            return garbage();
        if (c->frames.n_bytes - at - sizeof head < head.n_bytes)
            break;
        const char *payload = c->frames.data + at + sizeof head;
        if (head.kind == COLLET_SCAN_PHASE) {
            collet_escape(c->phase, sizeof c->phase, payload, head.n_bytes);
        } else {
            json_error_t why;
            answer = json_loadb(payload, head.n_bytes, JSON_REJECT_DUPLICATES, &why);
            c->no_memory = !answer && json_error_code(&why) == json_error_out_of_memory;
            if (!c->no_memory && !collet_answer_valid(answer)) {
                json_decref(answer);
                return garbage();
            }
        }
        at += sizeof head + head.n_bytes;
    }
    if (at > 0) {
        memmove(c->frames.data, c->frames.data + at, c->frames.n_bytes - at + 1);
        c->frames.n_bytes -= at;
    }
    return answer;
}

// ---- judge ----

// The end of what it wrote to stderr, on one line: "; it wrote: ...", or "".
static const char *last_words(const child *c, char *out, size_t n_out)
{
    uint64_t n = c->n_stderr < TAIL_BYTES ? c->n_stderr : TAIL_BYTES;
    char raw[LAST_WORDS_BYTES + 1];
    size_t n_raw = n < LAST_WORDS_BYTES ? (size_t)n : LAST_WORDS_BYTES;
    for (size_t i = 0; i < n_raw; i++) {
        char byte = c->tail[(c->n_stderr - n_raw + i) % TAIL_BYTES];
        raw[i] = byte == '\n' ? ' ' : byte;
    }
    while (n_raw > 0 && raw[n_raw - 1] == ' ')
        n_raw--;
    char clean[LAST_WORDS_BYTES * 2];
    out[0] = '\0';
    if (n_raw > 0)
        snprintf(out, n_out, "; it wrote: %s", collet_escape(clean, sizeof clean, raw, n_raw));
    return out;
}

static const char *signal_name(int number, char *out, size_t n_out)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
    const char *name = sigabbrev_np(number);
    if (name) {
        snprintf(out, n_out, "SIG%s", name);
        return out;
    }
#endif
    snprintf(out, n_out, "signal %d", number);
    return out;
}

// An answer for a process that ended, or was ended, without giving one.
static json_t *judge(const child *c, bool timed_out, const siginfo_t *end, uint32_t timeout_ms)
{
    char what[256], words[LAST_WORDS_BYTES * 2 + 32], name[32], phase[sizeof c->phase];
    const char *told = c->phase[0] ? c->phase : "scan";
    if (timed_out)
        snprintf(what, sizeof what, "timed out in %s after %.1f s", told, timeout_ms / 1000.0);
    else if (end->si_code == CLD_EXITED)
        snprintf(what, sizeof what, "ended its process with exit code %d in %s", end->si_status, told);
    else if (end->si_code == 0) // the program that we are part of has SIGCHLD ignored: nobody knows how it ended
        snprintf(what, sizeof what, "ended its process in %s", told);
    else
        snprintf(what, sizeof what, "crashed with %s in %s", signal_name(end->si_status, name, sizeof name), told);
    memcpy(phase, told, strlen(told) + 1);
    phase[strcspn(phase, " ")] = '\0';
    return collet_answer_refusal(COLLET_VERDICT_BROKEN, phase,
                                 "%s, a plugin must answer and return: fix it, see it with `collet-scan %s`%s", what,
                                 c->job->path, last_words(c, words, sizeof words));
}

// Ends the process and all it started, and frees the slot.
static void finish(child *c, json_t *answer)
{
    c->job->answer = answer;
    kill(-c->pid, SIGKILL); // before the leader is reaped: until then its number cannot mean another group
    while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    close_fd(&c->answer_fd);
    close_fd(&c->stderr_fd);
    collet_text_free(&c->frames);
    c->job = NULL;
}

static void look(child *c, const collet_scan_opts *opts)
{
    siginfo_t end = { 0 };
    // Asked before the pipes are drained: what an ended process wrote is then all there.
    bool ended = waitid(P_PID, (id_t)c->pid, &end, WEXITED | WNOHANG | WNOWAIT) != 0 || end.si_pid != 0;
    drain_stderr(c);
    drain_answer(c);
    json_t *answer = take_frames(c);
    if (answer || c->no_memory || c->frames.failed)
        finish(c, answer); // NULL: collet_scan_run() reports NOMEM
    else if (ended)
        finish(c, judge(c, false, &end, opts->timeout_ms));
    else if (now_ns() >= c->deadline_ns)
        finish(c, judge(c, true, &end, opts->timeout_ms));
}

static void wait_for_any(const child *children, size_t n)
{
    struct pollfd fds[2 * CHILDREN_MAX];
    size_t n_fds = 0;
    for (size_t i = 0; i < n; i++) {
        if (!children[i].job)
            continue;
        fds[n_fds++] = (struct pollfd){ .fd = children[i].answer_fd, .events = POLLIN };
        fds[n_fds++] = (struct pollfd){ .fd = children[i].stderr_fd, .events = POLLIN };
    }
    poll(fds, n_fds, TICK_MS);
}

collet_status collet_scan_run(collet_scan_job *jobs, size_t n_jobs, const collet_scan_opts *opts, collet_error *err)
{
    long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
    size_t n = n_cpus < 1 ? 1 : n_cpus > CHILDREN_MAX ? CHILDREN_MAX : (size_t)n_cpus;
    child *children = calloc(n, sizeof *children);
    if (!children)
        return collet_fail(err, COLLET_E_NOMEM, "no memory to scan plugins");
    size_t next = 0;
    for (bool busy = true; busy;) {
        busy = false;
        for (size_t i = 0; i < n; i++) {
            while (!children[i].job && next < n_jobs) {
                start(&children[i], &jobs[next], next, opts);
                next++;
            }
            busy = busy || children[i].job;
        }
        if (busy)
            wait_for_any(children, n);
        for (size_t i = 0; i < n; i++)
            if (children[i].job)
                look(&children[i], opts);
    }
    free(children);
    for (size_t i = 0; i < n_jobs; i++)
        if (!jobs[i].answer)
            return collet_fail(err, COLLET_E_NOMEM, "no memory for the answer of %s", jobs[i].path);
    return COLLET_OK;
}
