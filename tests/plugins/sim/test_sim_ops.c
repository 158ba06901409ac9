// SPDX-License-Identifier: Apache-2.0
// tests/plugins/sim/test_sim_ops.c - ops on the simulated device: the reference's results, later, and only with
// addresses, shapes and plans that a real device could have used.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/common/ref_attention.h"
#include "plugins/common/ref_matmul.h"
#include "plugins/common/ref_ops.h"
#include "plugins/reference/reference.h"
#include "tests/plugins/sim/sim_fixture.h"

// One op, its tensors in device memory, with the workspace and both sides of the plan.
typedef struct sim_call {
    sim_fixture *f;
    const collet_module *module;
    const collet_op_vt *vt;
    void *mod, *inst;
    collet_op_desc desc;
    collet_tensor in[COLLET_OP_TENSORS_MAX], out[COLLET_OP_TENSORS_MAX];
    const collet_tensor *in_list[COLLET_OP_TENSORS_MAX], *out_list[COLLET_OP_TENSORS_MAX];
    void *ws, *plan_device;
    uint64_t ws_bytes, plan_bytes;
    uint8_t plan_host[256];
} sim_call;

static void call_begin(sim_call *c, sim_fixture *f, const collet_module *module, const char *op, const void *params)
{
    memset(c, 0, sizeof *c);
    c->f = f;
    c->module = module;
    c->vt = module->vt;
    c->desc = (collet_op_desc){ .size = sizeof c->desc,
                                .op = f->h.host.intern(f->h.host.self, op),
                                .phase = COLLET_PHASE_DECODE,
                                .layer = 3,
                                .n_layers = 4,
                                .in = c->in_list,
                                .out = c->out_list,
                                .params = params };
    assert_int_equal(module->open(&f->h.host, NULL, 0, &c->mod, NULL), COLLET_OK);
}

static collet_tensor tensor(sim_call *c, const char *format, uint32_t n_dims, const int64_t *shape, const void *from,
                            size_t n_bytes)
{
    collet_tensor t = collet_test_tensor(&c->f->h, format, sim_put(c->f, from, n_bytes), n_dims, shape);
    t.domain = c->f->h.host.intern(c->f->h.host.self, "sim");
    t.n_bytes = n_bytes;
    return t;
}

static void call_in(sim_call *c, const char *format, uint32_t n_dims, const int64_t *shape, const void *from,
                    size_t n_bytes)
{
    const uint32_t i = c->desc.n_in++;
    c->in[i] = tensor(c, format, n_dims, shape, from, n_bytes);
    c->in_list[i] = &c->in[i];
}

static void call_out(sim_call *c, const char *format, uint32_t n_dims, const int64_t *shape, size_t n_bytes)
{
    const uint32_t i = c->desc.n_out++;
    c->out[i] = tensor(c, format, n_dims, shape, NULL, n_bytes);
    c->out_list[i] = &c->out[i];
}

static void call_bind(sim_call *c)
{
    collet_op_caps caps = { .size = sizeof caps };
    assert_int_equal(c->vt->supports(c->mod, &c->desc, &caps), COLLET_OK);
    assert_int_equal(caps.capture, COLLET_CAPTURE_UNIFORM);
    assert_int_equal(c->vt->create(c->mod, &c->desc, &c->inst, NULL), COLLET_OK);
    assert_int_equal(c->vt->prepare(c->inst, &c->desc, &c->ws_bytes, &c->plan_bytes, NULL), COLLET_OK);
    assert_true(c->plan_bytes <= sizeof c->plan_host);
    c->ws = c->ws_bytes ? sim_put(c->f, NULL, c->ws_bytes) : NULL;
    c->plan_device = c->plan_bytes ? sim_put(c->f, NULL, c->plan_bytes) : NULL;
}

static collet_frame frame_of(sim_call *c)
{
    return (collet_frame){ .size = sizeof(collet_frame),
                           .n_in = c->desc.n_in,
                           .n_out = c->desc.n_out,
                           .queue = c->f->q,
                           .in = c->in_list,
                           .out = c->out_list,
                           .ws = c->ws,
                           .plan = c->plan_device,
                           .ws_bytes = c->ws_bytes,
                           .plan_bytes = c->plan_bytes };
}

// The frame and the views die before the op runs, as those of a captured step do.
static void call_run(sim_call *c)
{
    collet_frame frame = frame_of(c);
    collet_tensor in[COLLET_OP_TENSORS_MAX], out[COLLET_OP_TENSORS_MAX];
    memcpy(in, c->in, sizeof in);
    memcpy(out, c->out, sizeof out);
    assert_int_equal(c->vt->run(c->inst, &frame), COLLET_OK);
    memset(&frame, 0xee, sizeof frame);
    memset(c->in, 0xee, sizeof c->in);
    memset(c->out, 0xee, sizeof c->out);
    memcpy(c->in, in, sizeof in);
    memcpy(c->out, out, sizeof out);
}

static void release(sim_call *c, void *data)
{
    c->f->vt->mem_free(c->f->dev, 0, data, 1);
}

static void call_end(sim_call *c)
{
    for (uint32_t i = 0; i < c->desc.n_in; i++)
        release(c, c->in[i].data);
    for (uint32_t i = 0; i < c->desc.n_out; i++)
        release(c, c->out[i].data);
    release(c, c->ws);
    release(c, c->plan_device);
    c->vt->destroy(c->inst);
    c->module->close(c->mod);
    sim_assert_sync_succeeds(c->f);
}

static int begin(void **state)
{
    static sim_fixture f;
    sim_begin(&f);
    *state = &f;
    return 0;
}

static int end(void **state)
{
    sim_end(*state);
    return 0;
}

// ---- results ----

enum { ROWS = 3, DIM = 7 };

static const collet_norm_params norm = { .size = sizeof norm, .eps = 1e-5f };

static void begin_norm(sim_call *c, sim_fixture *f, float x[ROWS * DIM], float w[DIM])
{
    uint64_t seed = 4;
    for (int i = 0; i < ROWS * DIM; i++)
        x[i] = collet_test_random(&seed);
    for (int i = 0; i < DIM; i++)
        w[i] = collet_test_random(&seed);
    call_begin(c, f, &collet_sim_ops, "rmsnorm", &norm);
    call_in(c, "f32", 2, (int64_t[]){ ROWS, DIM }, x, ROWS * DIM * sizeof *x);
    call_in(c, "f32", 1, (int64_t[]){ DIM }, w, DIM * sizeof *w);
    call_out(c, "f32", 2, (int64_t[]){ ROWS, DIM }, ROWS * DIM * sizeof *x);
}

static void test_sim_ops__give_the_references_bits(void **state)
{
    sim_fixture *f = *state;
    float x[ROWS * DIM], w[DIM], want[ROWS * DIM], got[ROWS * DIM];
    sim_call c;
    begin_norm(&c, f, x, w);
    call_bind(&c);
    call_run(&c);
    sim_get(f, got, c.out[0].data, sizeof got);
    collet_ref_rmsnorm(want, x, w, DIM, norm.eps, 0, ROWS);
    assert_memory_equal(got, want, sizeof got);
    call_end(&c);
}

static void test_sim_ops__matmul_decodes_weights_that_are_on_the_device(void **state)
{
    enum { N_IN = 64, N_OUT = 5, TOKENS = 2 };
    sim_fixture *f = *state;
    const collet_format *format = collet_format_find("q8_0");
    const collet_matmul_params params = { .size = sizeof params, .tensor = "output.weight" };
    float x[TOKENS * N_IN], weights[N_OUT * N_IN], want[TOKENS * N_OUT], got[TOKENS * N_OUT], row[N_IN];
    uint8_t blocks[N_OUT * 2 * 34];
    uint64_t seed = 8;
    for (int i = 0; i < TOKENS * N_IN; i++)
        x[i] = collet_test_random(&seed);
    for (int i = 0; i < N_OUT * N_IN; i++)
        weights[i] = collet_test_random(&seed);
    format->quantize(weights, blocks, N_OUT * N_IN, NULL);

    sim_call c;
    call_begin(&c, f, &collet_sim_matmul, COLLET_OP_MATMUL, &params);
    call_in(&c, "f32", 2, (int64_t[]){ TOKENS, N_IN }, x, sizeof x);
    call_in(&c, "q8_0", 2, (int64_t[]){ N_OUT, N_IN }, blocks, sizeof blocks);
    c.in[1].stride[0] = 2 * 34;
    c.in[1].stride[1] = 0;
    call_out(&c, "f32", 2, (int64_t[]){ TOKENS, N_OUT }, sizeof got);
    call_bind(&c);
    call_run(&c);
    sim_get(f, got, c.out[0].data, sizeof got);
    const collet_ref_matmul_args args = { .x = x,
                                          .w = blocks,
                                          .y = want,
                                          .format = format,
                                          .n_tokens = TOKENS,
                                          .n_in = N_IN,
                                          .x_stride = N_IN,
                                          .y_stride = N_OUT,
                                          .w_row_bytes = 2 * 34 };
    collet_ref_matmul(&args, row, 0, N_OUT);
    assert_memory_equal(got, want, sizeof got);
    call_end(&c);
}

static void test_sim_ops__run_when_the_queue_comes_to_them(void **state)
{
    sim_fixture *f = *state;
    float x[ROWS * DIM], w[DIM], want[ROWS * DIM], got[ROWS * DIM];
    sim_call c;
    begin_norm(&c, f, x, w);
    call_bind(&c);
    sim_close_gate(f);
    assert_int_equal(f->vt->copy(f->dev, f->q, COLLET_COPY_TO_DEVICE, c.in[0].data, x, sizeof x, NULL), COLLET_OK);
    call_run(&c);
    for (int i = 0; i < ROWS * DIM; i++)
        x[i] *= 3.0f; // before the copy has run, so the op sees it
    sim_open_gate(f);
    sim_get(f, got, c.out[0].data, sizeof got);
    collet_ref_rmsnorm(want, x, w, DIM, norm.eps, 0, ROWS);
    assert_memory_equal(got, want, sizeof got);
    call_end(&c);
}

// ---- addresses ----

static void test_sim_ops__host_memory_in_a_frame_is_named(void **state)
{
    sim_fixture *f = *state;
    float x[ROWS * DIM], w[DIM];
    sim_call c;
    begin_norm(&c, f, x, w);
    call_bind(&c);
    void *device = c.in[1].data;
    c.in[1].data = w;
    call_run(&c);
    sim_assert_sync_fails(f, "rmsnorm of layer 3: in[1]", "is host memory");
    c.in[1].data = device;
    device = c.out[0].data;
    c.out[0].data = x;
    call_run(&c);
    sim_assert_sync_fails(f, "rmsnorm of layer 3: out[0]", "is host memory");
    c.out[0].data = device;
    call_end(&c);
}

static void test_sim_ops__a_shape_beyond_its_memory_is_named(void **state)
{
    sim_fixture *f = *state;
    float x[ROWS * DIM], w[DIM];
    sim_call c;
    begin_norm(&c, f, x, w);
    call_bind(&c);
    c.out[0].shape[0] = ROWS + 1; // n_bytes still says ROWS
    call_run(&c);
    sim_assert_sync_fails(f, "rmsnorm of layer 3: out[0]", "not within an allocation");
    c.out[0].shape[0] = ROWS;
    call_end(&c);
}

static void test_sim_ops__other_domains_are_refused(void **state)
{
    sim_fixture *f = *state;
    float x[ROWS * DIM], w[DIM];
    sim_call c;
    begin_norm(&c, f, x, w);
    collet_op_caps caps = { .size = sizeof caps };
    c.in[1].domain = f->h.host.intern(f->h.host.self, "cpu");
    assert_int_equal(c.vt->supports(c.mod, &c.desc, &caps), COLLET_E_UNSUPPORTED);
    assert_string_equal(caps.why, "tensor 1 is not in the domain sim");
    call_end(&c);
}

// ---- attention: plans and replay ----

enum { SEQS = 2, TOKENS = 2, HEADS = 2, HEAD_DIM = 4, CONTEXT = 6, STORE = SEQS * CONTEXT * HEAD_DIM };

typedef struct attention_data {
    float q[TOKENS * HEADS * HEAD_DIM], k[STORE], v[STORE];
    int32_t q_start[SEQS + 1], kv_len[SEQS], table[SEQS];
} attention_data;

static const collet_attention_params heads = {
    .size = sizeof heads, .n_heads = HEADS, .n_kv_heads = 1, .head_dim = HEAD_DIM, .scale = 0.5f, .context_max = CONTEXT
};

static attention_data attention_make(void)
{
    attention_data d = { .q_start = { 0, 1, 2 }, .kv_len = { 3, 5 }, .table = { 1, 0 } };
    uint64_t seed = 21;
    for (size_t i = 0; i < COLLET_COUNT(d.q); i++)
        d.q[i] = collet_test_random(&seed);
    for (size_t i = 0; i < STORE; i++) {
        d.k[i] = collet_test_random(&seed);
        d.v[i] = collet_test_random(&seed);
    }
    return d;
}

static void begin_attention(sim_call *c, sim_fixture *f, const attention_data *d)
{
    call_begin(c, f, &collet_sim_attention, COLLET_OP_ATTENTION, &heads);
    const int64_t store[] = { SEQS, 1, CONTEXT, HEAD_DIM }, tokens[] = { TOKENS, HEADS, HEAD_DIM };
    call_in(c, "f32", 3, tokens, d->q, sizeof d->q);
    call_in(c, "f32", 4, store, d->k, sizeof d->k);
    call_in(c, "f32", 4, store, d->v, sizeof d->v);
    c->in[1].layout = c->in[2].layout = f->h.host.intern(f->h.host.self, "kv.contiguous");
    call_in(c, "i32", 1, (int64_t[]){ SEQS + 1 }, d->q_start, sizeof d->q_start);
    call_in(c, "i32", 1, (int64_t[]){ SEQS }, d->kv_len, sizeof d->kv_len);
    call_in(c, "i32", 2, (int64_t[]){ SEQS, 1 }, d->table, sizeof d->table);
    call_out(c, "f32", 3, tokens, sizeof d->q);
    call_bind(c);
    assert_true(c->plan_bytes > 0);
}

// plan() on the host, and the copies that precede a step: the plan's only if `sent`.
static void send_step(sim_call *c, const attention_data *d, bool sent)
{
    sim_fixture *f = c->f;
    const collet_step_meta meta = { .size = sizeof meta,
                                    .n_tokens = TOKENS,
                                    .n_seqs = SEQS,
                                    .n_blocks_max = 1,
                                    .q_start = d->q_start,
                                    .kv_len = d->kv_len,
                                    .block_table = d->table };
    collet_frame frame = frame_of(c);
    frame.plan = c->plan_host;
    assert_int_equal(c->vt->plan(c->inst, &frame, &meta), COLLET_OK);
    const collet_device_vt *vt = f->vt;
    assert_int_equal(vt->copy(f->dev, f->q, COLLET_COPY_TO_DEVICE, c->in[4].data, d->kv_len, sizeof d->kv_len, NULL),
                     COLLET_OK);
    if (sent)
        assert_int_equal(
            vt->copy(f->dev, f->q, COLLET_COPY_TO_DEVICE, c->plan_device, c->plan_host, c->plan_bytes, NULL),
            COLLET_OK);
}

static void assert_attended(sim_call *c, attention_data *d)
{
    float want[TOKENS * HEADS * HEAD_DIM], got[TOKENS * HEADS * HEAD_DIM];
    double scores[CONTEXT];
    const collet_ref_store k = { .data = d->k, .n_kv_heads = 1, .block_tokens = CONTEXT, .head_dim = HEAD_DIM };
    collet_ref_store v = k;
    v.data = d->v;
    const collet_ref_attention_args args = { .q = d->q,
                                             .out = want,
                                             .k = k,
                                             .v = v,
                                             .q_start = d->q_start,
                                             .kv_len = d->kv_len,
                                             .block_table = d->table,
                                             .n_seqs = SEQS,
                                             .n_blocks_max = 1,
                                             .n_heads = HEADS,
                                             .scale = heads.scale };
    for (uint32_t t = 0; t < TOKENS; t++)
        for (uint32_t h = 0; h < HEADS; h++)
            collet_ref_attention(&args, scores, t, h);
    sim_get(c->f, got, c->out[0].data, sizeof got);
    assert_memory_equal(got, want, sizeof got);
}

static void test_sim_ops__attention_reads_its_plan_on_the_device(void **state)
{
    sim_fixture *f = *state;
    attention_data d = attention_make();
    sim_call c;
    begin_attention(&c, f, &d);
    send_step(&c, &d, true);
    call_run(&c);
    assert_attended(&c, &d);
    call_end(&c);
}

static void test_sim_ops__a_plan_of_another_step_is_an_error(void **state)
{
    sim_fixture *f = *state;
    attention_data d = attention_make();
    sim_call c;
    begin_attention(&c, f, &d);
    send_step(&c, &d, false); // never sent
    call_run(&c);
    sim_assert_sync_fails(f, "attention of layer 3", "plan on the device is not this step's");
    send_step(&c, &d, true);
    call_run(&c);
    sim_assert_sync_succeeds(f);
    d.kv_len[0]++;
    send_step(&c, &d, false); // the last step's
    call_run(&c);
    sim_assert_sync_fails(f, "attention of layer 3", "plan on the device is not this step's");
    void *device = c.plan_device;
    c.plan_device = c.plan_host;
    call_run(&c);
    sim_assert_sync_fails(f, "attention of layer 3: plan", "is host memory");
    c.plan_device = device;
    call_end(&c);
}

static void test_sim_ops__replay_follows_contents_and_plan(void **state)
{
    sim_fixture *f = *state;
    attention_data d = attention_make();
    sim_call c;
    begin_attention(&c, f, &d);
    void *graph = NULL;
    assert_int_equal(f->vt->capture_begin(f->dev, f->q, NULL), COLLET_OK);
    call_run(&c);
    assert_int_equal(f->vt->capture_end(f->dev, f->q, &graph, NULL), COLLET_OK);
    for (int32_t n = 1; n <= CONTEXT; n++) {
        d.kv_len[0] = n;
        d.kv_len[1] = CONTEXT + 1 - n;
        send_step(&c, &d, true);
        assert_int_equal(f->vt->graph_launch(f->dev, f->q, graph, NULL), COLLET_OK);
        assert_attended(&c, &d);
    }
    d.kv_len[0] = 2;
    send_step(&c, &d, false);
    assert_int_equal(f->vt->graph_launch(f->dev, f->q, graph, NULL), COLLET_OK);
    sim_assert_sync_fails(f, "attention of layer 3", "plan on the device is not this step's");
    f->vt->graph_destroy(f->dev, graph);
    call_end(&c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_sim_ops__##name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(give_the_references_bits),
        TEST(matmul_decodes_weights_that_are_on_the_device),
        TEST(run_when_the_queue_comes_to_them),
        TEST(host_memory_in_a_frame_is_named),
        TEST(a_shape_beyond_its_memory_is_named),
        TEST(other_domains_are_refused),
        TEST(attention_reads_its_plan_on_the_device),
        TEST(a_plan_of_another_step_is_an_error),
        TEST(replay_follows_contents_and_plan),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
