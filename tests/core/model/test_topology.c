// SPDX-License-Identifier: Apache-2.0
// tests/core/model/test_topology.c - a topology file is read as mistral.rs reads it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/error.h"
#include "core/model/topology.h"

static char dir[] = "/tmp/collet_test_topology.XXXXXX"; // current directory of the tests

static collet_status open_text(collet_topology **t, const char *text, collet_error *err)
{
    FILE *f = fopen("t.yml", "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return collet_topology_open(t, "t.yml", err);
}

static collet_topology *open_right(const char *text)
{
    collet_topology *t = NULL;
    collet_error err = COLLET_ERROR_INIT;
    if (open_text(&t, text, &err) != COLLET_OK)
        fail_msg("%s", err.msg);
    return t;
}

static void assert_isq(collet_topology *t, const char *name, int32_t layer, const char *isq)
{
    const collet_topology_entry *e = collet_topology_find(t, name, layer);
    if (!isq) {
        assert_true(e == NULL || e->isq == NULL);
        return;
    }
    assert_non_null(e);
    assert_string_equal(e->isq, isq);
}

static void test_topology__ranges_exclude_their_end_and_the_one_that_ends_last_wins(void **state)
{
    (void)state;
    collet_topology *t = open_right("0-8:\n  isq: Q3K\n2-4:\n  isq: Q8_0\n24:\n  isq: Q6K\n6-8:\n  isq: Q4K\n");
    assert_isq(t, "blk.0.attn_q.weight", 0, "Q3K");
    assert_isq(t, "blk.3.attn_q.weight", 3, "Q3K"); // the exception inside the wider range is lost, as there
    assert_isq(t, "blk.7.attn_q.weight", 7, "Q4K"); // of equal ends the later line
    assert_isq(t, "blk.8.attn_q.weight", 8, NULL);
    assert_isq(t, "blk.24.attn_q.weight", 24, "Q6K");
    assert_isq(t, "output.weight", -1, NULL);
    assert_int_equal(collet_topology_n_entries(t), 4);
    assert_string_equal(collet_topology_entry_at(t, 2)->where, "t.yml:5");
    for (size_t i = 0; i < 4; i++)
        assert_true(collet_topology_entry_at(t, i)->matched); // 2-4 matched, though another decided
    collet_topology_close(t);
}

static void test_topology__expressions_see_the_names_of_both_worlds(void **state)
{
    (void)state;
    collet_topology *t = open_right("'/model\\.layers\\.(\\d+)\\.self_attn\\..*$/':\n  isq: Q8_0\n"
                                    "'/^blk\\.1\\.attn_v/':\n  isq: Q6K\n'/lm_head/':\n  isq: Q5K\n"
                                    "0-9:\n  isq: Q4K\n'/o_proj/':\n  device: cpu\n");
    assert_isq(t, "blk.0.attn_q.weight", 0, "Q8_0");
    assert_isq(t, "blk.1.attn_v.weight", 1, "Q6K"); // the last one in the file
    assert_isq(t, "blk.1.ffn_down.weight", 1, "Q4K");
    assert_isq(t, "output.weight", -1, "Q5K");
    assert_isq(t, "blk.0.attn_output.weight", 0, "Q4K"); // an expression without a format leaves the range's word
    collet_topology_close(t);
}

static void test_topology__names_are_translated_part_by_part(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        { "token_embd.weight", "model.embed_tokens.weight" },
        { "output.weight", "lm_head.weight" },
        { "blk.11.attn_output.weight", "model.layers.11.self_attn.o_proj.weight" },
        { "blk.0.ffn_gate.weight", "model.layers.0.mlp.gate_proj.weight" },
        { "blk.0.attn_q.bias", "model.layers.0.self_attn.q_proj.bias" },
        { "blk.0.ssm_in.weight", "blk.0.ssm_in.weight" }, // no counterpart
        { "blk.x.attn_q.weight", "blk.x.attn_q.weight" },
    };
    char hf[64], small[8];
    for (size_t i = 0; i < COLLET_COUNT(names); i++)
        assert_string_equal(collet_hf_name(hf, sizeof hf, names[i][0]), names[i][1]);
    assert_string_equal(collet_hf_name(small, sizeof small, "token_embd.weight"), "model.e");
}

static void test_topology__mistakes_are_named_with_their_line(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "", "t.yml: a topology maps selectors to { isq: TYPE }; this is empty" },
        { "5-2:\n  isq: Q4_0\n", "t.yml:1: the range '5-2' is empty: its end is excluded and must be larger than its "
                                 "begin" },
        { "3-3:\n  isq: Q4_0\n", "t.yml:1: the range '3-3' is empty: its end is excluded and must be larger than its "
                                 "begin" },
        { "a:\n  isq: Q4_0\n", "t.yml:1: 'a' is no selector: write a layer (24), a range with its end excluded (0-8), "
                               "or /an expression/ on the weight's name" },
        { "99999999999999999999:\n  isq: Q4_0\n",
          "t.yml:1: '99999999999999999999' is no selector: write a layer (24), a range with its end excluded (0-8), "
          "or /an expression/ on the weight's name" },
        { "0: Q4_0\n", "t.yml:1: '0' wants `isq: TYPE` and `device: NAME` under it, not a single value" },
        { "0:\n  isk: Q4_0\n", "t.yml:2: unknown key 'isk'; a selector has isq and device" },
        { "0:\n  device: tpu\n", "t.yml:1: 'tpu' is no device: write cpu, cuda[0] or metal[0]" },
        { "'/(/':\n  isq: Q4_0\n", "t.yml:1: the expression /(/ is wrong at byte 1: missing closing parenthesis" },
    };
    for (size_t i = 0; i < COLLET_COUNT(cases); i++) {
        collet_topology *t = NULL;
        collet_error err = COLLET_ERROR_INIT;
        assert_int_equal(open_text(&t, cases[i][0], &err), COLLET_E_INVALID);
        assert_null(t);
        assert_string_equal(err.msg, cases[i][1]);
    }
}

// An expression that explodes on a name does not match it, and does not hang.
static void test_topology__an_expression_that_explodes_ends(void **state)
{
    (void)state;
    collet_topology *t = open_right("'/^(a+)+$/':\n  isq: Q4_0\n");
    assert_null(collet_topology_find(t, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", -1));
    collet_topology_close(t);
}

static int enter_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int leave_dir(void **state)
{
    (void)state;
    remove("t.yml");
    return chdir("/") == 0 && rmdir(dir) == 0 ? 0 : -1;
}

#define TEST(name) cmocka_unit_test(test_topology__##name)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(ranges_exclude_their_end_and_the_one_that_ends_last_wins),
        TEST(expressions_see_the_names_of_both_worlds),
        TEST(names_are_translated_part_by_part),
        TEST(mistakes_are_named_with_their_line),
        TEST(an_expression_that_explodes_ends),
    };
    return cmocka_run_group_tests(tests, enter_dir, leave_dir);
}
