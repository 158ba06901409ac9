// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/test_registry_paths.c - which files are looked at, which are refused before any of their code runs.
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/core/plugin/registry_helper.h"

// The verdict on one file of the test's folder.
static const collet_plugin_info *only(helper *h)
{
    helper_reset(h);
    helper_search(h, h->folder);
    assert_int_equal(helper_create(h), COLLET_OK);
    assert_int_equal(collet_registry_n_plugins(h->r), 1);
    return collet_registry_plugin(h->r, 0);
}

static void assert_refused(helper *h, collet_verdict verdict, const char *phase, const char *why)
{
    const collet_plugin_info *p = only(h);
    assert_holds(p->why, why);
    assert_string_equal(p->phase, phase);
    assert_int_equal(p->verdict, verdict);
}

// Writes good's file with `n` bytes changed at `at`.
static void spoil(helper *h, size_t at, const void *bytes, size_t n)
{
    size_t n_bytes = 0;
    uint8_t *data = helper_read(helper_bad_file("good"), &n_bytes);
    memcpy(data + at, bytes, n);
    helper_write(h, "libcollet_x.so", data, n_bytes);
    free(data);
}

static void test_registry_paths__other_architectures_are_named_without_loading(void **state)
{
    helper *h = *state;
    const uint16_t arm = EM_ARM, aarch64 = EM_AARCH64, x86 = EM_X86_64, exec = ET_EXEC;
    uint16_t other = x86;
#if defined(__x86_64__)
    other = aarch64;
#endif
    spoil(h, offsetof(Elf64_Ehdr, e_machine), &other, sizeof other);
    assert_refused(h, COLLET_VERDICT_REJECTED, "header", other == x86 ? "is built for x86-64" : "is built for aarch64");
    spoil(h, offsetof(Elf64_Ehdr, e_machine), &arm, sizeof arm);
    assert_refused(h, COLLET_VERDICT_REJECTED, "header", "is built for arm");
    spoil(h, EI_CLASS, (const char[]){ ELFCLASS32 }, 1);
    assert_refused(h, COLLET_VERDICT_REJECTED, "header", "32 bits");
    spoil(h, EI_DATA, (const char[]){ ELFDATA2MSB }, 1);
    assert_refused(h, COLLET_VERDICT_REJECTED, "header", "big-endian");
    spoil(h, offsetof(Elf64_Ehdr, e_type), &exec, sizeof exec);
    assert_refused(h, COLLET_VERDICT_REJECTED, "header", "is an ELF file of type 2, a shared object (3) was wanted");
    spoil(h, 0, "\xcf\xfa\xed\xfe", 4);
    assert_refused(h, COLLET_VERDICT_REJECTED, "header", "is a Mach-O library (macOS)");
    spoil(h, 0, "MZ\x90\x00", 4);
    assert_refused(h, COLLET_VERDICT_REJECTED, "header", "is a PE library (Windows)");
}

static void test_registry_paths__damaged_files_are_named_without_loading(void **state)
{
    helper *h = *state;
    size_t n_bytes = 0;
    uint8_t *good = helper_read(helper_bad_file("good"), &n_bytes);
    helper_write(h, "libcollet_x.so", "", 0);
    assert_refused(h, COLLET_VERDICT_IGNORED, "header", "is empty");
    helper_write(h, "libcollet_x.so",
                 "\x7f"
                 "EL",
                 3);
    assert_refused(h, COLLET_VERDICT_IGNORED, "header", "has 3 bytes");
    helper_write(h, "libcollet_x.so", "INPUT(libm.so)\n", 15);
    assert_refused(h, COLLET_VERDICT_IGNORED, "header", "begins with 49 4e 50 55");
    helper_write(h, "libcollet_x.so", good, 63);
    assert_refused(h, COLLET_VERDICT_REJECTED, "header", "is cut short: its headers end at byte 64, the file has 63");
    helper_write(h, "libcollet_x.so", good, 100);
    assert_refused(h, COLLET_VERDICT_REJECTED, "header", "is cut short: its program headers end at byte");
    helper_write(h, "libcollet_x.so", good, 4096);
    assert_refused(h, COLLET_VERDICT_REJECTED, "header", "is cut short: its segments end at byte");
    free(good);
}

static void test_registry_paths__folders_pipes_and_devices_are_ignored_without_blocking(void **state)
{
    helper *h = *state;
    char path[700];
    snprintf(path, sizeof path, "%s/libcollet_x.so", h->folder);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_refused(h, COLLET_VERDICT_IGNORED, "path", "is a folder, a regular file was wanted");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0644), 0);
    assert_refused(h, COLLET_VERDICT_IGNORED, "path", "is a pipe");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/dev/zero", path), 0);
    assert_refused(h, COLLET_VERDICT_IGNORED, "path", "is a device");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(path, path), 0);
    assert_refused(h, COLLET_VERDICT_REJECTED, "path", "cannot resolve the path: Too many levels of symbolic links");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/nowhere/at/all.so", path), 0);
    assert_refused(h, COLLET_VERDICT_REJECTED, "path", "No such file or directory");
}

static void test_registry_paths__same_file_by_link_or_twice_is_one_entry_with_aliases(void **state)
{
    helper *h = *state;
    char a[700], b[700], c[700];
    snprintf(a, sizeof a, "%s", helper_copy(h, "libcollet_a.so", "good"));
    snprintf(b, sizeof b, "%s/libcollet_b.so", h->folder);
    snprintf(c, sizeof c, "%s/libcollet_c.so", h->folder);
    assert_int_equal(link(a, b), 0);
    assert_int_equal(symlink(a, c), 0);
    helper_search(h, h->folder);
    helper_search(h, h->folder);
    assert_int_equal(helper_create(h), COLLET_OK);
    assert_int_equal(collet_registry_n_plugins(h->r), 6);
    assert_int_equal(collet_registry_n_modules(h->r), 1);
    assert_int_equal(collet_registry_plugin(h->r, 0)->verdict, COLLET_VERDICT_OK);
    for (size_t i = 1; i < 6; i++) {
        const collet_plugin_info *p = collet_registry_plugin(h->r, i);
        assert_int_equal(p->verdict, COLLET_VERDICT_SHADOWED);
        assert_holds(p->why, "the same file as ");
        assert_holds(p->why, "libcollet_a.so, which comes first");
    }
}

static void test_registry_paths__only_plugin_names_count_in_byte_order_and_not_below(void **state)
{
    helper *h = *state;
    char below[700];
    snprintf(below, sizeof below, "%s/below", h->folder);
    assert_int_equal(mkdir(below, 0755), 0);
    helper_copy(h, "below/libcollet_deep.so", "good");
    helper_copy(h, "libcollet_b.so", "good");
    helper_copy(h, "libcollet_B.so", "good_v2");
    helper_copy(h, "libother.so", "good");
    helper_copy(h, "libcollet_b.so.1", "good");
    helper_copy(h, "libcollet_.so", "good");
    helper_search(h, h->folder);
    assert_int_equal(helper_create(h), COLLET_OK);
    assert_int_equal(collet_registry_n_plugins(h->r), 2);
    assert_holds(collet_registry_plugin(h->r, 0)->path, "libcollet_B.so");
    assert_holds(collet_registry_plugin(h->r, 1)->path, "libcollet_b.so");
}

static void test_registry_paths__writable_folder_or_file_is_refused_with_the_cure(void **state)
{
    helper *h = *state;
    char path[700], why[1200];
    snprintf(path, sizeof path, "%s", helper_copy(h, "libcollet_x.so", "good"));

    assert_int_equal(chmod(h->folder, 0777), 0);
    snprintf(why, sizeof why, "%s is writable by everybody (mode 0777): chmod o-w %s", h->folder, h->folder);
    assert_refused(h, COLLET_VERDICT_REJECTED, "path", why);
    assert_holds(h->lines.data, "chmod o-w");
    // A sticky bit protects entries of others; it does not make a folder of everybody's a place for plugins.
    assert_int_equal(chmod(h->folder, 01777), 0);
    assert_refused(h, COLLET_VERDICT_REJECTED, "path", "is writable by everybody (mode 1777)");

    h->unsafe_paths = 1;
    assert_int_equal(only(h)->verdict, COLLET_VERDICT_OK);
    assert_holds(h->lines.data, "loaded although ");
    h->unsafe_paths = 0;
    assert_int_equal(chmod(h->folder, 0755), 0);

    assert_int_equal(chmod(path, 0646), 0);
    assert_refused(h, COLLET_VERDICT_REJECTED, "path", "libcollet_x.so is writable by everybody (mode 0646)");
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(only(h)->verdict, COLLET_VERDICT_OK);
}

static void test_registry_paths__writable_ancestor_is_refused(void **state)
{
    helper *h = *state;
    char below[600];
    snprintf(below, sizeof below, "%s/below", h->folder);
    assert_int_equal(mkdir(below, 0755), 0);
    helper_copy(h, "below/libcollet_x.so", "good");
    assert_int_equal(chmod(h->folder, 0777), 0);
    helper_search(h, below);
    assert_int_equal(helper_create(h), COLLET_OK);
    assert_int_equal(collet_registry_plugin(h->r, 0)->verdict, COLLET_VERDICT_REJECTED);
    assert_holds(collet_registry_plugin(h->r, 0)->why, "is writable by everybody (mode 0777)");
    assert_int_equal(chmod(h->folder, 01777), 0); // as /tmp: fine above, if not as the folder itself
    assert_int_equal(helper_create(h), COLLET_OK);
    assert_int_equal(collet_registry_plugin(h->r, 0)->verdict, COLLET_VERDICT_OK);
}

static void test_registry_paths__group_writable_folder_is_refused(void **state)
{
    helper *h = *state;
    struct stat program;
    helper_copy(h, "libcollet_x.so", "good");
    assert_int_equal(stat("/proc/self/exe", &program), 0);
    if (program.st_mode & S_IWGRP) {
        print_message("skipped: this program is group-writable itself, so its group is trusted\n");
        skip();
    }
    assert_int_equal(chmod(h->folder, 0775), 0);
    assert_refused(h, COLLET_VERDICT_REJECTED, "path", "is writable by its group (mode 0775): chmod g-w ");
}

static void test_registry_paths__file_of_another_user_is_refused(void **state)
{
    helper *h = *state;
    const char *path = helper_copy(h, "libcollet_x.so", "good");
    if (chown(path, 54321, (gid_t)-1) != 0) {
        print_message("skipped: only root can give a file away\n");
        skip();
    }
    assert_refused(h, COLLET_VERDICT_REJECTED, "path", "belongs to user 54321");
}

static void test_registry_paths__current_folder_is_never_searched(void **state)
{
    helper *h = *state;
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    helper_copy(h, "libcollet_x.so", "good");
    assert_int_equal(chdir(h->folder), 0);
    helper_search(h, "");
    helper_search(h, ".");
    helper_search(h, "./");
    setenv("COLLET_PLUGIN_PATH", "::.:../", 1);
    collet_status st = helper_create(h);
    unsetenv("COLLET_PLUGIN_PATH");
    assert_int_equal(chdir(before), 0);
    assert_int_equal(st, COLLET_OK);
    assert_int_equal(collet_registry_n_plugins(h->r), 0);
    assert_holds(h->lines.data, "search: '.' is not an absolute path");
    assert_holds(h->lines.data, "COLLET_PLUGIN_PATH: '' is not an absolute path");
    assert_holds(h->lines.data, "COLLET_PLUGIN_PATH: '../' is not an absolute path");
}

static void test_registry_paths__variable_comes_before_profile_before_user(void **state)
{
    helper *h = *state;
    char user[600];
    snprintf(user, sizeof user, "%s/collet", h->folder); // XDG_DATA_HOME is the test's folder
    assert_int_equal(mkdir(user, 0755), 0);
    snprintf(user, sizeof user, "%s/collet/plugins", h->folder);
    assert_int_equal(mkdir(user, 0755), 0);
    helper_copy(h, "collet/plugins/libcollet_user.so", "same_module");
    helper_search(h, helper_bad("probes"));
    setenv("COLLET_PLUGIN_PATH", helper_bad("good"), 1);
    collet_status st = helper_create(h);
    unsetenv("COLLET_PLUGIN_PATH");
    assert_int_equal(st, COLLET_OK);
    assert_int_equal(collet_registry_n_plugins(h->r), 3);
    assert_string_equal(collet_registry_plugin(h->r, 0)->id, "good");
    assert_string_equal(collet_registry_plugin(h->r, 1)->id, "fixture");
    assert_string_equal(collet_registry_plugin(h->r, 2)->id, "other");
}

static void test_registry_paths__pinned_plugin_that_is_not_ok_fails(void **state)
{
    helper *h = *state;
    h->pins[h->n_pins++] = (collet_plugin_pin){ .name = "acme", .path = helper_bad_file("no_entry") };
    assert_int_equal(helper_create(h), COLLET_E_ABI);
    assert_null(h->r);
    assert_holds(h->err.msg, "plugin 'acme' of the profile, ");
    assert_holds(h->err.msg, "libcollet_no_entry.so: rejected in entry: no symbol collet_plugin_entry");
    h->pins[0].path = "libcollet_good.so";
    assert_int_equal(helper_create(h), COLLET_E_ABI);
    assert_holds(h->err.msg, "the path is not absolute");
    h->pins[0].path = NULL;
    assert_int_equal(helper_create(h), COLLET_E_ABI);
    assert_holds(h->err.msg, "plugin 'acme' of the profile has no path");
}

static void test_registry_paths__pinned_digest_must_match_also_from_the_cache(void **state)
{
    static const char wrong[] = "9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c9f2c";
    helper *h = *state;
    char right[65];
    h->use_cache = 1;
    h->pins[h->n_pins++] = (collet_plugin_pin){ .name = "good", .path = helper_bad_file("good"), .sha256 = wrong };
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(helper_create(h), COLLET_E_ABI);
        assert_holds(h->err.msg, "rejected in path: its sha256 is ");
        assert_holds(h->err.msg, "the profile pins 9f2c9f2c");
        memcpy(right, strstr(h->err.msg, "sha256 is ") + 10, 64);
        right[64] = '\0';
        h->pins[0].sha256 = right;
        assert_int_equal(helper_create(h), COLLET_OK); // and now the answer is cached
        assert_int_equal(collet_registry_plugin(h->r, 0)->verdict, COLLET_VERDICT_OK);
        h->pins[0].sha256 = wrong;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_registry_paths__##name, helper_setup, helper_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(other_architectures_are_named_without_loading),
        TEST(damaged_files_are_named_without_loading),
        TEST(folders_pipes_and_devices_are_ignored_without_blocking),
        TEST(same_file_by_link_or_twice_is_one_entry_with_aliases),
        TEST(only_plugin_names_count_in_byte_order_and_not_below),
        TEST(writable_folder_or_file_is_refused_with_the_cure),
        TEST(writable_ancestor_is_refused),
        TEST(group_writable_folder_is_refused),
        TEST(file_of_another_user_is_refused),
        TEST(current_folder_is_never_searched),
        TEST(variable_comes_before_profile_before_user),
        TEST(pinned_plugin_that_is_not_ok_fails),
        TEST(pinned_digest_must_match_also_from_the_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
