// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/test_profile.c - what a profile may say, who wins, which rule matches.
// It is longer than 600 lines because one file of tests goes with the profile, which makes many promises.
#include <unistd.h>

#include "core/plugin/schema.h"
#include "tests/core/plugin/profile_helper.h"

static const char *first_use(const profile_test *t, const char *slot, const collet_rule_query *query)
{
    const collet_rule *rule = collet_profile_rule(t->p, slot, query);
    assert_non_null(rule);
    assert_non_null(rule->use[0]);
    return rule->use[0];
}

static const collet_rule_query anything = { .op = "matmul", .layer = -1, .tokens = 1 };

// ---- values ----

static void test_profile__every_key_has_a_default(void **state)
{
    profile_test *t = *state;
    assert_int_equal(profile_load(t, NULL), COLLET_OK);
    assert_int_equal(collet_profile_int(t->p, "engine.threads"), 0); // auto
    assert_string_equal(collet_profile_text(t->p, "engine.threads"), "auto");
    assert_int_equal(collet_profile_int(t->p, "engine.step_tokens"), 512);
    assert_string_equal(collet_profile_text(t->p, "model.path"), "");
    assert_string_equal(collet_profile_text(t->p, "fallback"), "warn");
    for (size_t i = 0; i < collet_schema_n_slots; i++)
        assert_string_equal(first_use(t, collet_schema_slots[i].name, &anything), "any");
}

static void test_profile__flag_beats_environment_beats_file_beats_user_beats_default(void **state)
{
    profile_test *t = *state;
    profile_file(t, "collet/profile.yaml",
                 "collet: 1\n"
                 "engine: { threads: 1, context: 1, max_requests: 1, step_tokens: 1 }\n");
    profile_file(t, "p.yaml", "collet: 1\nengine: { threads: 2, context: 2, max_requests: 2 }\n");
    setenv("COLLET_THREADS", "3", 1);
    setenv("COLLET_ENGINE_CONTEXT", "3", 1);
    t->sets[t->n_sets++] = "engine.threads=3";
    t->sets[t->n_sets++] = "engine.threads=4"; // the last one wins
    assert_int_equal(profile_load(t, "p.yaml"), COLLET_OK);
    assert_int_equal(collet_profile_int(t->p, "engine.threads"), 4);
    assert_int_equal(collet_profile_int(t->p, "engine.context"), 3);
    assert_int_equal(collet_profile_int(t->p, "engine.max_requests"), 2);
    assert_int_equal(collet_profile_int(t->p, "engine.step_tokens"), 1);

    const char *shown = profile_shown(t, true);
    assert_non_null(strstr(shown, "  threads: 4                                     # flag\n"));
    assert_non_null(strstr(shown, "# env COLLET_ENGINE_CONTEXT\n"));
    assert_non_null(strstr(shown, "# p.yaml:2\n"));
    assert_non_null(strstr(shown, "# collet/profile.yaml:2\n"));
    assert_non_null(strstr(shown, "fallback: warn                                   # default\n"));
}

static void test_profile__long_variable_beats_the_short_one(void **state)
{
    profile_test *t = *state;
    setenv("COLLET_THREADS", "3", 1);
    setenv("COLLET_ENGINE_THREADS", "5", 1);
    setenv("COLLET_CONTEXT", "", 1); // empty is unset
    assert_int_equal(profile_load(t, NULL), COLLET_OK);
    assert_int_equal(collet_profile_int(t->p, "engine.threads"), 5);
    assert_int_equal(collet_profile_int(t->p, "engine.context"), 0);
}

static void test_profile__misspelt_variables_are_refused(void **state)
{
    profile_test *t = *state;
    setenv("COLLET_ENGINE_THREAD", "3", 1);
    setenv("COLLET_THREADS", "many", 1);
    setenv("COLLET_PLUGIN_PATH", "/not/ours", 1);
    assert_int_equal(profile_load(t, NULL), COLLET_E_INVALID);
    assert_string_equal(
        t->problems.data,
        "COLLET_THREADS: engine.threads: 'many' is not a whole number (auto or 1..1024, default auto)\n"
        "environment: nothing reads the variable COLLET_ENGINE_THREAD; did you mean 'COLLET_ENGINE_THREADS'?\n");
}

static void test_profile__variable_names_a_profile(void **state)
{
    profile_test *t = *state;
    char path[600];
    profile_file(t, "v.yaml", "collet: 1\nname: by-variable\n");
    snprintf(path, sizeof path, "%s/v.yaml", t->folder);
    setenv("COLLET_PROFILE", path, 1);
    assert_int_equal(profile_load(t, NULL), COLLET_OK);
    assert_string_equal(collet_profile_text(t->p, "name"), "by-variable");
    profile_loads(t, "collet: 1\nname: by-flag\n");
    assert_string_equal(collet_profile_text(t->p, "name"), "by-flag");
}

static void test_profile__seed_variables_are_honoured_or_named(void **state)
{
    profile_test *t = *state;
    size_t n = 0;
    setenv("MISTRALRS_PAGED_ATTN", "false", 1);
    setenv("MISTRALRS_PREFIX_CACHE_N", "0", 1);
    setenv("MISTRALRS_SPECULATIVE_GAMMA", "4", 1);
    assert_int_equal(profile_load(t, NULL), COLLET_OK);
    assert_string_equal(first_use(t, "kvcache", &anything), "kv.contiguous");
    const char *const *notes = collet_profile_notes(t->p, &n);
    assert_int_equal(n, 1);
    assert_string_equal(notes[0],
                        "MISTRALRS_SPECULATIVE_GAMMA=4 is not honoured: this version has no speculative decoding");
    unsetenv("MISTRALRS_SPECULATIVE_GAMMA");

    setenv("COLLET_SLOTS_KVCACHE", "kv.other", 1);
    assert_int_equal(profile_load(t, NULL), COLLET_OK);
    assert_string_equal(first_use(t, "kvcache", &anything), "kv.other");
}

// ---- isq ----

static void test_profile__isq_rules_are_lines_in_order_of_strength(void **state)
{
    profile_test *t = *state;
    size_t n = 0;
    profile_loads(t, "collet: 1\n"
                     "isq:\n"
                     "  - { layers: \"0-3, 9\", tensor: [\"*ffn*\", \"*attn*\"], use: q8_0 }\n"
                     "  - { use: q4_k_m }\n");
    const collet_isq_rule *lines = collet_profile_isq(t->p, &n);
    assert_int_equal(n, 5); // two ranges by two patterns, and the last rule
    assert_int_equal(lines[0].layer_begin, 0);
    assert_int_equal(lines[0].layer_end, 4);
    assert_string_equal(lines[0].tensor, "*ffn*");
    assert_string_equal(lines[1].tensor, "*attn*");
    assert_int_equal(lines[2].layer_begin, 9);
    assert_int_equal(lines[2].layer_end, 10);
    assert_string_equal(lines[3].use, "q8_0");
    assert_non_null(strstr(lines[3].where, "p.yaml:3:5"));
    assert_int_equal(lines[4].layer_begin, -1);
    assert_null(lines[4].tensor);
    assert_string_equal(lines[4].use, "q4_k_m");

    setenv("COLLET_ISQ", "q6_k", 1);
    profile_loads(t, "collet: 1\nisq: q4_k\n");
    lines = collet_profile_isq(t->p, &n);
    unsetenv("COLLET_ISQ");
    assert_int_equal(n, 2);
    assert_string_equal(lines[0].use, "q6_k");
    assert_string_equal(lines[0].where, "COLLET_ISQ");
    assert_string_equal(lines[1].use, "q4_k");
}

static void test_profile__isq_of_mistral_counts_where_ours_is_unset(void **state)
{
    profile_test *t = *state;
    size_t n = 0;
    setenv("MISTRALRS_ISQ", "Q4K", 1);
    assert_int_equal(profile_load(t, NULL), COLLET_OK);
    const collet_isq_rule *lines = collet_profile_isq(t->p, &n);
    assert_int_equal(n, 1);
    assert_string_equal(lines[0].use, "Q4K");
    assert_string_equal(lines[0].where, "MISTRALRS_ISQ");

    setenv("COLLET_ISQ", "q8_0", 1);
    assert_int_equal(profile_load(t, NULL), COLLET_OK);
    lines = collet_profile_isq(t->p, &n);
    assert_int_equal(n, 1);
    assert_string_equal(lines[0].use, "q8_0");
    unsetenv("COLLET_ISQ");

    static const char *const off[] = { "false", "0", "none" };
    for (size_t i = 0; i < COLLET_COUNT(off); i++) {
        setenv("MISTRALRS_ISQ", off[i], 1);
        assert_int_equal(profile_load(t, NULL), COLLET_OK);
        lines = collet_profile_isq(t->p, &n);
        assert_int_equal(n, 1);
        assert_string_equal(lines[0].use, "none");
    }
    unsetenv("MISTRALRS_ISQ");
}

// ---- text ----

static void test_profile__variables_are_expanded_without_quotes(void **state)
{
    profile_test *t = *state;
    setenv("TEST_MODEL", "/m/a.gguf", 1);
    unsetenv("TEST_NONE");
    profile_loads(t, "collet: 1\n"
                     "model: { path: ${TEST_MODEL:?set TEST_MODEL}, alias: [my-model, \"${TEST_NONE:-b}\"] }\n"
                     "name: a${TEST_NONE:-, {x}$${HOME}\n");
    assert_string_equal(collet_profile_text(t->p, "model.path"), "/m/a.gguf");
    assert_string_equal(collet_profile_text(t->p, "model.alias"), "my-model,b");
    assert_string_equal(collet_profile_text(t->p, "name"), "a, {x${HOME}");
}

static void test_profile__missing_variables_say_why(void **state)
{
    profile_test *t = *state;
    unsetenv("TEST_NONE");
    profile_refused(t,
                    "collet: 1\n"
                    "model: { path: ${TEST_NONE:?set it to a GGUF file} }\n"
                    "name: ${TEST_NONE}\n"
                    "fallback: ${9 lives}\n"
                    "x-free: ${TEST_NONE}\n",
                    "p.yaml:2:16: TEST_NONE is not set: set it to a GGUF file\n"
                    "p.yaml:3:7: TEST_NONE is not set; ${TEST_NONE:-TEXT} gives a default\n"
                    "p.yaml:4:11: '${9 lives}' is not ${VAR}, ${VAR:-default} or ${VAR:?message}; write $${ for a "
                    "plain ${\n");
}

static void test_profile__all_problems_come_in_one_pass(void **state)
{
    profile_test *t = *state;
    profile_refused(t,
                    "collet: 2\n"
                    "engin: { threads: 1 }\n"
                    "engine: { thread: 1, context: -3, step_tokens: lots, threads: [1] }\n"
                    "isq: [{ layer: 1, use: q4_k }, { use: [q4_k, q5_k] }, { layers: 1 }]\n"
                    "slots:\n"
                    "  matmu: any\n"
                    "  draft: { use: draft.ngram }\n"
                    "  matmul:\n"
                    "    - { formt: q4_k, use: any }\n"
                    "    - { phase: decod, layers: x-3, tokens: \">>3\", use: any }\n"
                    "    - { use: Cpu.Matmul, fallback: eror }\n"
                    "    - { phase: decode }\n"
                    "  kvcache: { use: [a, b], options: { x: 1 } }\n"
                    "plugins: { acme: { sha256: zz }, b: { path: x, sha: 1 } }\n"
                    "search: { a: b }\n",
                    "p.yaml:1:9: collet: this program reads schema version 1, not '2'\n"
                    "p.yaml:2:1: there is no key 'engin'; did you mean 'engine'?\n"
                    "p.yaml:3:11: there is no key 'engine.thread'; did you mean 'engine.threads'?\n"
                    "p.yaml:3:31: engine.context: '-3' is out of range (auto or 1..16777216, default auto)\n"
                    "p.yaml:3:48: engine.step_tokens: 'lots' is not a whole number (1..65536, default 512)\n"
                    "p.yaml:3:63: engine.threads: one value was wanted, not a list\n"
                    "p.yaml:4:9: a rule of isq has no key 'layer'; did you mean 'layers'?\n"
                    "p.yaml:4:46: isq: one format, not several\n"
                    "p.yaml:4:55: isq: this rule has no `use`\n"
                    "p.yaml:6:3: there is no key 'slots.matmu'; did you mean 'slots.matmul'?\n"
                    "p.yaml:7:3: slots.draft: this version has no such slot yet\n"
                    "p.yaml:9:9: a rule has no key 'formt'; did you mean 'format'?\n"
                    "p.yaml:10:16: there is no phase 'decod'; did you mean 'decode'?\n"
                    "p.yaml:10:31: layers: 'x-3' is not a layer or a range like 0-3\n"
                    "p.yaml:10:44: tokens: '>>3' is not a number, a range like 1-16, or a bound like \">=64\"\n"
                    "p.yaml:11:14: use: 'Cpu.Matmul' is not a module id ([a-z0-9._-], or any)\n"
                    "p.yaml:11:36: fallback: 'eror' is not one of its choices; did you mean 'error' (warn or error, "
                    "default warn)?\n"
                    "p.yaml:12:7: slots.matmul: this rule has no `use`\n"
                    "p.yaml:13:36: options: `use` names 2 modules, so say whose they are: options: { MODULE: { key: "
                    "value } }\n"
                    "p.yaml:14:18: plugins.acme: which file? Give it a path\n"
                    "p.yaml:14:48: a plugin has no key 'sha'; known: path, sha256\n"
                    "p.yaml:15:9: search: one value was wanted, not a mapping\n");
    assert_non_null(strstr(t->err.msg, "p.yaml:1:9: collet: this program reads schema version 1, not '2'"));
}

static void test_profile__yaml_is_bounded_and_plain(void **state)
{
    profile_test *t = *state;
    profile_refused(t, "", "p.yaml:1:1: the file is empty: begin with 'collet: 1'\n");
    profile_refused(t, "name: x\n", "p.yaml:1:1: the schema version is missing: begin with 'collet: 1'\n");
    profile_refused(t, "[collet, 1]\n", "p.yaml:1:1: a profile: a mapping was wanted, not a list\n");
    profile_refused(t, "collet: 1\nname: a\nname: b\n", "p.yaml:3:1: the key 'name' is here twice\n");
    profile_refused(t, "collet: 1\nengine: *e\n", "p.yaml:2:9: this alias has no anchor before it\n");
    profile_refused(t, "collet: 1\nengine: &e { x-a: *e }\n", "p.yaml:2:19: this alias has no anchor before it\n");
    profile_refused(t, "collet: !!int 1\n", "p.yaml:1:9: tags are not read: every key has one type already\n");
    profile_refused(t, "collet: 1\nname: \"a\\0b\"\n", "p.yaml:2:7: a NUL byte inside a text\n");
    profile_refused(t, "collet: 1\n---\ncollet: 1\n", "p.yaml:2:1: a second document: one file, one profile\n");
    profile_refused(t, "collet: 1\n[a]: b\n", "p.yaml:2:3: a key must be a plain name\n");
    profile_refused(t, "collet: 1\nengine: { threads: 1\n",
                    "p.yaml:3:1: not YAML: did not find expected ',' or '}', while parsing a flow mapping\n");
    profile_refused(t, "collet: 1\nname: \"\\x1b[31m\"\nfallback: \"\\x1b[31m\"\n",
                    "p.yaml:3:11: fallback: '\\x1b[31m' is not one of its choices (warn or error, default warn)\n");
}

static void test_profile__yaml_bombs_are_refused(void **state)
{
    profile_test *t = *state;
    collet_text text = { 0 };
    collet_text_printf(&text, "collet: 1\nx-a: ");
    for (int i = 0; i < 40; i++)
        collet_text_printf(&text, "[");
    for (int i = 0; i < 40; i++)
        collet_text_printf(&text, "]");
    profile_refused(t, text.data, "p.yaml:2:38: nested deeper than 32\n");

    text.n_bytes = 0;
    collet_text_printf(&text, "collet: 1\nx-a: &a [1]\nx-b: [*a");
    for (int i = 0; i < 300; i++)
        collet_text_printf(&text, ",*a");
    collet_text_printf(&text, "]\n");
    profile_refused(t, text.data, "p.yaml:3:775: more than 256 aliases\n");

    text.n_bytes = 0;
    collet_text_printf(&text, "collet: 1\nx-a: [1");
    for (int i = 0; i < 10001; i++)
        collet_text_printf(&text, ",1");
    collet_text_printf(&text, "]\n");
    profile_refused(t, text.data, "p.yaml:2:19997: more than 10000 values\n");
    collet_text_free(&text);
}

static void test_profile__anchors_share_values(void **state)
{
    profile_test *t = *state;
    profile_loads(t, "collet: 1\n"
                     "x-rule: &slow { use: cpu.matmul.ref }\n"
                     "slots: { matmul: *slow, ops: [ *slow ] }\n");
    assert_string_equal(first_use(t, "ops", &anything), "cpu.matmul.ref");
}

static void test_profile__missing_file_is_not_found(void **state)
{
    profile_test *t = *state;
    assert_int_equal(profile_load(t, "none.yaml"), COLLET_E_NOT_FOUND);
    assert_string_equal(t->problems.data, "none.yaml: cannot open: No such file or directory\n");
}

// ---- extends ----

static void test_profile__extends_is_relative_and_weaker(void **state)
{
    profile_test *t = *state;
    profile_file(t, "base/base.yaml",
                 "collet: 1\nextends: more.yaml\nengine: { threads: 1, context: 11 }\n"
                 "slots: { matmul: { format: q4_k, use: from.base } }\n"
                 "search: [plugins]\n");
    profile_file(t, "base/more.yaml", "collet: 1\nengine: { max_requests: 7, context: 12 }\n");
    profile_file(t, "late.yaml", "collet: 1\nengine: { context: 13, threads: 3 }\n");
    profile_loads(t, "collet: 1\nextends: [base/base.yaml, late.yaml, base/more.yaml]\nengine: { threads: 2 }\n"
                     "slots: { matmul: { phase: decode, use: from.top } }\n");
    assert_int_equal(collet_profile_int(t->p, "engine.threads"), 2);
    assert_int_equal(collet_profile_int(t->p, "engine.context"), 12); // the last entry of the list is the strongest
    assert_int_equal(collet_profile_int(t->p, "engine.max_requests"), 7);
    const collet_rule_query decode = { .op = "matmul", .format = "q4_k", .phase = COLLET_PHASE_DECODE, .layer = 0 };
    const collet_rule_query prefill = { .op = "matmul", .format = "q4_k", .phase = COLLET_PHASE_PREFILL, .layer = 0 };
    assert_string_equal(first_use(t, "matmul", &decode), "from.top");
    assert_string_equal(first_use(t, "matmul", &prefill), "from.base");
    char folder[600];
    size_t n = 0;
    snprintf(folder, sizeof folder, "%s/base/plugins", t->folder);
    const char *const *search = collet_profile_search(t->p, &n);
    assert_int_equal(n, 1);
    assert_string_equal(search[0], folder);
}

static void test_profile__extends_cycles_and_gaps_are_refused(void **state)
{
    profile_test *t = *state;
    profile_file(t, "q.yaml", "collet: 1\nextends: p.yaml\n");
    profile_refused(t, "collet: 1\nextends: q.yaml\n",
                    "q.yaml:2:10: extends: p.yaml: extends itself, directly or through others\n");
    profile_file(t, "p.yaml", "collet: 1\nextends: [none.yaml]\n");
    assert_int_equal(profile_load(t, "p.yaml"), COLLET_E_NOT_FOUND);
    assert_string_equal(t->problems.data, "p.yaml:2:11: none.yaml: cannot open: No such file or directory\n");
}

static void test_profile__extends_is_not_deep(void **state)
{
    profile_test *t = *state;
    char name[32], text[64];
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "d%d.yaml", i);
        snprintf(text, sizeof text, "collet: 1\nextends: d%d.yaml\n", i + 1);
        profile_file(t, name, text);
    }
    profile_file(t, "d10.yaml", "collet: 1\n");
    assert_int_equal(profile_load(t, "d0.yaml"), COLLET_E_INVALID);
    assert_string_equal(t->problems.data, "d7.yaml:2:10: extends: d8.yaml: more than 8 files deep\n");
}

// ---- rules ----

static void test_profile__first_matching_rule_wins(void **state)
{
    profile_test *t = *state;
    profile_loads(t, "collet: 1\n"
                     "slots:\n"
                     "  matmul:\n"
                     "    - { format: q4_k, phase: decode, use: [a, any] }\n"
                     "    - { layers: [0-3, 7], tensor: \"*.ffn_down.weight\", use: b }\n"
                     "    - { op: \"mat*\", tokens: \">=64\", use: c, fallback: error }\n"
                     "    - { phase: [prefill, verify], tokens: 1-16, use: d }\n"
                     "    - { format: [q8_0, \"q5_*\"], use: e }\n"
                     "fallback: warn\n");
    const collet_rule_query cases[] = {
        { .op = "matmul", .format = "q4_k", .phase = COLLET_PHASE_DECODE, .layer = 2, .tokens = 1 },
        { .op = "matmul", .format = "q6_k", .tensor = "blk.7.ffn_down.weight", .layer = 7, .tokens = 1 },
        { .op = "matmul", .format = "q6_k", .tensor = "blk.4.ffn_down.weight", .layer = 4, .tokens = 64 },
        { .op = "matmul", .format = "q6_k", .phase = COLLET_PHASE_VERIFY, .layer = 4, .tokens = 16 },
        { .op = "matmul", .format = "q5_1", .phase = COLLET_PHASE_PREFILL, .layer = 4, .tokens = 17 },
        { .op = "matmul", .phase = COLLET_PHASE_PREFILL, .layer = -1, .tokens = 17 },
        { .op = "matmul", .tensor = "x.ffn_down.weight", .phase = COLLET_PHASE_DECODE, .layer = -1, .tokens = 1 },
    };
    static const char *const wanted[] = { "a", "b", "c", "d", "e", "any", "any" };
    for (size_t i = 0; i < COLLET_COUNT(cases); i++)
        assert_string_equal(first_use(t, "matmul", &cases[i]), wanted[i]);
    const collet_rule *rule = collet_profile_rule(t->p, "matmul", &cases[0]);
    assert_string_equal(rule->use[1], "any");
    assert_null(rule->use[2]);
    assert_int_equal(rule->line, 4);
    assert_int_equal(rule->column, 7);
    assert_int_equal(rule->origin, COLLET_ORIGIN_PROFILE);
    assert_false(rule->fallback_error);
    assert_true(collet_profile_rule(t->p, "matmul", &cases[2])->fallback_error);
}

static void test_profile__token_bounds_are_what_they_say(void **state)
{
    profile_test *t = *state;
    static const struct {
        const char *bound;
        uint32_t inside, outside;
    } cases[] = { { ">=64", 64, 63 }, { ">64", 65, 64 }, { "<8", 7, 8 },
                  { "<=8", 8, 9 },    { "16", 16, 17 },  { "1-16", 1, 17 } };
    for (size_t i = 0; i < COLLET_COUNT(cases); i++) {
        char text[128];
        snprintf(text, sizeof text, "collet: 1\nslots: { ops: { tokens: \"%s\", use: x } }\n", cases[i].bound);
        profile_loads(t, text);
        const collet_rule_query inside = { .op = "add", .tokens = cases[i].inside };
        const collet_rule_query outside = { .op = "add", .tokens = cases[i].outside };
        assert_string_equal(first_use(t, "ops", &inside), "x");
        assert_string_equal(first_use(t, "ops", &outside), "any");
    }
    profile_refused(t, "collet: 1\nslots: { ops: { tokens: \"<0\", use: x } }\n",
                    "p.yaml:2:25: tokens: '<0' is not a number, a range like 1-16, or a bound like \">=64\"\n");
}

static void test_profile__slot_is_an_id_a_list_or_rules(void **state)
{
    profile_test *t = *state;
    profile_loads(t, "collet: 1\n"
                     "slots:\n"
                     "  device: sim\n"
                     "  ops: [a, any]\n"
                     "  matmul: a, any\n"
                     "  attention: [{ phase: decode, use: b }, c]\n"
                     "fallback: error\n");
    assert_string_equal(first_use(t, "device", &anything), "sim.device"); // a domain stands for its device
    assert_string_equal(collet_profile_rule(t->p, "ops", &anything)->use[1], "any");
    assert_string_equal(collet_profile_rule(t->p, "matmul", &anything)->use[1], "any");
    const collet_rule_query prefill = { .op = "attention", .phase = COLLET_PHASE_PREFILL };
    assert_string_equal(first_use(t, "attention", &prefill), "c");
    assert_true(collet_profile_rule(t->p, "attention", &prefill)->fallback_error);
}

static void test_profile__set_takes_whole_rules(void **state)
{
    profile_test *t = *state;
    t->sets[t->n_sets++] = "slots.matmul={ phase: decode, use: [a, any] }";
    t->sets[t->n_sets++] = "slots.ops=x,any";
    profile_loads(t, "collet: 1\nslots: { matmul: b }\n");
    const collet_rule_query decode = { .op = "matmul", .phase = COLLET_PHASE_DECODE };
    const collet_rule_query prefill = { .op = "matmul", .phase = COLLET_PHASE_PREFILL };
    assert_string_equal(first_use(t, "matmul", &decode), "a");
    assert_string_equal(first_use(t, "matmul", &prefill), "b");
    assert_string_equal(collet_profile_rule(t->p, "ops", &anything)->use[1], "any");
    assert_int_equal(collet_profile_rule(t->p, "matmul", &decode)->origin, COLLET_ORIGIN_FLAG);
}

static void test_profile__wrong_sets_are_named(void **state)
{
    profile_test *t = *state;
    static const char *const cases[][2] = {
        { "engine.threads", "--set: 'engine.threads' is not KEY=VALUE\n" },
        { "engine.thread=1", "--set: there is no key 'engine.thread'; did you mean 'engine.threads'?\n" },
        { "slots.matmul=", "--set: slots.matmul: which module?\n" },
        { "slots.draft=x", "--set: slots.draft: this version has no such slot yet\n" },
        { "slots.ops={ use: a, phas: x }", "--set: a rule has no key 'phas'; did you mean 'phase'?\n" },
        { "options.dtype=f32", "--set: 'options.dtype' is not options.MODULE.KEY\n" },
    };
    for (size_t i = 0; i < COLLET_COUNT(cases); i++) {
        t->sets[0] = cases[i][0];
        t->n_sets = 1;
        assert_int_equal(profile_load(t, NULL), COLLET_E_INVALID);
        assert_string_equal(t->problems.data, cases[i][1]);
    }
}

// ---- options of modules, plugins ----

static const collet_option_info kv_options[] = {
    { .key = "block_tokens", .type = COLLET_OPT_INT, .dflt = "16", .min = 8, .max = 256 },
    { .key = "dtype", .type = COLLET_OPT_STR, .dflt = "f16" },
};
static const collet_module_info kv = { .id = "kv.paged", .n_options = 2, .options = kv_options };

static void test_profile__module_options_from_rule_section_and_flag(void **state)
{
    profile_test *t = *state;
    collet_value values[2];
    profile_loads(t, "collet: 1\nslots: { kvcache: { use: kv.paged, options: { block_tokens: 32 } } }\n");
    assert_int_equal(collet_profile_values(t->p, &kv, values, &t->err), COLLET_OK);
    assert_int_equal(values[0].u.i, 32);
    assert_int_equal(values[0].is_set, 1);
    assert_string_equal(values[1].u.s, "f16");
    assert_int_equal(values[1].is_set, 0);

    profile_loads(t, "collet: 1\n"
                     "slots: { kvcache: { use: any, options: { kv.paged: { dtype: f32 } } } }\n"
                     "options: { kv.paged: { block_tokens: 64 } }\n");
    assert_int_equal(collet_profile_values(t->p, &kv, values, &t->err), COLLET_OK);
    assert_int_equal(values[0].u.i, 64);
    assert_string_equal(values[1].u.s, "f32");

    t->sets[t->n_sets++] = "options.kv.paged.block_tokens=128";
    assert_int_equal(profile_load(t, "p.yaml"), COLLET_OK);
    assert_int_equal(collet_profile_values(t->p, &kv, values, &t->err), COLLET_OK);
    assert_int_equal(values[0].u.i, 128);

    t->sets[0] = "options.kv.paged.block_tokens=7";
    assert_int_equal(profile_load(t, "p.yaml"), COLLET_OK);
    assert_int_equal(collet_profile_values(t->p, &kv, values, &t->err), COLLET_E_INVALID);
    assert_string_equal(t->err.msg, "kv.paged: block_tokens: '7' is out of range (8..256, default 16)");
}

static void test_profile__one_module_has_one_value(void **state)
{
    profile_test *t = *state;
    profile_refused(t,
                    "collet: 1\n"
                    "slots:\n"
                    "  kvcache:\n"
                    "    - { phase: decode, use: kv.paged, options: { block_tokens: 32 } }\n"
                    "    - { use: kv.paged, options: { block_tokens: 16 } }\n",
                    "p.yaml:5:49: kv.paged: block_tokens is '16' here and '32' in line 4: a module is opened once, "
                    "with one value\n");
}

static void test_profile__pins_are_absolute_and_checked(void **state)
{
    profile_test *t = *state;
    size_t n = 0;
    char path[600];
    t->sets[t->n_sets++] = "plugins.other=/o/libcollet_other.so";
    profile_loads(t, "collet: 1\nplugins:\n  acme: { path: ./libcollet_acme.so, sha256: "
                     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef }\n");
    const collet_plugin_pin *pins = collet_profile_pins(t->p, &n);
    assert_int_equal(n, 2);
    assert_string_equal(pins[0].name, "other"); // flags first
    snprintf(path, sizeof path, "%s/libcollet_acme.so", t->folder);
    assert_string_equal(pins[1].path, path);
    assert_int_equal(strlen(pins[1].sha256), 64);
    profile_refused(t, "collet: 1\nplugins: { acme: { path: x, sha256: 9f2c } }\n",
                    "p.yaml:2:18: plugins.acme: sha256 must be 64 hexadecimal digits in lower case\n");
}

// ---- show ----

static void test_profile__what_is_shown_can_be_read_back(void **state)
{
    profile_test *t = *state;
    profile_loads(t, "collet: 1\n"
                     "name: \"it's \\\"$${X}\\\"\\t\"\n"
                     "model: { path: /m.gguf, alias: [a, b c] }\n"
                     "search: [/p, \"/with blank\"]\n"
                     "plugins: { acme: /p/libcollet_acme.so }\n"
                     "slots:\n"
                     "  matmul:\n"
                     "    - { op: matmul, format: [q4_k, \"q5_*\"], phase: [decode, verify], layers: [0-3, 7], "
                     "tensor: \"*.w\", tokens: \">=2\", use: [a, any], fallback: error }\n"
                     "    - b\n"
                     "  kvcache: { use: kv.paged, options: { block_tokens: 32, dtype: \"\" } }\n"
                     "engine: { threads: 2 }\n");
    char first[16384];
    snprintf(first, sizeof first, "%s", profile_shown(t, false));
    profile_loads(t, first);
    assert_string_equal(profile_shown(t, false), first);
    profile_loads(t, profile_shown(t, true)); // origins are comments
    assert_string_equal(profile_shown(t, false), first);
}

static void test_profile__json_has_values_and_origins(void **state)
{
    profile_test *t = *state;
    profile_loads(t, "collet: 1\nengine: { threads: 2 }\nslots: { ops: x }\n");
    char *text = collet_profile_json(t->p);
    assert_non_null(text);
    assert_non_null(strstr(text, "\"engine.threads\": {\n      \"value\": 2,"));
    assert_non_null(strstr(text, "\"value\": \"auto\",\n      \"origin\": \"default\""));
    free(text);
}

// ---- the schema ----

static void test_profile__options_page_is_fresh(void **state)
{
    (void)state;
    static char made[32768], kept[32768];
    FILE *f = fmemopen(made, sizeof made, "w");
    collet_schema_print_markdown(f);
    fclose(f);
    f = fopen("docs/OPTIONS.md", "r");
    assert_non_null(f);
    kept[fread(kept, 1, sizeof kept - 1, f)] = '\0';
    fclose(f);
    if (strcmp(made, kept) != 0)
        fail_msg("docs/OPTIONS.md is stale: collet help options > docs/OPTIONS.md");
}

// Each ```yaml block of the guide is the rest of a profile.
static void test_profile__examples_of_the_guide_load(void **state)
{
    static char guide[32768];
    profile_test *t = *state;
    FILE *f = fopen("docs/PROFILE.md", "r");
    assert_non_null(f);
    guide[fread(guide, 1, sizeof guide - 1, f)] = '\0';
    fclose(f);
    size_t n = 0;
    for (char *at = strstr(guide, "```yaml\n"); at; at = strstr(at, "```yaml\n"), n++) {
        char *end = strstr(at += strlen("```yaml\n"), "```");
        assert_non_null(end);
        collet_text text = { 0 };
        collet_text_printf(&text, "collet: 1\n%.*s", (int)(end - at), at);
        profile_loads(t, text.data);
        collet_text_free(&text);
        at = end + 3;
    }
    assert_true(n >= 2);
}

static void test_profile__unknown_question_is_answered_with_nothing(void **state)
{
    profile_test *t = *state;
    assert_int_equal(profile_load(t, NULL), COLLET_OK);
    assert_int_equal(collet_profile_int(t->p, "engine.nonsense"), 0);
    assert_string_equal(collet_profile_text(t->p, "engine.nonsense"), "");
    assert_string_equal(first_use(t, "nonsense", &anything), "any");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_profile__##name, profile_setup, profile_teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_key_has_a_default),
        TEST(flag_beats_environment_beats_file_beats_user_beats_default),
        TEST(long_variable_beats_the_short_one),
        TEST(misspelt_variables_are_refused),
        TEST(variable_names_a_profile),
        TEST(seed_variables_are_honoured_or_named),
        TEST(isq_rules_are_lines_in_order_of_strength),
        TEST(isq_of_mistral_counts_where_ours_is_unset),
        TEST(variables_are_expanded_without_quotes),
        TEST(missing_variables_say_why),
        TEST(all_problems_come_in_one_pass),
        TEST(yaml_is_bounded_and_plain),
        TEST(yaml_bombs_are_refused),
        TEST(anchors_share_values),
        TEST(missing_file_is_not_found),
        TEST(extends_is_relative_and_weaker),
        TEST(extends_cycles_and_gaps_are_refused),
        TEST(extends_is_not_deep),
        TEST(first_matching_rule_wins),
        TEST(token_bounds_are_what_they_say),
        TEST(slot_is_an_id_a_list_or_rules),
        TEST(set_takes_whole_rules),
        TEST(wrong_sets_are_named),
        TEST(module_options_from_rule_section_and_flag),
        TEST(one_module_has_one_value),
        TEST(pins_are_absolute_and_checked),
        TEST(what_is_shown_can_be_read_back),
        TEST(json_has_values_and_origins),
        TEST(options_page_is_fresh),
        TEST(examples_of_the_guide_load),
        TEST(unknown_question_is_answered_with_nothing),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
