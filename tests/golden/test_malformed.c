// SPDX-License-Identifier: Apache-2.0
// tests/golden/test_malformed.c - broken GGUF files through the program: exit code 3 and one line that names the file.
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/golden/golden.h"

#define FOLDER "malformed"
#define EXIT_MODEL 3 // a model file that cannot be used
#define SECONDS_MAX 60

static char program[4096];

typedef struct child_result {
    int status;                // as from waitpid()
    char out[4096], err[4096]; // what it printed, cut and terminated
} child_result;

// Appends what is there; false at the end of the stream.
static bool drain(int fd, char *text, size_t n_text)
{
    char chunk[4096];
    ssize_t n = read(fd, chunk, sizeof chunk);
    size_t used = strlen(text), space = n_text - 1 - used;
    if (n > 0) {
        size_t kept = (size_t)n < space ? (size_t)n : space;
        memcpy(text + used, chunk, kept);
        text[used + kept] = '\0';
    }
    return n > 0;
}

static void run_child(const char *model, int out, int err)
{
    // A few files claim terabytes: an allocation out of proportion must show. The sanitizers reserve more than this.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    struct rlimit limit = { .rlim_cur = (rlim_t)4 << 30, .rlim_max = (rlim_t)4 << 30 };
    setrlimit(RLIMIT_AS, &limit);
#endif
    dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    execl(program, program, "generate", "-m", model, "-p", "hi", "--max-tokens", "1", (char *)NULL);
    _exit(127);
}

static void generate(child_result *r, const char *model)
{
    int out[2], err[2];
    *r = (child_result){ 0 };
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        run_child(model, out[1], err[1]);
    close(out[1]);
    close(err[1]);
    struct pollfd fds[2] = { { .fd = out[0], .events = POLLIN }, { .fd = err[0], .events = POLLIN } };
    time_t end = time(NULL) + SECONDS_MAX;
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        if (poll(fds, 2, 1000) < 0 || time(NULL) > end)
            break;
        for (int i = 0; i < 2; i++)
            if (fds[i].fd >= 0 && fds[i].revents)
                if (!drain(fds[i].fd, i ? r->err : r->out, sizeof r->out))
                    fds[i].fd = -1;
    }
    if (time(NULL) > end)
        kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &r->status, 0), child);
    close(out[0]);
    close(err[0]);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void assert_one_message(const char *err, const char *names)
{
    const char *newline = strchr(err, '\n');
    if (!strstr(err, names))
        fail_msg("the message does not name %s: %s", names, err);
    if (!newline || newline[1] != '\0')
        fail_msg("not one line: %s", err);
}

static void is_refused_or_run(void **state)
{
    const json_t *c = *state;
    const char *file = text_of(c, "file"), *expected = text_of(c, "expected"), *slash = strrchr(file, '/');
    const char *names = *text_of(c, "names") ? text_of(c, "names") : slash ? slash + 1 : file;
    char path[4096];
    child_result r;
    if (access(program, X_OK) != 0) {
        fprintf(stderr, "skipped: %s is not built\n", program);
        skip();
    }
    generate(&r, golden_path(path, FOLDER, file));
    if (!WIFEXITED(r.status))
        fail_msg("%s (%s): ended by signal %d: %s", file, text_of(c, "fault"), WTERMSIG(r.status), r.err);
    int code = WEXITSTATUS(r.status);
    if (code == 0 && strcmp(expected, "error") == 0)
        fail_msg("%s (%s): was accepted", file, text_of(c, "fault"));
    if (code != 0 && strcmp(expected, "ok") == 0)
        fail_msg("%s (%s): exit code %d: %s", file, text_of(c, "fault"), code, r.err);
    if (code == 0)
        return;
    if (code != EXIT_MODEL)
        fail_msg("%s (%s): exit code %d, wanted %d: %s", file, text_of(c, "fault"), code, EXIT_MODEL, r.err);
    assert_string_equal(r.out, "");
    assert_one_message(r.err, names);
    print_message("%s", r.err);
}

int main(void)
{
    json_t *manifest = golden_json(FOLDER, "manifest.json");
    const char *build = getenv("COLLET_BUILD_DIR");
    snprintf(program, sizeof program, "%s/bin/collet", build ? build : "build/release");
    size_t n_all = json_array_size(manifest), n = 0;
    struct CMUnitTest *tests = calloc(n_all + 1, sizeof *tests);
    char(*names)[160] = calloc(n_all + 1, sizeof *names);
    if (!tests || !names)
        return 1;
    for (size_t i = 0; i < n_all; i++) {
        json_t *c = json_array_get(manifest, i);
        const char *file = text_of(c, "file"), *dot = strrchr(file, '.');
        if (!dot || strcmp(dot, ".gguf") != 0)
            continue; // a safetensors folder: another reader's
        snprintf(names[n], sizeof names[n], "test_malformed__%s__%s", file,
                 strcmp(text_of(c, "expected"), "error") == 0 ? "is_refused_by_name" : "does_no_harm");
        tests[n] = (struct CMUnitTest){ .name = names[n], .test_func = is_refused_or_run, .initial_state = c };
        n++;
    }
    int failed = n ? _cmocka_run_group_tests("malformed", tests, n, NULL, NULL) : 0;
    free(names);
    free(tests);
    json_decref(manifest);
    return failed;
}
