// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/test_registry_scan.c - every plugin of bad/ gets the verdict, phase and message it deserves.
#include <time.h>

#include "tests/core/plugin/registry_helper.h"

typedef struct expectation {
    const char *name; // of bad/
    collet_verdict verdict;
    const char *phase;
    const char *seen, *wanted, *remedy; // parts of the message
} expectation;

static const expectation expectations[] = {
    { "abi_major", COLLET_VERDICT_REJECTED, "describe", "plugin 'fixture' 2.1 is built for ABI 1.4",
      "this core speaks ABI 0.1", "rebuild it" },
    { "min_host_minor", COLLET_VERDICT_REJECTED, "describe", "needs a core of ABI 0.7 or newer",
      "this core speaks ABI 0.1", "update the core" },
    { "layout_hash", COLLET_VERDICT_REJECTED, "describe", "has layout hash", "this core has", "rebuild it" },
    { "sanitizer", COLLET_VERDICT_REJECTED, "describe", "is built with", "this core with", "rebuild one of them" },
    { "size_0", COLLET_VERDICT_REJECTED, "describe", "record is 0", "a multiple of 8", "set .size" },
    { "size_3", COLLET_VERDICT_REJECTED, "describe", "record is 3", "a multiple of 8", "set .size" },
    { "size_4gib", COLLET_VERDICT_REJECTED, "describe", "record is 4294967288", "to 65536", "set .size" },
    { "size_unmapped", COLLET_VERDICT_REJECTED, "describe", "record is 4096", "mapped memory", "set .size" },
    { "no_entry", COLLET_VERDICT_IGNORED, "entry", "no symbol collet_plugin_entry", "not a Collet plugin",
      "export one" },
    { "entry_data", COLLET_VERDICT_REJECTED, "entry", "collet_plugin_entry is data", "a function was wanted",
      "COLLET_PLUGIN(record)" },
    { "entry_null", COLLET_VERDICT_REJECTED, "entry", "returned NULL", "a record was wanted", "leaves it to the host" },
    { "entry_garbage", COLLET_VERDICT_REJECTED, "describe", "points at 0x10", "not readable memory", "rebuild" },
    { "entry_changes", COLLET_VERDICT_REJECTED, "entry", "returned 0x", "then 0x", "the same record" },
    { "entry_crash", COLLET_VERDICT_BROKEN, "entry", "crashed with SIGSEGV in entry", "must answer", "collet-scan /" },
    { "entry_exit3", COLLET_VERDICT_BROKEN, "entry", "exit code 3 in entry", "must answer", "collet-scan /" },
    { "undefined_symbol", COLLET_VERDICT_REJECTED, "dlopen",
      "libcollet_undefined_symbol.so: undefined symbol:", "fixture_nobody_has_this", "rebuild it with the library" },
    { "missing_library", COLLET_VERDICT_UNAVAILABLE, "dlopen", "libnope.so.9: cannot open shared object file",
      "No such file", "install that library" },
    { "ctor_abort", COLLET_VERDICT_BROKEN, "dlopen", "crashed with SIGABRT in dlopen", "must answer",
      "it wrote: fixture: the table of squares is missing" },
    { "probe_segv", COLLET_VERDICT_BROKEN, "probe", "crashed with SIGSEGV in probe fixture.matmul", "must answer",
      "collet-scan /" },
    { "probe_exit0", COLLET_VERDICT_BROKEN, "probe", "exit code 0 in probe fixture.matmul", "must answer",
      "collet-scan /" },
    { "probe_scribble", COLLET_VERDICT_BROKEN, "scan", "is garbage", "must not write", "did not open" },
    { "plugin_id", COLLET_VERDICT_REJECTED, "describe", "plugin id is '../evil\\x0a'", "[a-z0-9._-]", "rename it" },
};

static void test_registry_scan__message_says_seen_wanted_and_remedy(void **state)
{
    helper *h = *state;
    for (size_t i = 0; i < COLLET_COUNT(expectations); i++) {
        const expectation *e = &expectations[i];
        const collet_plugin_info *p = helper_one(h, e->name);
        if (p->verdict != e->verdict)
            print_error("%s: %s: %s\n", e->name, p->phase, p->why);
        assert_int_equal(p->verdict, e->verdict);
        assert_string_equal(p->phase, e->phase);
        assert_holds(p->path, e->name);
        assert_holds(p->why, e->seen);
        assert_holds(p->why, e->wanted);
        assert_holds(p->why, e->remedy);
        assert_int_equal(p->n_modules, 0);
        assert_null(strchr(p->why, '\n'));
    }
}

static void test_registry_scan__sound_plugin_is_described_whole(void **state)
{
    helper *h = *state;
    const collet_plugin_info *p = helper_one(h, "good");
    assert_int_equal(p->verdict, COLLET_VERDICT_OK);
    assert_string_equal(p->why, "");
    assert_string_equal(p->id, "good");
    const collet_module_info *m = helper_module(h, "good.matmul");
    assert_string_equal(m->iface, "collet.matmul/0");
    assert_string_equal(m->domain, "cpu");
    assert_string_equal(m->ops[0], "matmul");
    assert_null(m->ops[1]);
    assert_int_equal(m->tier, COLLET_TIER_TUNED);
    assert_int_equal(m->n_options, 2);
    assert_string_equal(m->options[0].key, "threshold");
    assert_string_equal(m->options[0].dflt, "8");
    assert_true(m->options[0].min == 1 && m->options[0].max == 64);
    assert_string_equal(m->options[1].choices[1], "exact");
    assert_null(m->options[1].choices[2]);
}

static void test_registry_scan__newer_header_loads_and_its_tail_is_ignored(void **state)
{
    helper *h = *state;
    const collet_plugin_info *p = helper_one(h, "newer_header");
    assert_int_equal(p->verdict, COLLET_VERDICT_OK);
    assert_int_equal(p->abi_minor, COLLET_ABI_MINOR + 3);
    assert_int_equal(helper_module(h, "fixture.matmul")->verdict, COLLET_VERDICT_OK);
}

static void test_registry_scan__older_header_is_never_read_past_its_size(void **state)
{
    helper *h = *state;
    const collet_plugin_info *p = helper_one(h, "older_header");
    assert_string_equal(p->why, "");
    assert_int_equal(p->verdict, COLLET_VERDICT_OK);
    assert_int_equal(helper_module(h, "fixture.quant")->verdict, COLLET_VERDICT_OK);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void test_registry_scan__hang_ends_at_the_limit_and_hurts_nobody_else(void **state)
{
    static const char *const names[] = { "ctor_sleep", "probe_spin", "probe_deadlock" };
    helper *h = *state;
    h->timeout_ms = 1000;
    for (size_t i = 0; i < COLLET_COUNT(names); i++)
        helper_search(h, helper_bad(names[i]));
    helper_search(h, helper_bad("good"));
    int64_t start = now_ms();
    assert_int_equal(helper_create(h), COLLET_OK);
    assert_true(now_ms() - start < 3 * 1000 + 5000); // even one after the other, on one slow CPU
    for (size_t i = 0; i < COLLET_COUNT(names); i++) {
        const collet_plugin_info *p = collet_registry_plugin(h->r, i);
        assert_int_equal(p->verdict, COLLET_VERDICT_BROKEN);
        assert_string_equal(p->phase, i == 0 ? "dlopen" : "probe");
        assert_holds(p->why,
                     i == 0 ? "timed out in dlopen after 1.0 s" : "timed out in probe fixture.matmul after 1.0 s");
    }
    assert_int_equal(collet_registry_plugin(h->r, COLLET_COUNT(names))->verdict, COLLET_VERDICT_OK);
}

// A child that holds the pipes, a plugin that waits for input, one that talks too much: sound all the same.
static void test_registry_scan__odd_manners_are_no_harm(void **state)
{
    static const char *const names[] = { "probe_fork", "probe_stdin", "ctor_noise" };
    helper *h = *state;
    for (size_t i = 0; i < COLLET_COUNT(names); i++) {
        const collet_plugin_info *p = helper_one(h, names[i]);
        assert_string_equal(p->why, "");
        assert_int_equal(p->verdict, COLLET_VERDICT_OK);
        assert_int_equal(p->n_modules, 1);
    }
}

static void test_registry_scan__module_without_a_required_slot_is_broken_and_its_siblings_are_not(void **state)
{
    helper *h = *state;
    const collet_plugin_info *p = helper_one(h, "null_slots");
    assert_int_equal(p->verdict, COLLET_VERDICT_OK);
    assert_int_equal(p->n_modules, 19);
    for (size_t i = 0; i < collet_registry_n_modules(h->r); i++) {
        const collet_module_info *m = collet_registry_module(h->r, i);
        if (i + 1 == p->n_modules) {
            assert_string_equal(m->id, "fixture.matmul");
            assert_int_equal(m->verdict, COLLET_VERDICT_OK);
            continue;
        }
        char slot[64];
        snprintf(slot, sizeof slot, "'%s'", strchr(m->id, '.') + 1); // "op.run" lacks slot 'run'
        assert_int_equal(m->verdict, COLLET_VERDICT_BROKEN);
        assert_holds(m->why, slot);
        assert_holds(m->why, m->iface);
        assert_holds(m->why, "NULL");
    }
    assert_holds(h->lines.data, "module 'op.run' is broken: required slot 'run'");
}

static void test_registry_scan__unknown_interface_is_listed_as_unavailable(void **state)
{
    helper *h = *state;
    assert_int_equal(helper_one(h, "unknown_iface")->verdict, COLLET_VERDICT_OK);
    assert_int_equal(helper_module(h, "future")->verdict, COLLET_VERDICT_UNAVAILABLE);
    assert_holds(helper_module(h, "future")->why, "does not know interface 'collet.telepathy/3'");
    assert_int_equal(helper_module(h, "fixture.matmul")->verdict, COLLET_VERDICT_OK);
}

static void test_registry_scan__wild_pointers_are_messages(void **state)
{
    helper *h = *state;
    assert_int_equal(helper_one(h, "wild_pointers")->verdict, COLLET_VERDICT_OK);
    assert_int_equal(collet_registry_n_modules(h->r), 8);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(collet_registry_module(h->r, i)->verdict, COLLET_VERDICT_BROKEN);
        assert_true(collet_registry_module(h->r, i)->why[0] != '\0');
    }
    assert_holds(collet_registry_module(h->r, 1)->why, "0x5a5a5a5a0000, which is not readable memory");
    assert_int_equal(helper_module(h, "fixture.matmul")->verdict, COLLET_VERDICT_OK);
}

static void test_registry_scan__hostile_names_are_refused_and_texts_escaped(void **state)
{
    helper *h = *state;
    const collet_plugin_info *p = helper_one(h, "names");
    assert_int_equal(p->verdict, COLLET_VERDICT_OK);
    assert_string_equal(p->version, "1.0 %s%n");
    assert_string_equal(p->vendor, "\\xf0(");
    static const char *const whys[] = {
        "module id is '%s%n%s%n'", "module id is 'Acme'",      "module id is ''",
        "module id is NULL",       "module id is '0123456789", "module id is 'caf\\xe9'"
    };
    for (size_t i = 0; i < COLLET_COUNT(whys); i++) {
        const collet_module_info *m = collet_registry_module(h->r, i);
        assert_int_equal(m->verdict, COLLET_VERDICT_BROKEN);
        assert_string_equal(m->id, "");
        assert_holds(m->why, whys[i]);
    }
    const collet_module_info *texts = helper_module(h, "texts");
    assert_int_equal(texts->verdict, COLLET_VERDICT_OK);
    assert_holds(texts->summary, "%s%n \\x1b[2J \\xff 0123");
    assert_true(strlen(texts->summary) < 600);
    assert_holds(collet_registry_module(h->r, 8)->why, "an earlier module of this plugin has the same id");
}

static void test_registry_scan__options_are_checked_one_by_one(void **state)
{
    static const char *const whys[][2] = {
        { "not_int", "option 'k': default '12q' is not a whole number" },
        { "outside", "option 'k': default '100' is outside 0..99" },
        { "no_choice", "option 'k': default 'medium' is not among its choices" },
        { "no_default", "option 'k' has no default" },
        { "no_type", "unknown type 99" },
        { "bad_key", "an option's key is 'a b'" },
        { "small", "size of an option is 8" },
        { "infinite", "option 'k': its range 0..inf is not finite" },
        { "twice", "two options are called 'k'" },
    };
    helper *h = *state;
    helper_one(h, "options");
    for (size_t i = 0; i < COLLET_COUNT(whys); i++) {
        assert_int_equal(helper_module(h, whys[i][0])->verdict, COLLET_VERDICT_BROKEN);
        assert_holds(helper_module(h, whys[i][0])->why, whys[i][1]);
    }
    assert_int_equal(helper_module(h, "sound")->verdict, COLLET_VERDICT_OK);
}

static void test_registry_scan__probe_verdicts_reach_the_module(void **state)
{
    helper *h = *state;
    helper_one(h, "probes");
    assert_int_equal(helper_module(h, "a")->verdict, COLLET_VERDICT_UNAVAILABLE);
    assert_string_equal(helper_module(h, "a")->why, "no such device: plug it in");
    assert_string_equal(helper_module(h, "b")->why, "its probe gave no reason");
    assert_int_equal(helper_module(h, "c")->verdict, COLLET_VERDICT_BROKEN);
    assert_int_equal(strlen(helper_module(h, "c")->why), 240);
    assert_int_equal(helper_module(h, "d")->verdict, COLLET_VERDICT_OK);
}

static void test_registry_scan__first_plugin_of_an_id_shadows_the_next(void **state)
{
    helper *h = *state;
    helper_search(h, helper_bad("good"));
    helper_search(h, helper_bad("good_v2"));
    assert_int_equal(helper_create(h), COLLET_OK);
    const collet_plugin_info *second = collet_registry_plugin(h->r, 1);
    assert_int_equal(collet_registry_plugin(h->r, 0)->verdict, COLLET_VERDICT_OK);
    assert_int_equal(second->verdict, COLLET_VERDICT_SHADOWED);
    assert_string_equal(second->version, "2.0");
    assert_holds(second->why, "plugin 'good' 1.0 comes first, from ");
    assert_holds(second->why, "libcollet_good.so");
    assert_int_equal(collet_registry_n_modules(h->r), 1);
}

static void test_registry_scan__module_of_two_plugins_needs_the_plugin_named(void **state)
{
    helper *h = *state;
    const collet_module_info *m = NULL;
    const char *nearest = NULL;
    helper_search(h, helper_bad("good"));
    helper_search(h, helper_bad("same_module"));
    assert_int_equal(helper_create(h), COLLET_OK);
    assert_int_equal(collet_registry_n_modules(h->r), 2);
    assert_null(collet_registry_find(h->r, "good.matmul", NULL));
    assert_int_equal(collet_registry_resolve(h->r, "good.matmul", &m, &h->err), COLLET_E_INVALID);
    assert_string_equal(h->err.msg, "two plugins have a module 'good.matmul': write 'good:good.matmul' or "
                                    "'other:good.matmul'");
    assert_holds(h->lines.data, "name it 'good:good.matmul' or 'other:good.matmul'");
    assert_null(collet_registry_find(h->r, "good.matmul", &nearest));
    assert_string_equal(nearest, "good:good.matmul");
    assert_ptr_equal(collet_registry_find(h->r, "good:good.matmul", NULL), collet_registry_module(h->r, 0));
    assert_ptr_equal(collet_registry_find(h->r, "other:good.matmul", NULL), collet_registry_module(h->r, 1));
}

static void test_registry_scan__unknown_module_gets_the_nearest_name(void **state)
{
    helper *h = *state;
    const char *nearest = NULL;
    const collet_module_info *m = NULL;
    helper_one(h, "good");
    assert_null(collet_registry_find(h->r, "good.matmull", &nearest));
    assert_string_equal(nearest, "good.matmul");
    assert_int_equal(collet_registry_resolve(h->r, "good.matmull", &m, &h->err), COLLET_E_NOT_FOUND);
    assert_string_equal(h->err.msg, "no module is called 'good.matmull'; did you mean 'good.matmul'?");
}

static void test_registry_scan__missing_scanner_makes_plugins_unavailable(void **state)
{
    helper *h = *state;
    const char *search[] = { helper_bad("good") };
    const collet_registry_opts opts = {
        .log = &h->log, .search = search, .n_search = 1, .cache_path = "", .scanner_path = "/nowhere/collet-scan"
    };
    assert_int_equal(collet_registry_create(&h->r, &opts, &h->err), COLLET_OK);
    const collet_plugin_info *p = collet_registry_plugin(h->r, 0);
    assert_int_equal(p->verdict, COLLET_VERDICT_UNAVAILABLE);
    assert_holds(p->why, "cannot start /nowhere/collet-scan: No such file");
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_registry_scan__##name, helper_setup, helper_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(message_says_seen_wanted_and_remedy),
        TEST(sound_plugin_is_described_whole),
        TEST(newer_header_loads_and_its_tail_is_ignored),
        TEST(older_header_is_never_read_past_its_size),
        TEST(hang_ends_at_the_limit_and_hurts_nobody_else),
        TEST(odd_manners_are_no_harm),
        TEST(module_without_a_required_slot_is_broken_and_its_siblings_are_not),
        TEST(unknown_interface_is_listed_as_unavailable),
        TEST(wild_pointers_are_messages),
        TEST(hostile_names_are_refused_and_texts_escaped),
        TEST(options_are_checked_one_by_one),
        TEST(probe_verdicts_reach_the_module),
        TEST(first_plugin_of_an_id_shadows_the_next),
        TEST(module_of_two_plugins_needs_the_plugin_named),
        TEST(unknown_module_gets_the_nearest_name),
        TEST(missing_scanner_makes_plugins_unavailable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
