// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/test_registry_cache.c - the cache saves time and is never believed against the file.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/core/plugin/registry_helper.h"

static int cached_setup(void **state)
{
    int failed = helper_setup(state);
    helper *h = *state;
    if (!failed)
        h->use_cache = 1;
    return failed;
}

static void create_over_folder(helper *h)
{
    helper_reset(h);
    helper_search(h, h->folder);
    assert_int_equal(helper_create(h), COLLET_OK);
}

static const collet_plugin_info *first(helper *h)
{
    create_over_folder(h);
    return collet_registry_plugin(h->r, 0);
}

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void test_registry_cache__second_start_scans_nothing_and_says_the_same(void **state)
{
    helper *h = *state;
    helper_copy(h, "libcollet_x.so", "good");
    assert_int_equal(first(h)->cached, 0);
    assert_int_equal(first(h)->cached, 1);
    assert_int_equal(collet_registry_plugin(h->r, 0)->verdict, COLLET_VERDICT_OK);
    assert_int_equal(helper_module(h, "good.matmul")->n_options, 2);
    h->rescan = 1;
    assert_int_equal(first(h)->cached, 0);
}

static void test_registry_cache__crash_is_remembered_with_its_reason_until_the_file_changes(void **state)
{
    helper *h = *state;
    helper_copy(h, "libcollet_x.so", "ctor_abort");
    assert_int_equal(first(h)->cached, 0);
    const collet_plugin_info *p = first(h);
    assert_int_equal(p->cached, 1);
    assert_int_equal(p->verdict, COLLET_VERDICT_BROKEN);
    assert_holds(p->why, "crashed with SIGABRT in dlopen");
    helper_copy(h, "libcollet_x.so", "good");
    assert_int_equal(first(h)->verdict, COLLET_VERDICT_OK);
}

static void test_registry_cache__unavailable_is_asked_again_each_time(void **state)
{
    helper *h = *state;
    helper_copy(h, "libcollet_x.so", "missing_library");
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(first(h)->verdict, COLLET_VERDICT_UNAVAILABLE);
        assert_int_equal(first(h)->cached, 0);
    }
}

// As some package systems do: every file is of 1970, whatever is in it.
static void test_registry_cache__new_content_of_same_size_and_mtime_is_noticed(void **state)
{
    static const struct timespec epoch[2] = { { 0 }, { 0 } };
    helper *h = *state;
    size_t n_bytes = 0;
    const char *path = helper_copy(h, "libcollet_x.so", "good");
    uint8_t *data = helper_read(path, &n_bytes);
    assert_int_equal(utimensat(AT_FDCWD, path, epoch, 0), 0);
    assert_string_equal(first(h)->version, "1.0");
    bool changed = false;
    for (size_t i = 0; i + 4 < n_bytes; i++) // "1.0" stands alone once: the version
        if (memcmp(data + i, "\0001.0", 5) == 0) {
            data[i + 1] = '7';
            changed = true;
        }
    assert_true(changed);
    int fd = open(path, O_WRONLY); // the same inode
    assert_int_equal(write(fd, data, n_bytes), n_bytes);
    close(fd);
    free(data);
    assert_int_equal(utimensat(AT_FDCWD, path, epoch, 0), 0);
    assert_string_equal(first(h)->version, "7.0");
    assert_int_equal(collet_registry_plugin(h->r, 0)->cached, 0);
}

static void test_registry_cache__same_content_in_a_new_file_is_not_scanned_again(void **state)
{
    helper *h = *state;
    char path[700], copy[700];
    snprintf(path, sizeof path, "%s", helper_copy(h, "libcollet_x.so", "good"));
    assert_int_equal(first(h)->cached, 0);
    snprintf(copy, sizeof copy, "%s", helper_copy(h, "copy", "good"));
    assert_int_equal(rename(copy, path), 0); // other inode and times
    assert_int_equal(first(h)->cached, 1);
}

// Writes `n_bytes` over the cache file and expects a scan, one warning at most, and a cache that works again.
static void assert_recovers(helper *h, const void *data, size_t n_bytes, const char *line)
{
    helper_write(h, "cache/collet/registry-0.json", data, n_bytes);
    assert_int_equal(first(h)->verdict, COLLET_VERDICT_OK);
    assert_int_equal(collet_registry_plugin(h->r, 0)->cached, 0);
    assert_holds(h->lines.data, line);
    assert_int_equal(first(h)->cached, 1);
}

// Replaces the first `from` in the cache by `to`.
static void assert_recovers_from(helper *h, const char *from, const char *to, const char *line)
{
    size_t n_bytes = 0;
    char *text = (char *)helper_read(h->cache_path, &n_bytes);
    char *at = strstr(text, from);
    assert_non_null(at);
    collet_text changed = { 0 };
    collet_text_add(&changed, text, (size_t)(at - text));
    collet_text_printf(&changed, "%s%s", to, at + strlen(from));
    assert_recovers(h, changed.data, changed.n_bytes, line);
    collet_text_free(&changed);
    free(text);
}

static void test_registry_cache__damaged_or_foreign_cache_is_replaced(void **state)
{
    helper *h = *state;
    size_t n_bytes = 0;
    helper_copy(h, "libcollet_x.so", "good");
    first(h);
    char *text = (char *)helper_read(h->cache_path, &n_bytes);
    assert_recovers(h, "", 0, "the plugin cache is not used");
    assert_recovers(h, text, n_bytes / 2, "the plugin cache is not used");
    assert_recovers(h, "\x00\xff garbage", 10, "the plugin cache is not used");
    assert_recovers(h, "[1,2]", 5, "written by another version or machine");
    assert_recovers(h, "{}", 2, "written by another version or machine");
    assert_recovers_from(h, "\"format\":1", "\"format\":0", "written by another version or machine");
    assert_recovers_from(h, " layout ", " Layout ", "written by another version or machine");
    assert_recovers_from(h, ", isa ", ", ISA ", "written by another version or machine");
    // Sound JSON with members of a wrong type, or missing: no line, just another scan.
    assert_recovers_from(h, "\"tier\":2", "\"tier\":\"two\"", "");
    assert_recovers_from(h, "\"verdict\":\"ok\"", "\"verdict\":\"splendid\"", "");
    assert_recovers_from(h, "\"ops\":[\"matmul\"]", "\"ops\":[5]", "");
    assert_recovers_from(h, "\"options\":", "\"opinions\":", "");
    assert_recovers_from(h, "\"answer\":{", "\"answer\":null,\"x\":{", "");
    free(text);
}

static void test_registry_cache__every_prefix_and_flipped_byte_is_survived(void **state)
{
    helper *h = *state;
    size_t n_bytes = 0;
    helper_copy(h, "libcollet_x.so", "ctor_abort"); // quickly scanned
    first(h);
    uint8_t *text = helper_read(h->cache_path, &n_bytes);
    for (size_t i = 0; i < n_bytes; i += 41) {
        helper_write(h, "cache/collet/registry-0.json", text, i);
        assert_int_equal(first(h)->verdict, COLLET_VERDICT_BROKEN);
        text[i] ^= 0x15;
        helper_write(h, "cache/collet/registry-0.json", text, n_bytes);
        create_over_folder(h); // it may say anything that is well-formed, and must not crash
        text[i] ^= 0x15;
    }
    free(text);
}

static void test_registry_cache__unwritable_place_is_no_error(void **state)
{
    helper *h = *state;
    helper_copy(h, "libcollet_x.so", "good");
    helper_write(h, "file", "", 0);
    snprintf(h->cache_path, sizeof h->cache_path, "%s/file/registry-0.json", h->folder);
    assert_int_equal(first(h)->verdict, COLLET_VERDICT_OK);
    assert_int_equal(collet_registry_plugin(h->r, 0)->cached, 0);
    assert_holds(h->lines.data, "the plugin cache is not kept");
}

static void test_registry_cache__many_writers_at_once_leave_a_sound_cache(void **state)
{
    enum { WRITERS = 12 };
    helper *h = *state;
    pid_t children[WRITERS];
    helper_copy(h, "libcollet_x.so", "good");
    helper_copy(h, "libcollet_y.so", "same_module");
    for (int i = 0; i < WRITERS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            h->rescan = 1;
            helper_search(h, h->folder);
            _exit(helper_create(h) == COLLET_OK && collet_registry_n_modules(h->r) == 2 ? 0 : 1);
        }
    }
    for (int i = 0; i < WRITERS; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(first(h)->cached, 1);
    assert_int_equal(collet_registry_plugin(h->r, 1)->cached, 1);
}

static void test_registry_cache__cached_start_is_quick(void **state)
{
    helper *h = *state;
    char name[64];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "libcollet_%02d.so", i);
        helper_copy(h, name, i == 0 ? "good" : "good_v2");
    }
    create_over_folder(h);
    create_over_folder(h); // what was too young to be trusted by its times has been read again by now
    int64_t best = INT64_MAX;
    for (int turn = 0; turn < 5; turn++) {
        int64_t start = now_us();
        create_over_folder(h);
        int64_t spent = now_us() - start;
        best = spent < best ? spent : best;
    }
    print_message("20 plugins from the cache: %.2f ms\n", (double)best / 1000);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(collet_registry_plugin(h->r, i)->cached, 1);
    assert_true(best < 100000); // the aim is 5 ms; this catches a scan, on any machine and under sanitizers
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_registry_cache__##name, cached_setup, helper_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(second_start_scans_nothing_and_says_the_same),
        TEST(crash_is_remembered_with_its_reason_until_the_file_changes),
        TEST(unavailable_is_asked_again_each_time),
        TEST(new_content_of_same_size_and_mtime_is_noticed),
        TEST(same_content_in_a_new_file_is_not_scanned_again),
        TEST(damaged_or_foreign_cache_is_replaced),
        TEST(every_prefix_and_flipped_byte_is_survived),
        TEST(unwritable_place_is_no_error),
        TEST(many_writers_at_once_leave_a_sound_cache),
        TEST(cached_start_is_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
