// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/profile_helper.c
#include "tests/core/plugin/profile_helper.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static void clean_environment(void)
{
    for (char **e = environ; *e;) {
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(*e, "="), *e);
        bool ours = strncmp(name, "COLLET_", 7) == 0 || strncmp(name, "MISTRALRS_", 10) == 0;
        if (ours)
            unsetenv(name);
        e = ours ? environ : e + 1;
    }
}

int profile_setup(void **state)
{
    profile_test *t = calloc(1, sizeof *t);
    assert_non_null(t);
    snprintf(t->folder, sizeof t->folder, "/tmp/collet-test-XXXXXX");
    assert_non_null(mkdtemp(t->folder));
    clean_environment();
    setenv("HOME", t->folder, 1);
    setenv("XDG_CONFIG_HOME", t->folder, 1); // the user's profile: <folder>/collet/profile.yaml
    *state = t;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int profile_teardown(void **state)
{
    profile_test *t = *state;
    collet_profile_destroy(t->p);
    collet_text_free(&t->problems);
    nftw(t->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(t);
    return 0;
}

static void path_of(char out[600], const profile_test *t, const char *name)
{
    snprintf(out, 600, "%s/%s", t->folder, name);
}

void profile_file(profile_test *t, const char *name, const char *text)
{
    char path[600];
    path_of(path, t, name);
    for (char *slash = strchr(path + strlen(t->folder) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

// Takes every "<folder>/" out.
static void shorten(collet_text *text, const char *folder)
{
    size_t n_folder = strlen(folder) + 1;
    for (char *at = text->data ? strstr(text->data, folder) : NULL; at; at = strstr(at, folder)) {
        memmove(at, at + n_folder, strlen(at + n_folder) + 1);
        text->n_bytes -= n_folder;
    }
}

collet_status profile_load(profile_test *t, const char *name)
{
    char path[600] = "";
    if (name)
        path_of(path, t, name);
    collet_profile_destroy(t->p);
    t->p = NULL;
    collet_text_free(&t->problems);
    t->err = (collet_error)COLLET_ERROR_INIT;
    const collet_profile_opts opts = { .path = name ? path : NULL, .sets = t->sets, .n_sets = t->n_sets };
    collet_status st = collet_profile_load(&t->p, &opts, &t->problems, &t->err);
    shorten(&t->problems, t->folder);
    if (st != COLLET_OK) {
        assert_null(t->p);
        assert_int_equal(t->err.code, st);
    }
    return st;
}

void profile_loads(profile_test *t, const char *text)
{
    profile_file(t, "p.yaml", text);
    if (profile_load(t, "p.yaml") != COLLET_OK)
        fail_msg("%s", t->problems.data ? t->problems.data : t->err.msg);
}

void profile_refused(profile_test *t, const char *text, const char *problems)
{
    profile_file(t, "p.yaml", text);
    assert_int_equal(profile_load(t, "p.yaml"), COLLET_E_INVALID);
    assert_non_null(t->problems.data);
    assert_string_equal(t->problems.data, problems);
}

const char *profile_shown(profile_test *t, bool with_origin)
{
    static char text[16384];
    FILE *f = fmemopen(text, sizeof text, "w");
    assert_non_null(f);
    collet_profile_print(t->p, f, with_origin);
    assert_int_equal(fclose(f), 0);
    collet_text shown = { 0 };
    collet_text_printf(&shown, "%s", text);
    shorten(&shown, t->folder);
    snprintf(text, sizeof text, "%s", shown.data);
    collet_text_free(&shown);
    return text;
}
