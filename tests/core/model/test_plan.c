// SPDX-License-Identifier: Apache-2.0
// tests/core/model/test_plan.c - who is chosen, who is blamed, and that taking a fused op apart changes nothing.
#include <unistd.h>

#include "tests/core/engine/rig.h"
#include "tests/core/model/picky.h"

#define LLAMA "hf/llama-tied/llama-tied-bf16.gguf" // two layers, tied embedding

static const collet_plan_opts small = { .context = 64, .n_seqs_max = 2, .step_tokens = 16, .rows_max = 8 };

// The runtime and the model with up to two --set; the profile's text goes through a file so that rules have lines.
static void open_model(rig *r, const char *profile, const char *set, const char *set2)
{
    char path[600];
    rig_need(LLAMA);
    snprintf(path, sizeof path, "%s/tests/plan-XXXXXX", getenv("COLLET_BUILD_DIR"));
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, profile, strlen(profile)), (ssize_t)strlen(profile));
    close(fd);
    const rig_opts opts = { .model = LLAMA,
                            .profile_path = path,
                            .extra = { &picky_plugin },
                            .sets = { "engine.threads=1", set, set ? set2 : NULL } };
    collet_status st = rig_open_model(r, &opts);
    remove(path);
    if (st != COLLET_OK)
        fail_msg("%s", r->err.msg);
}

static collet_plan *select_plan(rig *r)
{
    collet_plan *p = NULL;
    if (collet_plan_select(&p, r->model, &small, &r->err) != COLLET_OK)
        fail_msg("%s", r->err.msg);
    return p;
}

static void select_fails(rig *r, collet_status wanted)
{
    collet_plan *p = NULL;
    assert_int_equal(collet_plan_select(&p, r->model, &small, &r->err), wanted);
    assert_null(p);
}

static void bind_fails(rig *r, collet_status wanted)
{
    collet_plan *p = select_plan(r);
    assert_int_equal(collet_plan_bind(p, &r->err), wanted);
    collet_plan_destroy(p);
}

// ---- rules ----

static void test_plan__rules_match_by_format_phase_layer_and_tensor_first_match_wins(void **state)
{
    (void)state;
    rig r;
    open_model(&r,
               "collet: 1\n"
               "slots:\n"
               "  matmul:\n"
               "    - { format: q4_k, use: picky.matmul, fallback: error }\n"
               "    - { tensor: blk.1.attn_q.weight, use: pick.a }\n"
               "    - { layers: 0, phase: decode, use: pick.b }\n"
               "    - { format: bf16, tensor: token_embd.weight, phase: prefill, use: pick.b }\n"
               "    - { use: cpu.matmul.ref }\n",
               NULL, NULL);
    collet_plan *p = select_plan(&r);
    uint32_t n_matmuls = 0;
    for (size_t i = 0; i < collet_plan_n_rows(p); i++) {
        collet_plan_row row;
        collet_plan_row_at(p, i, &row);
        if (strcmp(row.slot, "matmul") != 0)
            continue;
        const bool decode = row.phase == COLLET_PHASE_DECODE;
        const char *wanted = "cpu.matmul.ref";
        if (strcmp(row.tensor, "blk.1.attn_q.weight") == 0)
            wanted = "pick.a";
        else if (decode ? row.layer == 0 : strcmp(row.tensor, "token_embd.weight") == 0)
            wanted = "pick.b";
        assert_string_equal(row.choice->module->info->id, wanted);
        assert_false(row.choice->fallback);
        n_matmuls++;
    }
    assert_int_equal(n_matmuls, 2 * (2 * 7 + 1)); // two phases, two layers of seven, one output
    assert_int_equal(collet_plan_n_fallbacks(p), 0);
    collet_plan_destroy(p);
    rig_close(&r);
}

static void test_plan__a_refusal_falls_back_with_one_warning_for_the_rule(void **state)
{
    (void)state;
    rig r;
    picky_how = PICKY_REFUSES;
    open_model(&r, "collet: 1\nslots:\n  matmul:\n    - { layers: 1, use: picky.matmul }\n", NULL, NULL);
    collet_plan *p = select_plan(&r);
    assert_int_equal(collet_plan_n_fallbacks(p), 2 * 7);
    assert_holds(r.lines.data, ":4:7: slots.matmul: picky.matmul refused matmul (only on Sundays); cpu.matmul.ref");
    assert_null(strstr(strstr(r.lines.data, "picky.matmul") + 1, "picky.matmul"));
    for (size_t i = 0; i < collet_plan_n_rows(p); i++) {
        collet_plan_row row;
        collet_plan_row_at(p, i, &row);
        if (strcmp(row.slot, "matmul") != 0 || row.layer != 1)
            continue;
        assert_true(row.choice->fallback);
        assert_string_equal(row.choice->candidates[0].module->id, "picky.matmul");
        assert_string_equal(row.choice->candidates[0].why, "only on Sundays");
    }
    collet_plan_destroy(p);
    rig_close(&r);
}

static void test_plan__fallback_error_fails_with_every_reason(void **state)
{
    (void)state;
    rig r;
    picky_how = PICKY_REFUSES;
    open_model(&r, "collet: 1\nslots:\n  matmul: { use: [picky.matmul, mute.matmul, cpu.ops.ref], fallback: error }\n",
               NULL, NULL);
    select_fails(&r, COLLET_E_INVALID);
    assert_holds(r.err.msg, "no module for matmul of blk.0.attn_q.weight (bf16)");
    assert_holds(r.err.msg, "; picky.matmul: only on Sundays");
    assert_holds(r.err.msg, "; mute.matmul: refused without a reason (a defect of the plugin)");
    assert_holds(r.err.msg, "; cpu.ops.ref: is a collet.ops/0, the slot wants collet.matmul/0");
    rig_close(&r);
}

static void test_plan__an_unknown_module_is_named_with_the_nearest(void **state)
{
    (void)state;
    rig r;
    open_model(&r, "collet: 1\n", "slots.matmul=cpu.matmul.rex", NULL);
    select_fails(&r, COLLET_E_NOT_FOUND);
    assert_holds(r.err.msg, "cpu.matmul.rex");
    assert_holds(r.err.msg, "did you mean cpu.matmul.ref");
    rig_close(&r);
}

// ---- fused ops ----

static size_t count_op(const collet_plan *p, const char *op)
{
    size_t n = 0;
    for (size_t i = 0; i < collet_plan_n_rows(p); i++) {
        collet_plan_row row;
        collet_plan_row_at(p, i, &row);
        n += strcmp(row.op, op) == 0;
    }
    return n;
}

static void answer(rig *r, uint32_t *ids, uint32_t n)
{
    uint32_t prompt[9];
    const collet_engine_opts engine = { .context = 64, .max_requests = 2, .step_tokens = 16 };
    if (collet_engine_create(&r->engine, r->model, &engine, &r->err) != COLLET_OK)
        fail_msg("%s", r->err.msg);
    rig_prompt(prompt, 9, 1, r);
    const collet_request_opts o = {
        .prompt = prompt, .n_prompt = 9, .max_tokens = n, .sampling = COLLET_SAMPLING_GREEDY
    };
    assert_int_equal(rig_answer(ids, n, r, &o), n);
}

static void test_plan__a_fused_op_and_its_parts_give_the_same(void **state)
{
    (void)state;
    uint32_t fused[24], parts[24];
    rig r;
    open_model(&r, "collet: 1\nslots:\n  ops:\n    - { op: add_rmsnorm, use: fused.ops }\n    - { use: cpu.ops.ref }\n",
               NULL, NULL);
    answer(&r, fused, 24);
    assert_int_equal(count_op(collet_engine_plan(r.engine), "add_rmsnorm"), 2 * 4);
    assert_int_equal(count_op(collet_engine_plan(r.engine), "add"), 0);
    rig_close(&r);
    open_model(&r, "collet: 1\n", "slots.ops=cpu.ops.ref", NULL);
    answer(&r, parts, 24);
    assert_int_equal(count_op(collet_engine_plan(r.engine), "add_rmsnorm"), 0);
    assert_int_equal(count_op(collet_engine_plan(r.engine), "add"), 2 * 4);
    rig_close(&r);
    assert_memory_equal(fused, parts, sizeof fused);
}

// Naming the reference means the reference: a tuned fused op does not slip in by falling back.
static void test_plan__named_modules_without_the_fused_op_take_it_apart_silently(void **state)
{
    (void)state;
    const rig_opts opts = { .model = LLAMA, .sets = { "engine.threads=1", "slots.ops=cpu.ops.ref" }, .plugins = true };
    rig r;
    rig_need(LLAMA);
    assert_int_equal(rig_open_model(&r, &opts), COLLET_OK);
    collet_plan *p = select_plan(&r);
    assert_int_equal(count_op(p, "add_rmsnorm"), 0);
    assert_int_equal(collet_plan_n_fallbacks(p), 0);
    assert_null(strstr(r.lines.data, "refused"));
    collet_plan_destroy(p);
    rig_close(&r);
}

// ---- several weights at once ----

// With the modules that have fused matmuls, and rules beside. Two layers, two phases.
static void counts_with(const char *set, uint32_t n_groups, uint32_t n_glus)
{
    const rig_opts opts = { .model = LLAMA, .plugins = true, .sets = { "engine.threads=1", set } };
    rig r;
    if (rig_open_model(&r, &opts) != COLLET_OK)
        fail_msg("%s", r.err.msg);
    collet_plan *p = select_plan(&r);
    if (count_op(p, "matmul_group") != n_groups || count_op(p, "matmul_glu") != n_glus)
        fail_msg("%s: %zu groups, %zu gated", set ? set : "no rule", count_op(p, "matmul_group"),
                 count_op(p, "matmul_glu"));
    assert_int_equal(count_op(p, "matmul"), 2 * (2 * 7 + 1) - 3 * n_groups - 2 * n_glus);
    assert_int_equal(count_op(p, "silu_mul"), 4 - n_glus);
    collet_plan_destroy(p);
    rig_close(&r);
}

static void test_plan__weights_are_grouped_unless_a_rule_wants_one_of_them_elsewhere(void **state)
{
    (void)state;
    collet_isa isa;
    collet_isa_probe(&isa);
    rig_need(LLAMA);
    if (!(isa.mask & COLLET_ISA_AVX2) || (isa.mask & COLLET_ISA_AMX)) { // tiles take one weight after the other
        fprintf(stderr, "skipped: this machine does not offer avx2, or has amx\n");
        skip();
    }
    counts_with(NULL, 4, 4);
    counts_with("slots.matmul=cpu.matmul.avx2", 4, 4);
    counts_with("slots.matmul=cpu.matmul.ref", 0, 0);
    counts_with("slots.matmul=[{ tensor: blk.1.attn_v.weight, use: cpu.matmul.ref }, { use: any }]", 2, 4);
    counts_with("slots.matmul=[{ phase: decode, op: matmul, use: cpu.matmul.ref }, { use: any }]", 2, 2);
    counts_with("slots.matmul=[{ op: matmul_glu, use: cpu.matmul.ref }, { use: any }]", 4, 0);
    counts_with("slots.ops=[{ op: silu_mul, use: cpu.ops.ref }, { use: any }]", 4, 0);
}

static void test_plan__an_unknown_module_for_a_fused_op_is_an_error(void **state)
{
    (void)state;
    rig r;
    open_model(&r, "collet: 1\n", "slots.matmul=[{ op: matmul_group, use: cpu.matmul.rex }, { use: any }]", NULL);
    select_fails(&r, COLLET_E_NOT_FOUND);
    assert_holds(r.err.msg, "did you mean cpu.matmul.ref");
    rig_close(&r);
}

// ---- the hash ----

static uint64_t hash_with(const char *set)
{
    rig r;
    open_model(&r, "collet: 1\n", set, NULL);
    collet_plan *p = select_plan(&r), *again = select_plan(&r);
    uint64_t hash = collet_plan_hash(p);
    assert_true(hash == collet_plan_hash(again));
    collet_plan_destroy(p);
    collet_plan_destroy(again);
    rig_close(&r);
    return hash;
}

static void test_plan__equal_plans_have_equal_hashes_and_others_others(void **state)
{
    (void)state;
    const uint64_t hash = hash_with(NULL);
    assert_true(hash == hash_with("slots.matmul=cpu.matmul.ref")); // the same modules, asked for by name
    assert_true(hash != hash_with("slots.matmul=pick.a"));
    assert_true(hash != hash_with("options.kv.contiguous.dtype=f32"));
}

// ---- modules that do not keep their word ----

static void test_plan__a_packed_layout_of_an_activation_is_a_defect(void **state)
{
    (void)state;
    rig r;
    picky_how = PICKY_PACKS_ACTIVATIONS;
    open_model(&r, "collet: 1\n", "slots.matmul=picky.matmul", NULL);
    select_fails(&r, COLLET_E_ABI);
    assert_holds(r.err.msg, "picky.matmul: supports() of matmul asks for a packed layout of input 0");
    rig_close(&r);
}

static void test_plan__a_create_that_fails_is_named_with_op_and_layer(void **state)
{
    (void)state;
    rig r;
    picky_how = PICKY_CREATE_FAILS;
    open_model(&r, "collet: 1\nslots:\n  matmul:\n    - { layers: 1, use: picky.matmul }\n", NULL, NULL);
    bind_fails(&r, COLLET_E_UNSUPPORTED);
    assert_holds(r.err.msg, "picky.matmul: matmul of layer 1: out of screws");
    rig_close(&r);
    open_model(&r, "collet: 1\nslots:\n  matmul:\n    - { tensor: token_embd.weight, use: picky.matmul }\n", NULL,
               NULL);
    bind_fails(&r, COLLET_E_UNSUPPORTED);
    assert_holds(r.err.msg, "picky.matmul: matmul of token_embd.weight: out of screws"); // outside the layers
    rig_close(&r);
}

static void test_plan__a_failed_packing_is_named_and_made_again_by_the_next_plan(void **state)
{
    (void)state;
    rig r;
    picky_how = PICKY_PACK_FAILS;
    open_model(&r, "collet: 1\nslots:\n  matmul:\n    - { tensor: blk.1.ffn_up.weight, use: picky.matmul }\n", NULL,
               NULL);
    bind_fails(&r, COLLET_E_NOMEM);
    assert_holds(r.err.msg, "picky.matmul: packing blk.1.ffn_up.weight: the shelf is full");
    picky_how = PICKY_PACKS;
    picky_n_packed = 0;
    collet_plan *p = select_plan(&r);
    assert_int_equal(collet_plan_bind(p, &r.err), COLLET_OK);
    assert_true(picky_n_packed > 0);
    picky_n_packed = 0;
    collet_plan *second = select_plan(&r);
    assert_int_equal(collet_plan_bind(second, &r.err), COLLET_OK);
    assert_int_equal(picky_n_packed, 0); // what is packed is shared
    collet_plan_destroy(p);
    collet_plan_destroy(second);
    rig_close(&r);
}

// ---- memory ----

static uint64_t bytes_of(collet_runtime *rt, const char *tag)
{
    collet_memory_row rows[64];
    const size_t n = collet_runtime_memory(rt, rows, COLLET_COUNT(rows));
    uint64_t n_bytes = 0;
    for (size_t i = 0; i < n; i++)
        if (strstr(rows[i].tag, tag))
            n_bytes += rows[i].n_bytes;
    return n_bytes;
}

// The embedding reads the rows that the output matrix packed: no second copy in the file's order. Same logits as from
// one that does, because embedding and packing lose nothing: test_ops, test_matmul_pack.
static void test_plan__an_embedding_that_is_the_output_too_is_held_once(void **state)
{
    (void)state;
    const char *const ops[] = { "slots.ops=any", "slots.ops={ op: embed, use: cpu.ops.ref }" };
    uint64_t quantized[2];
    collet_isa isa;
    collet_isa_probe(&isa);
    rig_need(LLAMA);
    if (!(isa.mask & COLLET_ISA_AVX2)) {
        fprintf(stderr, "skipped: this machine does not offer avx2\n");
        skip();
    }
    for (int i = 0; i < 2; i++) {
        const rig_opts opts = { .model = LLAMA, .plugins = true, .sets = { "engine.threads=1", "isq=q8_0", ops[i] } };
        rig r;
        if (rig_open(&r, &opts) != COLLET_OK)
            fail_msg("%s", r.err.msg);
        quantized[i] = bytes_of(r.runtime, "weights, quantized");
        rig_close(&r);
    }
    assert_int_equal(quantized[0], 0);
    assert_true(quantized[1] > 0); // the plain module reads the file's order only
}

static void bind_plan(rig *r, collet_plan **p)
{
    *p = select_plan(r);
    if (collet_plan_bind(*p, &r->err) != COLLET_OK)
        fail_msg("%s", r->err.msg);
}

// Foretold without memory, and nothing of it stays in the model: the next plan makes its weights.
static void test_plan__an_estimate_is_what_bind_allocates_and_leaves_nothing(void **state)
{
    (void)state;
    const char *const isq[] = { "isq=none", "isq=q8_0" };
    for (int i = 0; i < 2; i++) {
        rig r;
        const collet_plan_memory_row *rows = NULL;
        collet_weight_memory foretold[16], weights[16];
        size_t n = 0;
        uint64_t loading = 0;
        picky_how = PICKY_PACKS;
        open_model(&r, "collet: 1\nslots:\n  matmul:\n    - { layers: 1, use: picky.matmul }\n", isq[i], NULL);
        collet_plan *estimated = select_plan(&r), *p = NULL;
        picky_n_packed = 0;
        assert_int_equal(collet_plan_estimate(estimated, &rows, &n, &loading, &r.err), COLLET_OK);
        assert_int_equal(picky_n_packed, 0);
        assert_int_equal(bytes_of(r.runtime, ""), 0);
        const size_t n_foretold = collet_model_memory(r.model, foretold, COLLET_COUNT(foretold));
        assert_true(n >= 4 && n_foretold >= 2 && loading > 0);
        collet_plan_memory_row copy[16];
        memcpy(copy, rows, n * sizeof *rows);
        collet_plan_destroy(estimated);
        assert_int_equal(collet_model_memory(r.model, weights, COLLET_COUNT(weights)), 0);

        bind_plan(&r, &p);
        assert_true(picky_n_packed > 0);
        uint64_t n_weights = 0;
        assert_int_equal(collet_model_memory(r.model, weights, COLLET_COUNT(weights)), n_foretold);
        for (size_t k = 0; k < n_foretold; k++) {
            assert_string_equal(weights[k].format, foretold[k].format);
            assert_string_equal(weights[k].how, foretold[k].how);
            assert_int_equal(weights[k].n_bytes, foretold[k].n_bytes);
            assert_int_equal(weights[k].n_tensors, foretold[k].n_tensors);
            n_weights += strcmp(weights[k].how, "mapped") == 0 ? 0 : weights[k].n_bytes;
        }
        assert_int_equal(bytes_of(r.runtime, "weights"), n_weights);
        for (size_t k = 0; k < n; k++)
            assert_int_equal(bytes_of(r.runtime, copy[k].tag), copy[k].n_bytes);
        collet_plan_destroy(p);
        rig_close(&r);
    }
}

// ---- memory of a device ----

static void test_plan__a_device_without_memory_says_what_to_lower(void **state)
{
    (void)state;
    const rig_opts opts = { .model = LLAMA, .sets = { "engine.threads=2" }, .extra = { &poor_plugin } };
    rig r;
    rig_need(LLAMA);
    for (poor_bytes_max = 0; poor_bytes_max < 1 << 22; poor_bytes_max = poor_bytes_max * 4 + 256) {
        collet_status st = rig_open(&r, &opts);
        if (st != COLLET_OK) {
            assert_int_equal(st, COLLET_E_NOMEM);
            assert_holds(r.err.msg, "lower engine.context or engine.max_requests");
        }
        rig_close(&r);
    }
    assert_int_equal(rig_open(&r, &opts), COLLET_OK);
    assert_string_equal(collet_plan_device_choice(collet_engine_plan(r.engine))->module->info->id, "poor.device");
    rig_close(&r);
    poor_bytes_max = 300000; // all but the cache
    assert_int_equal(rig_open(&r, &opts), COLLET_E_NOMEM);
    assert_holds(r.err.msg, "kv cache");
    rig_close(&r);
}

#define TEST(name) cmocka_unit_test(test_plan__##name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rules_match_by_format_phase_layer_and_tensor_first_match_wins),
        TEST(a_refusal_falls_back_with_one_warning_for_the_rule),
        TEST(fallback_error_fails_with_every_reason),
        TEST(an_unknown_module_is_named_with_the_nearest),
        TEST(a_fused_op_and_its_parts_give_the_same),
        TEST(named_modules_without_the_fused_op_take_it_apart_silently),
        TEST(weights_are_grouped_unless_a_rule_wants_one_of_them_elsewhere),
        TEST(an_unknown_module_for_a_fused_op_is_an_error),
        TEST(equal_plans_have_equal_hashes_and_others_others),
        TEST(a_packed_layout_of_an_activation_is_a_defect),
        TEST(a_create_that_fails_is_named_with_op_and_layer),
        TEST(a_failed_packing_is_named_and_made_again_by_the_next_plan),
        TEST(an_embedding_that_is_the_output_too_is_held_once),
        TEST(an_estimate_is_what_bind_allocates_and_leaves_nothing),
        TEST(a_device_without_memory_says_what_to_lower),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
