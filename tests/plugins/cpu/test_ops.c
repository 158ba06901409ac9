// SPDX-License-Identifier: Apache-2.0
// tests/plugins/cpu/test_ops.c - each kernel between the matmuls against its op in double; includes ops_kernels.inc to
// make one named test per line.
//
// It is longer than 600 lines: what each op's reference in double needs, one after the other.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/common/ref_ops.h"
#include "plugins/cpu/ops/ops.h"
#include "tests/support/guard.h"
#include "tests/support/test_host.h"

// ---- one case: every tensor of the op, between guard pages, y and h NaN ----

typedef struct ops_shape {
    uint32_t rows, n_heads, n, gap; // gap: elements between rows that belong to somebody else
    bool in_place;
} ops_shape;

typedef struct ops_case {
    collet_cpu_ops_args args;
    collet_guard x, b, w, y, h, index, table, panel;
    float *want_y, *want_h; // dense (rows, heads, n)
    const collet_format *format;
} ops_case;

enum { VOCAB = 5 };

static collet_guard floats(size_t n, uint64_t *seed, float scale)
{
    collet_guard g = collet_guard_make(n * sizeof(float));
    for (size_t i = 0; i < n; i++)
        ((float *)g.data)[i] = scale == 0.0f ? NAN : scale * collet_test_random(seed);
    return g;
}

static size_t span(const ops_shape *s)
{
    return (size_t)(s->rows - 1) * (s->n_heads * s->n + s->gap) + (size_t)s->n_heads * s->n;
}

// The same table in panels of eight rows, as cpu.matmul packs them.
static void pack_table(ops_case *c, const ops_shape *s)
{
    const collet_cpu_packing *p = collet_cpu_packing_find(c->format->name);
    const uint32_t n_blocks = s->n / p->block_elems;
    c->args.packing = p;
    c->args.unpack = collet_cpu_unpack_find(c->format->name);
    c->args.table_row = (size_t)n_blocks * p->record_bytes;
    c->panel = collet_guard_make(c->args.table_row); // VOCAB rows are one panel
    for (uint32_t b = 0; b < n_blocks; b++) {
        const uint8_t *rows[R8_ROWS] = { 0 };
        for (uint32_t r = 0; r < VOCAB; r++)
            rows[r] = (const uint8_t *)c->table.data + ((size_t)r * n_blocks + b) * p->block_bytes;
        p->pack((uint8_t *)c->panel.data + (size_t)b * p->record_bytes, rows);
    }
    c->args.table = c->panel.data;
}

static void fill_table(ops_case *c, const ops_shape *s, uint64_t *seed)
{
    c->args.table_row = (size_t)s->n / c->format->block_elems * c->format->block_bytes;
    c->table = collet_guard_make(VOCAB * c->args.table_row);
    uint8_t *bytes = c->table.data;
    for (size_t i = 0; i < VOCAB * c->args.table_row; i++)
        bytes[i] = (uint8_t)fabsf(60.0f * collet_test_random(seed)); // small exponents: no infinity in any format
    c->args.table = bytes;
    c->args.decode = c->format->dequantize;
}

static ops_case case_make(const char *op, const ops_shape *s, const collet_format *format)
{
    uint64_t seed = 7 + s->n + 31 * s->rows;
    ops_case c = { .format = format };
    const bool rope = strcmp(op, "rope") == 0;
    const size_t row = (size_t)s->n_heads * s->n + s->gap;
    c.x = floats(span(s), &seed, 3.0f);
    c.b = floats(span(s), &seed, 2.0f);
    c.w = floats(s->n, &seed, 1.5f);
    c.y = floats(span(s), &seed, 0.0f);
    c.h = floats(span(s), &seed, 0.0f);
    c.index = collet_guard_make(s->rows * sizeof(int32_t));
    for (uint32_t r = 0; r < s->rows; r++)
        ((int32_t *)c.index.data)[r] = rope ? (int32_t)(r * 30011) : (int32_t)(s->rows - 1 - r) % VOCAB;
    c.args = (collet_cpu_ops_args){
        .y = s->in_place ? c.x.data : c.y.data,
        .h = c.h.data,
        .x = c.x.data,
        .b = c.b.data,
        .w = c.w.data,
        .index = c.index.data,
        .x_row = row,
        .b_row = row,
        .y_row = row,
        .h_row = row,
        .x_head = s->n,
        .y_head = s->n,
        .n_heads = s->n_heads,
        .n = s->n,
        .eps = 1e-6f,
        .scale = 1.25f,
        .cap = 2.5f,
    };
    if (rope)
        for (uint32_t i = 0; i < s->n / 2; i++)
            ((float *)c.w.data)[i] = powf(10000.0f, -2.0f * (float)i / (float)s->n);
    if (format)
        fill_table(&c, s, &seed);
    if (strcmp(op, "embed_r8") == 0)
        pack_table(&c, s);
    c.want_y = calloc((size_t)s->rows * s->n_heads * s->n, sizeof(float));
    c.want_h = calloc((size_t)s->rows * s->n_heads * s->n, sizeof(float));
    assert_non_null(c.want_y);
    assert_non_null(c.want_h);
    return c;
}

static void case_free(ops_case *c)
{
    collet_guard *all[] = { &c->x, &c->b, &c->w, &c->y, &c->h, &c->index, &c->table, &c->panel };
    for (size_t i = 0; i < COLLET_COUNT(all); i++)
        collet_guard_free(all[i]); // accepts a zeroed one
    free(c->want_y);
    free(c->want_h);
}

// ---- the twins, a row at a time ----

static void want_row(float *y, float *h, const char *op, const ops_case *c, const float *x, const float *b,
                     int32_t index)
{
    const collet_cpu_ops_args *a = &c->args;
    const collet_ref_rope_args rope = { .y = y,
                                        .x = x,
                                        .freq = a->w,
                                        .positions = &index,
                                        .n_heads = 1,
                                        .head_dim = a->n,
                                        .n_rot = a->n_rot,
                                        .pairs = a->pairs,
                                        .mscale = a->scale };
    const size_t table_row = c->format ? (size_t)a->n / c->format->block_elems * c->format->block_bytes : 0;
    if (strncmp(op, "embed", 5) == 0)
        collet_ref_embed(y, &index, c->table.data, c->format, table_row, a->n, a->scale, 0, 1);
    else if (strcmp(op, "rmsnorm") == 0)
        collet_ref_rmsnorm(y, x, a->w, a->n, a->eps, 0, 1);
    else if (strcmp(op, "rope") == 0)
        collet_ref_rope(&rope, 0, 1);
    else if (strcmp(op, "silu_mul") == 0)
        collet_ref_silu_mul(y, x, b, 0, a->n);
    else if (strcmp(op, "gelu_mul") == 0)
        collet_ref_gelu_mul(y, x, b, 0, a->n);
    else if (strcmp(op, "softcap") == 0)
        collet_ref_softcap(y, x, a->cap, 0, a->n);
    else if (strcmp(op, "take_rows") == 0)
        memcpy(y, x, a->n * sizeof(float));
    else // add, add_rmsnorm
        collet_ref_add(y, x, b, 0, a->n);
    if (strcmp(op, "add_rmsnorm") == 0)
        collet_ref_rmsnorm(h, y, a->w, a->n, a->eps, 0, 1);
}

static void case_want(ops_case *c, const char *op, const ops_shape *s)
{
    for (uint32_t r = 0; r < s->rows; r++)
        for (uint32_t h = 0; h < s->n_heads; h++) {
            const int32_t index = ((const int32_t *)c->index.data)[r];
            const size_t at = ((size_t)r * s->n_heads + h) * s->n;
            const bool take = strcmp(op, "take_rows") == 0;
            const float *x = c->args.x + (take ? (size_t)index : r) * c->args.x_row + h * c->args.x_head;
            want_row(c->want_y + at, c->want_h + at, op, c, x, c->args.b + r * c->args.b_row, index);
        }
}

static void check_output(const float *got, const float *want, const ops_shape *s, double tolerance, const char *what)
{
    for (uint32_t r = 0; r < s->rows; r++) {
        for (uint32_t i = 0; i < s->n_heads * s->n; i++) {
            const double w = want[(size_t)r * s->n_heads * s->n + i], g = got[r * (s->n_heads * s->n + s->gap) + i];
            if (!(fabs(g - w) <= tolerance * fmax(1.0, fabs(w))))
                fail_msg("%s[%u][%u] of (%u, %u, %u): %.9g, not %.9g", what, r, i, s->rows, s->n_heads, s->n, g, w);
        }
        for (uint32_t i = 0; i < s->gap && r + 1 < s->rows; i++)
            assert_true(isnan(got[r * (s->n_heads * s->n + s->gap) + s->n_heads * s->n + i]));
    }
}

static double tolerance_of(const char *op)
{
    if (strncmp(op, "embed", 5) == 0 || strcmp(op, "take_rows") == 0 || strcmp(op, "add") == 0)
        return 6.0e-8; // one rounding
    return strcmp(op, "gelu_mul") == 0 ? 2e-6 : 1e-6;
}

static void run_case(const collet_cpu_ops_kernel *k, const ops_shape *s, const collet_format *format, uint32_t n_rot,
                     uint32_t pairs)
{
    ops_case c = case_make(k->op, s, format);
    c.args.n_rot = n_rot;
    c.args.pairs = pairs;
    case_want(&c, k->op, s);
    if (s->in_place) // the gaps of x must survive like those of y
        for (uint32_t r = 0; r + 1 < s->rows; r++)
            for (uint32_t i = 0; i < s->gap; i++)
                c.args.y[r * c.args.y_row + s->n_heads * s->n + i] = NAN;
    const uint32_t middle = s->rows / 2; // two ranges: as if two workers had been there
    k->run(&c.args, middle, s->rows);
    k->run(&c.args, 0, middle);
    check_output(c.args.y, c.want_y, s, tolerance_of(k->op), "y");
    if (strcmp(k->op, "add_rmsnorm") == 0)
        check_output(c.args.h, c.want_h, s, tolerance_of(k->op), "h");
    case_free(&c);
}

static bool has_heads(const char *op)
{
    return strcmp(op, "rmsnorm") == 0 || strcmp(op, "rope") == 0;
}

static bool machine_has(uint32_t isa)
{
    collet_isa here;
    collet_isa_probe(&here);
    if (!(here.mask & isa))
        fprintf(stderr, "skipped: this machine does not offer %s\n", collet_isa_name(isa));
    return (here.mask & isa) != 0;
}

static const collet_cpu_ops_kernel *usable_kernel(void **state)
{
    const collet_cpu_ops_kernel *k = *state;
    if (!machine_has(k->isa))
        skip();
    return k;
}

static void test_ops__kernel_agrees_with_its_reference(void **state)
{
    const collet_cpu_ops_kernel *k = usable_kernel(state);
    static const uint32_t lengths[] = { 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 96, 100, 256, 576, 640, 1537 };
    for (size_t i = 0; i < COLLET_COUNT(lengths); i++)
        for (uint32_t variant = 0; variant < 8; variant++) {
            ops_shape s = { .rows = variant & 1 ? 3 : 1,
                            .n_heads = variant & 2 && has_heads(k->op) ? 3 : 1,
                            .n = lengths[i],
                            .gap = variant & 2 ? 5 : 0,
                            .in_place = (variant & 4) != 0 };
            if (strncmp(k->op, "embed", 5) == 0) {
                for (size_t f = 0; f < collet_n_formats; f++)
                    if (!s.in_place && s.n % collet_formats[f].block_elems == 0 &&
                        (strcmp(k->op, "embed") == 0 || collet_cpu_packing_find(collet_formats[f].name)) &&
                        (strcmp(k->format, "any") == 0 || strcmp(k->format, collet_formats[f].name) == 0))
                        run_case(k, &s, &collet_formats[f], 0, 0);
            } else if (strcmp(k->op, "rope") == 0) {
                for (uint32_t cut = 0; cut < 3; cut++) {
                    uint32_t n_rot = (s.n >> cut) & ~1u;
                    if (n_rot == 0)
                        continue;
                    run_case(k, &s, NULL, n_rot, COLLET_ROPE_NORM);
                    run_case(k, &s, NULL, n_rot, COLLET_ROPE_NEOX);
                }
            } else if (strcmp(k->op, "take_rows") != 0 || !s.in_place) {
                run_case(k, &s, NULL, 0, 0);
            }
        }
}

static double gelu(double x)
{
    return 0.5 * x * (1.0 + tanh(sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
}

static double silu(double x)
{
    return x / (1.0 + exp(-x));
}

// Every 97th float of both signs through the op, b = 1: the errors that math_*.h states, and what happens at the ends.
static void test_ops__functions_are_as_exact_as_they_say(void **state)
{
    const collet_cpu_ops_kernel *k = usable_kernel(state);
    const bool is_silu = strcmp(k->op, "silu_mul") == 0, is_gelu = strcmp(k->op, "gelu_mul") == 0;
    enum { N = 4096 };
    static float x[N], y[N], ones[N];
    double worst = 0.0, worst_x = 0.0;
    uint64_t step = 97;
#if defined(__aarch64__) // under qemu-user, when it is to be quick
    step = getenv("COLLET_TEST_QUICK") ? 1553 : step;
#endif
    for (uint64_t first = 0; first < 0xff800000u; first += N * step) {
        for (uint32_t i = 0; i < N; i++) {
            uint32_t bits = (uint32_t)(first + i * step);
            memcpy(&x[i], &bits, 4);
            if (isnan(x[i]))
                x[i] = 0.0f;
            ones[i] = 1.0f;
        }
        collet_cpu_ops_args a = { .y = y, .x = x, .b = ones, .n = N, .n_heads = 1, .cap = 1.0f };
        k->run(&a, 0, 1);
        for (uint32_t i = 0; i < N; i++) {
            const double v = x[i], want = is_silu ? silu(v) : is_gelu ? gelu(v) : tanh(v);
            if (isinf(v) || fabs(want) < 1e-36)
                continue;
            // gelu: absolute below 1e-1, because its small values are made of a large exponential (gelu_mul_f32_*.c).
            const double error = fabs(y[i] - want) / (is_gelu && v < 0 ? fmax(fabs(want), 0.1) : fabs(want));
            if (!(error <= worst)) {
                worst = error;
                worst_x = v;
            }
        }
    }
    print_message("%s: largest relative error %.3g at %.9g\n", k->name, worst, worst_x);
    assert_true(worst <= (is_gelu ? 1e-6 : 3.0e-7));
}

static void test_ops__ends_of_the_range_are_as_in_the_formula(void **state)
{
    const collet_cpu_ops_kernel *k = usable_kernel(state);
    const bool is_silu = strcmp(k->op, "silu_mul") == 0, is_gelu = strcmp(k->op, "gelu_mul") == 0;
    float x[9] = { INFINITY, -INFINITY, NAN, 1e30f, -1e30f, 0.0f, -0.0f, 1e-40f, 300.0f }, y[9], ones[9];
    for (int i = 0; i < 9; i++)
        ones[i] = 1.0f;
    collet_cpu_ops_args a = { .y = y, .x = x, .b = ones, .n = 9, .n_heads = 1, .cap = 30.0f };
    k->run(&a, 0, 1);
    for (int i = 0; i < 9; i++) {
        const double v = x[i], want = is_silu ? silu(v) : is_gelu ? gelu(v) : 30.0 * tanh(v / 30.0);
        if (isnan(want))
            assert_true(isnan(y[i]));
        else if (isinf(want))
            assert_true(isinf(y[i]) && (y[i] > 0) == (want > 0));
        else
            assert_true(fabs(y[i] - want) <= 1e-6 * fabs(want) + 1e-37);
    }
}

static const collet_cpu_ops_kernel kernels[] = {
#define KERNEL(o, w, i, f) { .op = #o, .format = #w, .isa = COLLET_ISA_##i, .name = #f, .run = f },
#include "plugins/cpu/ops/ops_kernels.inc"
#undef KERNEL
};

// ---- the module, as the core uses it ----

typedef struct level {
    uint32_t isa;
    const char *word;
    const collet_module *module;
} level;

// Lowest first.
static const level levels[] = {
#define LEVEL(l, i, w, score, text) { .isa = COLLET_ISA_##i, .word = w, .module = &collet_cpu_ops_##l },
#include "plugins/cpu/ops/ops_levels.inc"
#undef LEVEL
};

// One op on `rows` rows of 100 elements (rope, rmsnorm: 5 heads of 20), all inputs from a fixed sequence.
typedef struct module_case {
    collet_tensor t[5];
    const collet_tensor *in[3], *out[2];
    collet_op_desc desc;
    collet_norm_params norm;
    collet_embed_params embed;
    collet_rope_params rope;
    collet_softcap_params softcap;
    collet_guard data[5];
} module_case;

static void module_tensor(module_case *c, collet_test_host *h, int i, const char *format, uint32_t n_dims,
                          const int64_t *shape, uint64_t *seed)
{
    size_t n = 1;
    for (uint32_t d = 0; d < n_dims; d++)
        n *= (size_t)shape[d];
    c->data[i] = floats(n, seed, seed ? 2.0f : 0.0f);
    if (strcmp(format, "i32") == 0)
        for (size_t j = 0; j < n; j++)
            ((int32_t *)c->data[i].data)[j] = (int32_t)(n - 1 - j);
    c->t[i] = collet_test_tensor(h, format, c->data[i].data, n_dims, shape);
}

static void module_case_make(module_case *c, collet_test_host *h, const char *op, int64_t rows, int64_t dim)
{
    uint64_t seed = 3;
    const int64_t x[] = { rows, dim }, heads[] = { rows, 5, dim / 5 }, w[] = { dim }, head[] = { dim / 5 };
    const int64_t half[] = { dim / 10 };
    const bool rope = strcmp(op, "rope") == 0, fused = strcmp(op, "add_rmsnorm") == 0;
    const bool one = rope || strcmp(op, "rmsnorm") == 0, alone = strcmp(op, "softcap") == 0;
    *c = (module_case){ .norm = { sizeof c->norm, 1e-5f },
                        .embed = { sizeof c->embed, 1.5f },
                        .rope = { sizeof c->rope, COLLET_ROPE_NEOX, (uint32_t)(dim / 5), 1.0f },
                        .softcap = { sizeof c->softcap, 3.0f } };
    if (strcmp(op, "embed") == 0) {
        module_tensor(c, h, 0, "i32", 1, x, &seed);
        module_tensor(c, h, 1, "f32", 2, x, &seed);
    } else {
        module_tensor(c, h, 0, "f32", one ? 3 : 2, one ? heads : x, &seed);
        if (rope || strcmp(op, "take_rows") == 0)
            module_tensor(c, h, 1, "i32", 1, x, &seed);
        else
            module_tensor(c, h, 1, "f32", one ? 1 : 2, one ? head : x, &seed);
        module_tensor(c, h, 2, "f32", 1, rope ? half : w, &seed);
    }
    module_tensor(c, h, 3, "f32", one ? 3 : 2, one ? heads : x, NULL);
    module_tensor(c, h, 4, "f32", 2, x, NULL);
    for (int i = 0; i < 3; i++)
        c->in[i] = &c->t[i];
    c->out[0] = &c->t[3];
    c->out[1] = &c->t[4];
    c->desc = (collet_op_desc){ .size = sizeof c->desc,
                                .op = h->host.intern(h->host.self, op),
                                .phase = COLLET_PHASE_PREFILL,
                                .n_in = alone           ? 1
                                        : rope || fused ? 3
                                                        : 2,
                                .n_out = fused ? 2 : 1,
                                .in = c->in,
                                .out = c->out,
                                .params = rope                       ? (void *)&c->rope
                                          : alone                    ? (void *)&c->softcap
                                          : strcmp(op, "embed") == 0 ? (void *)&c->embed
                                                                     : (void *)&c->norm };
}

static void module_case_free(module_case *c)
{
    for (int i = 0; i < 5; i++)
        collet_guard_free(&c->data[i]);
}

static void run_module(collet_test_host *h, const collet_module *m, module_case *c)
{
    const collet_op_vt *vt = m->vt;
    void *mod = NULL, *inst = NULL;
    collet_error err = COLLET_ERROR_INIT;
    collet_op_caps caps = { .size = sizeof caps };
    assert_int_equal(m->open(&h->host, NULL, 0, &mod, &err), COLLET_OK);
    if (vt->supports(mod, &c->desc, &caps) != COLLET_OK)
        fail_msg("%s: %s", h->host.name_of(h->host.self, c->desc.op), caps.why);
    assert_int_equal(vt->create(mod, &c->desc, &inst, &err), COLLET_OK);
    const collet_frame frame = {
        .size = sizeof frame, .n_in = c->desc.n_in, .n_out = c->desc.n_out, .in = c->in, .out = c->out, .err = &err
    };
    assert_int_equal(vt->run(inst, &frame), COLLET_OK);
    vt->destroy(inst);
    m->close(mod);
}

// Rows, or columns of one long row, dealt to any number of workers: the bits of one worker.
static void test_ops__bits_do_not_depend_on_workers(void **state)
{
    const level *l = *state;
    const collet_module *m = l->module;
    if (!machine_has(l->isa))
        skip();
    static const int64_t sizes[][2] = { { 1, 100 }, { 700, 100 }, { 3, 32010 }, { 1, 100010 } };
    for (size_t i = 0; i < COLLET_COUNT(sizes); i++)
        for (const char *const *op = m->ops; *op; op++) {
            module_case want;
            collet_test_host host, *h = &host;
            collet_test_host_init(h, 1);
            module_case_make(&want, h, *op, sizes[i][0], sizes[i][1]);
            run_module(h, m, &want);
            for (uint32_t n_workers = 2; n_workers <= 5; n_workers += 3) {
                module_case got;
                collet_test_host hosts, *many = &hosts;
                collet_test_host_init(many, n_workers);
                module_case_make(&got, many, *op, sizes[i][0], sizes[i][1]);
                run_module(many, m, &got);
                for (uint32_t o = 0; o < want.desc.n_out; o++) {
                    const float *y = want.data[3 + o].data;
                    for (uint64_t j = 0; j < want.t[3 + o].n_bytes / 4; j++)
                        assert_false(isnan(y[j]));
                    assert_memory_equal(y, got.data[3 + o].data, want.t[3 + o].n_bytes);
                }
                module_case_free(&got);
                collet_test_host_finish(many);
            }
            module_case_free(&want);
            collet_test_host_finish(h);
        }
}

static void refuses(collet_test_host *h, const collet_module *m, const module_case *c, const char *why)
{
    const collet_op_vt *vt = m->vt;
    void *mod = NULL;
    collet_op_caps caps = { .size = sizeof caps };
    assert_int_equal(m->open(&h->host, NULL, 0, &mod, NULL), COLLET_OK);
    assert_int_equal(vt->supports(mod, &c->desc, &caps), COLLET_E_UNSUPPORTED);
    assert_string_equal(caps.why, why);
    m->close(mod);
}

static void test_ops__what_does_not_fit_is_refused_by_name(void **state)
{
    (void)state;
    const collet_module *m = levels[0].module;
    collet_test_host hosts[2], *h = &hosts[0], *bare = &hosts[1];
    collet_test_host_init(h, 1);
    collet_test_host_init(bare, 1);
    h->cpu.isa_mask = COLLET_ISA_REF | levels[0].isa;
    bare->cpu.isa_mask = COLLET_ISA_REF;
    module_case c, ok;

    module_case_make(&ok, h, "rmsnorm", 3, 100);
    for (size_t i = 0; i < COLLET_COUNT(levels); i++) {
        char why[80];
        snprintf(why, sizeof why, "%s is not offered on this machine", levels[i].word);
        refuses(i > 0 ? h : bare, levels[i].module, &ok, why);
    }
    c = ok;
    c.desc.op = h->host.intern(h->host.self, "matmul");
    refuses(h, m, &c, "no such op in this module");
    c = ok;
    c.desc.n_in = 1;
    refuses(h, m, &c, "1 inputs, 1 outputs; the op has 2, 1");
    c.desc.n_in = 2;
    c.desc.params = NULL;
    refuses(h, m, &c, "params: 0 bytes, not 8");
    c = ok;
    c.desc.in = c.in;
    c.in[1] = &c.t[1];
    c.t[1].shape[0] = 19;
    refuses(h, m, &c, "in[1]: 19 elements where another tensor has 20");
    c.t[1].shape[0] = 20;
    c.t[1].domain = 0;
    refuses(h, m, &c, "in[1]: not in the domain cpu");
    c.t[1].domain = ok.t[1].domain;
    c.t[1].format = h->host.intern(h->host.self, "f16");
    refuses(h, m, &c, "in[1]: not f32");
    c.in[1] = NULL;
    refuses(h, m, &c, "in[1]: missing");
    module_case_free(&ok);

    module_case_make(&c, h, "rope", 3, 100);
    c.rope.n_rot = 22;
    refuses(h, m, &c, "n_rot 22 of heads with 20 elements");
    c.rope.n_rot = 16;
    refuses(h, m, &c, "in[2]: 10 frequencies, not n_rot / 2 = 8");
    c.rope.pairs = 7;
    refuses(h, m, &c, "pairs 7: neither NORM nor NEOX");
    module_case_free(&c);

    module_case_make(&c, h, "embed", 3, 100);
    c.t[1].format = h->host.intern(h->host.self, "q3_z");
    refuses(h, m, &c, "in[1]: no decoder of format q3_z");
    c.t[1].format = h->host.intern(h->host.self, "q8_0");
    refuses(h, m, &c, "in[1]: rows of 100 elements, q8_0 has blocks of 32");
    c.t[1].layout = h->host.intern(h->host.self, "q8_0.r8");
    refuses(h, m, &c, "in[1]: rows of 100 elements, q8_0 has blocks of 32");
    module_case_free(&c);
    module_case_make(&c, h, "embed", 3, 160);
    c.t[1].format = h->host.intern(h->host.self, "q4_0");
    c.t[1].layout = h->host.intern(h->host.self, "q8_0.r8");
    refuses(h, m, &c, "in[1]: packed as q8_0.r8, which is not read here");
    module_case_free(&c);

    module_case_make(&c, h, "softcap", 3, 100);
    c.softcap.cap = 0.0f;
    refuses(h, m, &c, "cap must be positive");
    module_case_free(&c);
    collet_test_host_finish(h);
    collet_test_host_finish(bare);
}

static bool has_function(const char *op)
{
    return strcmp(op, "silu_mul") == 0 || strcmp(op, "gelu_mul") == 0 || strcmp(op, "softcap") == 0;
}

int main(void)
{
    static struct CMUnitTest tests[3 * COLLET_COUNT(kernels) + COLLET_COUNT(levels) + 1];
    static char names[COLLET_COUNT(tests)][128];
    size_t n = 0;
    static const struct {
        const char *name;
        CMUnitTestFunction run;
    } promises[] = {
        { "test_ops__kernel_agrees_with_its_reference", test_ops__kernel_agrees_with_its_reference },
        { "test_ops__functions_are_as_exact_as_they_say", test_ops__functions_are_as_exact_as_they_say },
        { "test_ops__ends_of_the_range_are_as_in_the_formula", test_ops__ends_of_the_range_are_as_in_the_formula },
    };
    for (size_t p = 0; p < COLLET_COUNT(promises); p++)
        for (size_t k = 0; k < COLLET_COUNT(kernels); k++) {
            if (p > 0 && !has_function(kernels[k].op))
                continue;
            snprintf(names[n], sizeof names[n], "%s/%s", promises[p].name, kernels[k].name);
            tests[n] = (struct CMUnitTest){ .name = names[n],
                                            .test_func = promises[p].run,
                                            .initial_state = (void *)&kernels[k] };
            n++;
        }
    for (size_t l = 0; l < COLLET_COUNT(levels); l++, n++) {
        snprintf(names[n], sizeof names[n], "test_ops__bits_do_not_depend_on_workers/%s", levels[l].module->id);
        tests[n] = (struct CMUnitTest){ .name = names[n],
                                        .test_func = test_ops__bits_do_not_depend_on_workers,
                                        .initial_state = (void *)&levels[l] };
    }
    tests[n++] = (struct CMUnitTest){ .name = "test_ops__what_does_not_fit_is_refused_by_name",
                                      .test_func = test_ops__what_does_not_fit_is_refused_by_name };
    return _cmocka_run_group_tests("test_ops", tests, n, NULL, NULL);
}
