// SPDX-License-Identifier: Apache-2.0
// tests/core/model/test_recipe.c - which format each tensor gets, and what is refused; the recipes themselves are held
// against llama-quantize's choices in tests/cli/test_cli_isq.py.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/error.h"
#include "core/model/recipe.h"
#include "tests/core/model/tiny_gguf.h"

static char dir[] = "/tmp/collet_test_recipe.XXXXXX"; // current directory of the tests

static const tiny_tensor untied[] = { { "token_embd.weight", 256, 8, 0 },
                                      { "output.weight", 256, 8, 0 },
                                      { "output_norm.weight", 256, 0, 0 },
                                      { "blk.0.attn_norm.weight", 256, 0, 0 },
                                      { "blk.0.attn_q.weight", 256, 256, 0 },
                                      { "blk.0.attn_v.weight", 256, 64, 0 },
                                      { "blk.0.ffn_down.weight", 512, 256, 0 },
                                      { "blk.1.attn_q.weight", 256, 256, 0 },
                                      { "blk.1.attn_v.weight", 256, 64, 0 },
                                      { "blk.1.ffn_down.weight", 96, 256, 0 },
                                      { "blk.1.ffn_up.weight", 40, 96, 0 },
                                      { "blk.1.ffn_gate_inp.weight", 256, 8, 0 },
                                      { 0 } };
static const tiny_gguf llama = { .n_layers = 2, .n_heads = 8, .n_kv_heads = 2, .tensors = untied };

static collet_recipe *make(collet_gguf **g, const collet_recipe_opts *opts)
{
    collet_recipe *r = NULL;
    collet_error err = COLLET_ERROR_INIT;
    *g = tiny_gguf_open("model.gguf", &llama);
    if (collet_recipe_create(&r, *g, opts, &err) != COLLET_OK)
        fail_msg("%s", err.msg);
    return r;
}

static const collet_recipe_choice *of(const collet_recipe *r, const collet_gguf *g, const char *name)
{
    return collet_recipe_at(r, (uint64_t)(collet_gguf_find_tensor(g, name) - collet_gguf_tensor_at(g, 0)));
}

static void assert_format(const collet_recipe *r, const collet_gguf *g, const char *name, const char *format)
{
    const collet_recipe_choice *c = of(r, g, name);
    if (strcmp(c->format, format) != 0)
        fail_msg("%s: %s (%s), not %s", name, c->format, c->because, format);
}

static void refuses(const collet_recipe_opts *opts, collet_status wanted, const char *message)
{
    collet_recipe *r = NULL;
    collet_error err = COLLET_ERROR_INIT;
    collet_gguf *g = tiny_gguf_open("model.gguf", &llama);
    assert_int_equal(collet_recipe_create(&r, g, opts, &err), wanted);
    assert_null(r);
    assert_string_equal(err.msg, message);
    collet_gguf_close(g);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_recipe__a_type_is_for_matrices_and_wider_for_the_output(void **state)
{
    (void)state;
    collet_gguf *g = NULL;
    collet_recipe *r = make(&g, &(collet_recipe_opts){ .type = "q4_k", .type_where = "--isq" });
    assert_format(r, g, "blk.0.attn_q.weight", "q4_k");
    assert_format(r, g, "token_embd.weight", "q4_k");
    assert_format(r, g, "output.weight", "q6_k");
    assert_format(r, g, "output_norm.weight", "f32");
    assert_string_equal(of(r, g, "output_norm.weight")->because, "kept: one dimension");
    assert_format(r, g, "blk.1.ffn_gate_inp.weight", "f16");
    assert_string_equal(of(r, g, "blk.1.ffn_gate_inp.weight")->because, "kept: chooses experts");
    collet_recipe_destroy(r);
    collet_gguf_close(g);
}

static void test_recipe__rows_that_do_not_divide_fall_back_by_a_stated_rule(void **state)
{
    (void)state;
    static const struct {
        const char *type, *of_96; // rows of 96: whole blocks of 32, none of 256; rows of 40: neither
    } cases[] = { { "q4_k", "q5_0" }, { "q5_k", "q5_1" }, { "q6_k", "q8_0" },     { "q2_k", "q4_0" },
                  { "q3_k", "q4_0" }, { "q8_k", "q8_0" }, { "iq4_xs", "iq4_nl" }, { "q4_0", "q4_0" } };
    for (size_t i = 0; i < COLLET_COUNT(cases); i++) {
        collet_gguf *g = NULL;
        collet_recipe *r = make(&g, &(collet_recipe_opts){ .type = cases[i].type });
        assert_format(r, g, "blk.1.ffn_down.weight", cases[i].of_96);
        assert_format(r, g, "blk.1.ffn_up.weight", "f16");
        const bool divides = strcmp(cases[i].type, "q4_0") == 0;
        assert_int_equal(of(r, g, "blk.1.ffn_down.weight")->is_fallback, !divides);
        assert_true(of(r, g, "blk.1.ffn_up.weight")->is_fallback);
        assert_false(of(r, g, "blk.1.ffn_up.weight")->quantize); // f16 is what it is
        assert_int_equal(collet_recipe_n_fallbacks(r), divides ? 1 : 2);
        collet_recipe_destroy(r);
        collet_gguf_close(g);
    }
    collet_gguf *g = NULL;
    collet_recipe *r = make(&g, &(collet_recipe_opts){ .type = "q4_k" });
    assert_string_equal(of(r, g, "blk.1.ffn_down.weight")->because,
                        "rows of 96 do not divide into blocks of 256: q5_0 instead of q4_k");
    collet_recipe_destroy(r);
    collet_gguf_close(g);
}

static void test_recipe__the_stronger_word_counts(void **state)
{
    (void)state;
    const collet_recipe_rule rules[] = {
        { .layer_begin = 1, .layer_end = 2, .tensor = "*attn_q*", .use = "q8_0", .where = "p.yaml:3:5" },
        { .layer_begin = -1, .layer_end = -1, .tensor = "*attn_*", .use = "q5_k", .where = "p.yaml:4:5" },
        { .layer_begin = 1, .layer_end = 2, .tensor = "*ffn_down*", .use = "none", .where = "p.yaml:5:5" },
        { .layer_begin = -1, .layer_end = -1, .use = "q4_k_m", .where = "p.yaml:6:5" },
    };
    write_file("t.yml", "0:\n  isq: Q6K\n'/output/':\n  isq: Q5_0\n");
    collet_gguf *g = NULL;
    collet_recipe *r = make(
        &g, &(collet_recipe_opts){
                .rules = rules, .n_rules = COLLET_COUNT(rules), .topology_path = "t.yml", .embedding_type = "q8_0" });
    assert_format(r, g, "blk.0.attn_q.weight", "q6_k"); // the topology before the rules
    assert_format(r, g, "blk.1.attn_q.weight", "q8_0"); // of the rules the first
    assert_format(r, g, "blk.1.attn_v.weight", "q5_k");
    assert_format(r, g, "blk.1.ffn_down.weight", "f16"); // none: as in the file
    assert_format(r, g, "output.weight", "q5_0");
    assert_format(r, g, "token_embd.weight", "q8_0");
    assert_string_equal(of(r, g, "blk.1.attn_q.weight")->because, "rule q8_0, p.yaml:3:5");
    assert_string_equal(of(r, g, "blk.0.attn_q.weight")->because, "topology t.yml:1");
    assert_int_equal(collet_recipe_n_quantized(r), 7);
    collet_recipe_destroy(r);
    collet_gguf_close(g);
}

static void test_recipe__pure_means_pure(void **state)
{
    (void)state;
    collet_gguf *g = NULL;
    collet_recipe *r = make(&g, &(collet_recipe_opts){ .type = "q4_k", .pure = true });
    assert_format(r, g, "output.weight", "q4_k");
    assert_format(r, g, "token_embd.weight", "q4_k");
    collet_recipe_destroy(r);
    collet_gguf_close(g);
}

static void test_recipe__what_matches_nothing_is_a_typo(void **state)
{
    (void)state;
    const collet_recipe_rule rules[] = {
        { .layer_begin = -1, .layer_end = -1, .use = "q4_0", .where = "p.yaml:2:6" },
        { .layer_begin = 7, .layer_end = 9, .tensor = "*attn_q*", .use = "q8_0", .where = "p.yaml:3:5" },
    };
    refuses(&(collet_recipe_opts){ .rules = rules, .n_rules = 2 }, COLLET_E_INVALID,
            "p.yaml:3:5: no tensor of this model that can be quantized matches { layers: 7-8 tensor: *attn_q* }; "
            "`collet inspect` lists their names");
    write_file("t.yml", "0-2:\n  isq: Q4_0\n'/norm/':\n  isq: Q8_0\n"); // norms are never quantized
    refuses(&(collet_recipe_opts){ .topology_path = "t.yml" }, COLLET_E_INVALID,
            "t.yml:3: no tensor of this model that can be quantized matches '/norm/'; `collet inspect` lists their "
            "names");
    refuses(&(collet_recipe_opts){ .topology_path = "nowhere.yml" }, COLLET_E_NOT_FOUND,
            "nowhere.yml: cannot open: No such file or directory");
}

static void test_recipe__unknown_names_have_the_nearest_beside_them(void **state)
{
    (void)state;
    refuses(&(collet_recipe_opts){ .type = "q4_kmm", .type_where = "--isq" }, COLLET_E_INVALID,
            "--isq: unknown weight format 'q4_kmm'; did you mean 'q4_k_m'?");
    refuses(&(collet_recipe_opts){ .type = "HQQ4" }, COLLET_E_INVALID,
            "HQQ4 is a format of mistral.rs that this version has not; q4_k is as wide");
    refuses(&(collet_recipe_opts){ .type = "q4_0", .output_type = "none" }, COLLET_E_INVALID,
            "output and embedding type name a format, not 'none'");
    assert_int_equal(collet_recipe_check_name("Q4K_M", NULL), COLLET_OK);
    assert_int_equal(collet_recipe_check_name("Q9", NULL), COLLET_E_INVALID);
    for (size_t i = 0; collet_recipe_name_at(i); i++)
        assert_int_equal(collet_recipe_check_name(collet_recipe_name_at(i), NULL), COLLET_OK);
}

static int enter_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int leave_dir(void **state)
{
    (void)state;
    remove("model.gguf");
    remove("t.yml");
    return chdir("/") == 0 && rmdir(dir) == 0 ? 0 : -1;
}

#define TEST(name) cmocka_unit_test(test_recipe__##name)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_type_is_for_matrices_and_wider_for_the_output),
        TEST(rows_that_do_not_divide_fall_back_by_a_stated_rule),
        TEST(the_stronger_word_counts),
        TEST(pure_means_pure),
        TEST(what_matches_nothing_is_a_typo),
        TEST(unknown_names_have_the_nearest_beside_them),
    };
    return cmocka_run_group_tests(tests, enter_dir, leave_dir);
}
