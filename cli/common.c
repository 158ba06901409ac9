// SPDX-License-Identifier: Apache-2.0
// cli/common.c
#include "cli/common.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/model/recipe.h"
#include "plugins/reference/reference.h"

static void write_error(const char *message)
{
    static const collet_log log = { .level = COLLET_LOG_ERROR };
    collet_log_line(&log, COLLET_LOG_ERROR, NULL, "%s", message);
}

int collet_cli_fail(const collet_error *err, int exit_code)
{
    write_error(err->msg);
    switch (err->code) {
    case COLLET_E_NOMEM:
        return COLLET_EXIT_MEMORY;
    case COLLET_E_CANCELLED:
        return COLLET_EXIT_INTERRUPTED;
    case COLLET_E_FORMAT:
        return exit_code ? exit_code : COLLET_EXIT_MODEL;
    case COLLET_E_ABI:
        return exit_code ? exit_code : COLLET_EXIT_PLUGIN;
    case COLLET_E_INVALID:
        return exit_code ? exit_code : COLLET_EXIT_USAGE;
    default:
        return exit_code ? exit_code : COLLET_EXIT_FAILED;
    }
}

int collet_cli_error(int exit_code, const char *format, ...)
{
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    write_error(message);
    return exit_code;
}

int collet_cli_finish(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return COLLET_EXIT_OK;
    return collet_cli_error(COLLET_EXIT_FAILED, "the result could not be written to stdout");
}

// ---- the session ----

// Flags that stand for a key of the profile become what --set would say, in the order of the command line.
// Ownership: gives each text and the list.
static bool gather_sets(char ***sets, size_t *n_sets, const collet_args *args)
{
    size_t n = 0;
    char **list = calloc(args->n_given + 1, sizeof *list);
    for (size_t i = 0; list && i < args->n_given; i++) {
        const collet_flag *f = args->given[i].flag;
        collet_text t = { 0 };
        if (strcmp(f->name, "set") == 0)
            collet_text_printf(&t, "%s", args->given[i].text);
        else if (f->key)
            collet_text_printf(&t, "%s=%s", f->key, args->given[i].text ? args->given[i].text : "true");
        else
            continue;
        list[n++] = t.data; // NULL is seen below
    }
    *sets = list;
    *n_sets = n;
    for (size_t i = 0; list && i < n; i++)
        if (!list[i])
            return false;
    return list != NULL;
}

static void free_sets(char **sets, size_t n_sets)
{
    for (size_t i = 0; sets && i < n_sets; i++)
        free(sets[i]);
    free(sets);
}

int collet_cli_problems(const collet_text *problems, const collet_error *err, int exit_code)
{
    for (const char *line = problems->data; line && *line;) {
        size_t n = strcspn(line, "\n");
        collet_cli_error(exit_code, "%.*s", (int)n, line);
        line += n + (line[n] == '\n');
    }
    return problems->data ? exit_code : collet_cli_fail(err, exit_code);
}

static int load_profile(collet_session *s, const collet_args *args)
{
    char **sets = NULL;
    size_t n_sets = 0;
    collet_text problems = { 0 };
    collet_error err = COLLET_ERROR_INIT;
    collet_status st = COLLET_OK;
    if (gather_sets(&sets, &n_sets, args)) {
        const collet_profile_opts opts = { .path = collet_args_text(args, "profile"),
                                           .sets = (const char *const *)sets,
                                           .n_sets = n_sets };
        st = collet_profile_load(&s->profile, &opts, &problems, &err);
    } else {
        st = collet_fail(&err, COLLET_E_NOMEM, "no memory for the command line");
    }
    int exit_code = COLLET_EXIT_OK;
    if (st != COLLET_OK)
        exit_code = collet_cli_problems(&problems, &err, st == COLLET_E_NOMEM ? COLLET_EXIT_MEMORY : COLLET_EXIT_USAGE);
    free_sets(sets, n_sets);
    collet_text_free(&problems);
    return exit_code;
}

static int find_plugins(collet_session *s)
{
    static const collet_plugin *const built_in[] = { &collet_reference_plugin };
    collet_registry_opts opts = { .log = &s->log, .built_in = built_in, .n_built_in = COLLET_COUNT(built_in) };
    opts.search = collet_profile_search(s->profile, &opts.n_search);
    opts.pins = collet_profile_pins(s->profile, &opts.n_pins);
    collet_error err = COLLET_ERROR_INIT;
    if (collet_registry_create(&s->registry, &opts, &err) != COLLET_OK)
        return collet_cli_fail(&err, COLLET_EXIT_PLUGIN);
    return COLLET_EXIT_OK;
}

static int check_profile(const collet_session *s)
{
    collet_text problems = { 0 };
    collet_error err = COLLET_ERROR_INIT;
    int exit_code = COLLET_EXIT_OK;
    if (collet_profile_check(s->profile, s->registry, &problems, &err) != COLLET_OK)
        exit_code = collet_cli_problems(&problems, &err, COLLET_EXIT_USAGE);
    size_t n_isq = 0;
    const collet_isq_rule *isq = collet_profile_isq(s->profile, &n_isq);
    for (size_t i = 0; i < n_isq; i++)
        if (collet_recipe_check_name(isq[i].use, &err) != COLLET_OK)
            exit_code = collet_cli_error(COLLET_EXIT_USAGE, "%s: isq: %s", isq[i].where, err.msg);
    collet_text_free(&problems);
    return exit_code;
}

int collet_session_open(collet_session *s, const collet_args *args)
{
    *s = (collet_session){ .log = { .level = args->log_level } };
    int exit_code = load_profile(s, args);
    if (exit_code == COLLET_EXIT_OK)
        exit_code = find_plugins(s);
    if (exit_code == COLLET_EXIT_OK)
        exit_code = check_profile(s);
    if (exit_code != COLLET_EXIT_OK) {
        collet_session_close(s);
        return exit_code;
    }
    size_t n_notes = 0;
    const char *const *notes = collet_profile_notes(s->profile, &n_notes);
    for (size_t i = 0; i < n_notes; i++)
        collet_log_line(&s->log, COLLET_LOG_WARN, NULL, "%s", notes[i]);
    return COLLET_EXIT_OK;
}

void collet_session_close(collet_session *s)
{
    collet_registry_destroy(s->registry);
    collet_profile_destroy(s->profile);
    *s = (collet_session){ 0 };
}
