// SPDX-License-Identifier: Apache-2.0
// tests/plugins/cpu/test_matmul.c - every line of matmul_kernels.inc, through its module, against double.
//
// Weights are blocks of random bytes with sound scales, so that every code occurs. x, the packed weight, y and the
// workspace stand between guard pages; y and the workspace begin as NaN; x and the weight cannot be written.
//
// It is longer than 600 lines: the makers of hostile blocks, one for each format, are of no use to another test.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/common/f16.h"
#include "plugins/common/formats.h"
#include "plugins/cpu/matmul/matmul.h"
#include "plugins/cpu/matmul/matmul_tiles.h"
#include "tests/support/guard.h"
#include "tests/support/test_host.h"

typedef struct shape {
    uint32_t n_out, n_blocks, n_tokens, n_workers, gap; // gap: floats between rows of x and of y
} shape;

static const shape shapes[] = {
    { 1, 1, 1, 1, 0 },     { 7, 1, 2, 1, 0 },     { 8, 3, 3, 2, 0 },    { 9, 5, 5, 3, 1 },    { 40, 2, 8, 2, 0 },
    { 9, 3, 13, 5, 8 },    { 23, 7, 33, 3, 3 },   { 4096, 1, 1, 7, 0 }, { 576, 18, 1, 2, 0 }, { 130, 12, 70, 2, 0 },
    { 300, 2, 600, 2, 0 }, { 2100, 2, 12, 1, 0 }, { 40, 30, 37, 3, 5 }, // the last: more columns than packed at a time
};
#define LARGE_SHAPES 4 // the last ones, which take most of the time

// Where a block has its scales: halves, a float or a power of two.
static const struct {
    const char *format;
    uint32_t n_scales, at[2];
    char kind;
} scales[] = {
    { "q4_0", 1, { 0 }, 'h' },    { "q4_1", 2, { 0, 2 }, 'h' },   { "q5_0", 1, { 0 }, 'h' },
    { "q5_1", 2, { 0, 2 }, 'h' }, { "q8_0", 1, { 0 }, 'h' },      { "q8_1", 2, { 0, 2 }, 'h' },
    { "q8_k", 1, { 0 }, 'f' },    { "iq4_nl", 1, { 0 }, 'h' },    { "iq4_xs", 1, { 0 }, 'h' },
    { "mxfp4", 1, { 0 }, 'e' },   { "q2_k", 2, { 80, 82 }, 'h' }, { "q3_k", 1, { 108 }, 'h' },
    { "q4_k", 2, { 0, 2 }, 'h' }, { "q5_k", 2, { 0, 2 }, 'h' },   { "q6_k", 1, { 208 }, 'h' },
};

// One product: its inputs, the truth and how far from it a kernel may be (docs/NUMERICS.md).
typedef struct product {
    const collet_cpu_matmul_kernel *kernel;
    const collet_format *format;
    shape s;
    uint32_t n_in;
    uint64_t row_bytes;
    uint8_t *w; // canonical
    collet_guard x, y;
    double *want, *bound;
} product;

// The second build of this file has the AMX kernels on emulated instructions (tests/support/amx_emulated.h), and runs
// nothing else.
#if defined(COLLET_TEST_EMULATED_AMX)
#define EMULATED_ISA COLLET_ISA_AMX
#else
#define EMULATED_ISA 0u
#endif

// A third build has onednn.matmul in the place of our kernels.
#if defined(COLLET_TEST_ONEDNN)
#include "plugins/onednn/onednn.h"
static const collet_cpu_matmul_kernel subjects[] = {
    { "f32", COLLET_ISA_AVX2, "onednn_matmul_f32", NULL },
    { "f16", COLLET_ISA_AVX2, "onednn_matmul_f16", NULL },
    { "bf16", COLLET_ISA_AVX2, "onednn_matmul_bf16", NULL },
    { "q8_0", COLLET_ISA_AVX512, "onednn_matmul_q8_0", NULL },
};
#define N_SUBJECTS COLLET_COUNT(subjects)
#define ONEDNN true
#else
#define subjects collet_cpu_matmul_kernels
#define N_SUBJECTS collet_cpu_n_matmul_kernels
#define ONEDNN false
#endif

// Builds with a sanitizer are to be tested quickly: without the large shapes.
static bool is_quick(void)
{
    return getenv("COLLET_TEST_QUICK");
}

static size_t n_shapes(void)
{
    return COLLET_COUNT(shapes) - (is_quick() && !EMULATED_ISA ? LARGE_SHAPES : 0);
}

static const collet_module *module_of(const collet_cpu_matmul_kernel *k)
{
#if defined(COLLET_TEST_ONEDNN)
    (void)k;
    return &collet_onednn_matmul;
#else
    return collet_cpu_matmul_level_of(k->isa)->module;
#endif
}

// Activations and weights in bf16, not activations in 8 bits.
static bool is_tiled(const product *p)
{
    if (ONEDNN)
        return strcmp(p->kernel->format, "bf16") == 0;
    return p->kernel->isa == COLLET_ISA_AMX && p->s.n_tokens >= COLLET_CPU_TILES_FROM;
}

static float *x_row(const product *p, uint32_t t)
{
    return (float *)p->x.data + (size_t)t * (p->n_in + p->s.gap);
}

static float *y_row(const product *p, uint32_t t)
{
    return (float *)p->y.data + (size_t)t * (p->s.n_out + p->s.gap);
}

static size_t rows_bytes(const product *p, uint32_t n) // the last row has no gap behind it
{
    return ((size_t)p->s.n_tokens * (n + p->s.gap) - p->s.gap) * sizeof(float);
}

static void sound_scales(uint8_t *block, const collet_format *f, uint64_t *seed)
{
    for (size_t i = 0; i < COLLET_COUNT(scales); i++)
        for (uint32_t k = 0; strcmp(scales[i].format, f->name) == 0 && k < scales[i].n_scales; k++) {
            const float value = collet_test_random(seed);
            const uint16_t half = collet_f32_to_f16(value);
            const uint8_t power = (uint8_t)(124.0f + 4.0f * value);
            memcpy(block + scales[i].at[k],
                   scales[i].kind == 'f'   ? (const void *)&value
                   : scales[i].kind == 'e' ? (const void *)&power
                                           : (const void *)&half,
                   scales[i].kind == 'f'   ? 4
                   : scales[i].kind == 'e' ? 1
                                           : 2);
        }
}

static void random_block(uint8_t *block, const collet_format *f, uint64_t *seed)
{
    for (uint32_t i = 0; i < f->block_bytes; i++)
        block[i] = (uint8_t)(int32_t)(collet_test_random(seed) * 4096.0f);
    sound_scales(block, f, seed);
    if (f->block_elems == 1) {
        const float value = collet_test_random(seed);
        f->quantize(&value, block, 1, NULL);
    }
}

static product product_make(const collet_cpu_matmul_kernel *kernel, shape s)
{
    product p = { .kernel = kernel, .format = collet_format_find(kernel->format), .s = s };
    uint64_t seed = 1;
    if (p.format->block_elems == 1 && s.n_blocks > 1)
        p.s.n_blocks = s.n_blocks *= 77; // long rows of single elements, and never a multiple of a register
    p.n_in = s.n_blocks * p.format->block_elems;
    p.row_bytes = (uint64_t)s.n_blocks * p.format->block_bytes;
    p.w = malloc(s.n_out * p.row_bytes);
    p.want = malloc(sizeof(double) * s.n_tokens * s.n_out);
    p.bound = malloc(sizeof(double) * s.n_tokens * s.n_out);
    assert_true(p.w && p.want && p.bound);
    for (uint64_t b = 0; b < (uint64_t)s.n_out * s.n_blocks; b++)
        random_block(p.w + b * p.format->block_bytes, p.format, &seed);
    p.x = collet_guard_make(rows_bytes(&p, p.n_in));
    p.y = collet_guard_make(rows_bytes(&p, s.n_out));
    for (uint32_t t = 0; t < s.n_tokens; t++)
        for (uint32_t i = 0; i < p.n_in; i++)
            x_row(&p, t)[i] = 3.0f * collet_test_random(&seed);
    return p;
}

static void product_free(product *p)
{
    collet_guard_free(&p->x);
    collet_guard_free(&p->y);
    free(p->w);
    free(p->want);
    free(p->bound);
}

// Rounding of x to 8 bits in blocks of 32 as docs/NUMERICS.md allows it, and f32 sums.
static void reckon(product *p)
{
    float *row = malloc(sizeof(float) * p->n_in);
    assert_non_null(row);
    for (uint32_t o = 0; o < p->s.n_out; o++) {
        p->format->dequantize(p->w + o * p->row_bytes, row, p->n_in);
        double w_max = 0.0;
        for (uint32_t i = 0; i < p->n_in; i++)
            w_max = fmax(w_max, fabs((double)row[i]));
        for (uint32_t t = 0; t < p->s.n_tokens; t++) {
            const float *x = x_row(p, t);
            double sum = 0.0, bound = 0.0;
            for (uint32_t b = 0; b < p->n_in; b += 32) {
                double x_max = 0.0, w_sum = 0.0;
                for (uint32_t i = b; i < b + 32 && i < p->n_in; i++) {
                    sum += (double)row[i] * x[i];
                    bound += 1e-6 * w_max * fabs((double)x[i]);
                    if (is_tiled(p)) // half of the last of eight bits in x, 1.3 times that in weights
                        bound += (p->format->block_elems == 1 ? 0x1.01p-8 : 0x1.28p-7) * fabs((double)row[i] * x[i]);
                    x_max = fmax(x_max, fabs((double)x[i]));
                    w_sum += fabs((double)row[i]);
                }
                bound += p->format->block_elems == 1 || is_tiled(p) ? 0.0 : x_max / 254.0 * 1.0001 * w_sum;
            }
            p->want[(size_t)t * p->s.n_out + o] = sum;
            p->bound[(size_t)t * p->s.n_out + o] = bound;
        }
    }
    free(row);
}

// The life of the op as the core leads it: the weight is packed in two pieces, the second one first.
typedef struct bound_op {
    collet_test_host host;
    collet_tensor x, w, packed, y;
    const collet_tensor *in[2], *out[1];
    collet_op_desc desc;
    const collet_module *module;
    void *mod;
} bound_op;

static void bind(bound_op *b, const product *p)
{
    collet_test_host *h = &b->host;
    collet_test_host_init(h, p->s.n_workers);
    h->cpu.isa_mask = EMULATED_ISA ? COLLET_ISA_REF | COLLET_ISA_AVX2 | EMULATED_ISA : h->cpu.isa_mask;
    const int64_t w_shape[2] = { p->s.n_out, p->n_in }, x_shape[2] = { p->s.n_tokens, p->n_in };
    const int64_t y_shape[2] = { p->s.n_tokens, p->s.n_out };
    b->x = collet_test_tensor(h, "f32", p->x.data, 2, x_shape);
    b->y = collet_test_tensor(h, "f32", p->y.data, 2, y_shape);
    b->w = collet_test_tensor(h, p->format->name, p->w, 2, w_shape);
    b->x.stride[0] = 4 * (int64_t)(p->n_in + p->s.gap);
    b->y.stride[0] = 4 * (int64_t)(p->s.n_out + p->s.gap);
    b->w.stride[0] = (int64_t)p->row_bytes;
    b->w.stride[1] = p->format->block_elems == 1 ? p->format->block_bytes : 0;
    b->w.n_bytes = p->s.n_out * p->row_bytes;
    b->in[0] = &b->x;
    b->in[1] = &b->w;
    b->out[0] = &b->y;
    b->desc = (collet_op_desc){ .size = sizeof b->desc,
                                .op = h->host.intern(h->host.self, COLLET_OP_MATMUL),
                                .phase = p->s.n_tokens == 1 ? COLLET_PHASE_DECODE : COLLET_PHASE_PREFILL,
                                .n_layers = 1,
                                .n_in = 2,
                                .n_out = 1,
                                .in = b->in,
                                .out = b->out };
    b->module = module_of(p->kernel);
    assert_int_equal(b->module->open(&h->host, NULL, 0, &b->mod, NULL), COLLET_OK);
}

static void unbind(bound_op *b)
{
    b->module->close(b->mod);
    collet_test_host_finish(&b->host);
}

static collet_guard pack(bound_op *b, uint32_t layout)
{
    const collet_op_vt *vt = b->module->vt;
    uint64_t n_bytes = 0;
    uint32_t group = 0;
    assert_int_equal(vt->pack_size(b->mod, &b->w, layout, &n_bytes, &group, NULL), COLLET_OK);
    collet_guard g = collet_guard_make(n_bytes);
    b->packed = b->w;
    b->packed.layout = layout;
    b->packed.data = g.data;
    b->packed.n_bytes = n_bytes;
    b->packed.stride[0] = b->packed.stride[1] = 0; // without a meaning
    const uint32_t n_out = (uint32_t)b->w.shape[0], cut = n_out / 2 / group * group;
    assert_int_equal(vt->pack(b->mod, &b->w, &b->packed, cut, n_out, NULL), COLLET_OK);
    assert_int_equal(vt->pack(b->mod, &b->w, &b->packed, 0, cut, NULL), COLLET_OK);
    b->in[1] = &b->packed;
    return g;
}

static void run(const product *p)
{
    bound_op b;
    bind(&b, p);
    const collet_op_vt *vt = b.module->vt;
    collet_op_caps caps = { .size = sizeof caps };
    uint64_t ws_bytes = 0, plan_bytes = 0;
    void *inst = NULL;
    assert_int_equal(vt->supports(b.mod, &b.desc, &caps), COLLET_OK);
    collet_guard packed = collet_guard_make(p->s.n_out * p->row_bytes);
    if (caps.layout[1]) {
        collet_guard_free(&packed);
        packed = pack(&b, caps.layout[1]);
    } else {
        memcpy(packed.data, p->w, packed.n_bytes);
        b.w.data = packed.data;
    }
    collet_guard_seal(&packed);
    assert_int_equal(vt->create(b.mod, &b.desc, &inst, NULL), COLLET_OK);
    assert_int_equal(vt->prepare(inst, &b.desc, &ws_bytes, &plan_bytes, NULL), COLLET_OK);
    assert_int_equal(plan_bytes, 0);
    collet_guard ws = collet_guard_make(ws_bytes);
    const collet_frame frame = { .size = sizeof frame,
                                 .n_in = 2,
                                 .n_out = 1,
                                 .queue = &b.host.queue,
                                 .in = b.in,
                                 .out = b.out,
                                 .ws = ws.data,
                                 .ws_bytes = ws_bytes };
    assert_int_equal(vt->run(inst, &frame), COLLET_OK);
    vt->destroy(inst);
    collet_guard_free(&ws);
    collet_guard_free(&packed);
    unbind(&b);
}

static const collet_cpu_matmul_kernel *kernel_or_skip(void **state)
{
    const collet_cpu_matmul_kernel *k = *state;
    collet_isa isa;
    collet_isa_probe(&isa);
    if (!((isa.mask | EMULATED_ISA) & k->isa)) {
        fprintf(stderr, "skipped: %s: this machine does not offer %s\n", k->name, collet_isa_name(k->isa));
        skip();
    }
    return k;
}

static void assert_within_bound(const product *p)
{
    double error = 0.0, energy = 0.0;
    for (uint32_t t = 0; t < p->s.n_tokens; t++)
        for (uint32_t o = 0; o < p->s.n_out; o++) {
            const double got = y_row(p, t)[o], want = p->want[(size_t)t * p->s.n_out + o];
            if (!(fabs(got - want) <= p->bound[(size_t)t * p->s.n_out + o]))
                fail_msg("%s (%u, %u), row %u of %u tokens, column %u: %.9g, not %.9g", p->kernel->name, p->s.n_out,
                         p->n_in, t, p->s.n_tokens, o, got, want);
            error += (got - want) * (got - want);
            energy += want * want;
        }
    // A single product may be near zero; many may not.
    if (p->s.n_tokens * p->s.n_out >= 40)
        assert_true(error <= energy * (is_tiled(p)                   ? (ONEDNN ? 0x1.1p-16 : 1e-5)
                                       : p->format->block_elems == 1 ? 1e-10
                                                                     : 1e-4));
}

static void test_matmul__kernel_agrees_with_the_formula(void **state)
{
    const collet_cpu_matmul_kernel *k = kernel_or_skip(state);
    for (size_t i = 0; i < n_shapes(); i++) {
        product p = product_make(k, shapes[i]);
        reckon(&p);
        collet_guard_seal(&p.x);
        run(&p);
        assert_within_bound(&p);
        for (uint32_t t = 0; t + 1 < p.s.n_tokens; t++) // between rows nothing is written
            for (uint32_t g = 0; g < p.s.gap; g++)
                assert_true(isnan(y_row(&p, t)[p.s.n_out + g]));
        product_free(&p);
    }
}

// Whole numbers up to 127, with a 127 in each block, are quantized exactly: only the rounding of f32 sums is left. This
// is the twin in plain C that quantizes as the kernel does, without writing the quantizer twice.
static void test_matmul__activations_held_exactly_leave_only_rounding(void **state)
{
    const collet_cpu_matmul_kernel *k = kernel_or_skip(state);
    for (size_t i = 0; i < n_shapes(); i++) {
        product p = product_make(k, shapes[i]);
        uint64_t seed = 3;
        for (uint32_t t = 0; t < p.s.n_tokens; t++)
            for (uint32_t e = 0; e < p.n_in; e++)
                x_row(&p, t)[e] = e % 32 == t % 32 ? -127.0f : rintf(127.0f * collet_test_random(&seed));
        reckon(&p);
        run(&p);
        double error = 0.0, energy = 0.0;
        for (uint32_t t = 0; t < p.s.n_tokens; t++)
            for (uint32_t o = 0; o < p.s.n_out; o++) {
                const double want = p.want[(size_t)t * p.s.n_out + o], off = y_row(&p, t)[o] - want;
                assert_true(fabs(off) <= 2e-4 * p.bound[(size_t)t * p.s.n_out + o] || p.format->block_elems == 1 ||
                            is_tiled(&p));
                error += off * off;
                energy += want * want;
            }
        if (p.s.n_tokens * p.s.n_out >= 40)
            assert_true(error <= (is_tiled(&p) ? 5e-6 : 1e-10) * energy); // weights are rounded to bf16
        product_free(&p);
    }
}

static void test_matmul__large_and_small_activations_agree_too(void **state)
{
    static const float sizes[] = { 1e30f, 1e4f, 1e-4f, 1e-25f };
    const collet_cpu_matmul_kernel *k = kernel_or_skip(state);
    for (size_t i = 0; i < COLLET_COUNT(sizes); i++) {
        product p = product_make(k, (shape){ 40, 4, 5, 2, 0 });
        for (uint32_t n = 0; n < p.s.n_tokens * p.n_in; n++)
            ((float *)p.x.data)[n] *= sizes[i];
        reckon(&p);
        run(&p);
        assert_within_bound(&p);
        product_free(&p);
    }
}

// Many more rows than columns: activations in two planes of 8 bits, in whatever company.
static void test_matmul__output_matrices_are_finer(void **state)
{
    static const uint32_t n_tokens[] = { 1, 2, 21 };
    const collet_cpu_matmul_kernel *k = kernel_or_skip(state);
    for (size_t i = 0; i < COLLET_COUNT(n_tokens); i++) {
        product p = product_make(k, (shape){ 4101, 1, n_tokens[i], 3, 2 });
        double error = 0.0, energy = 0.0;
        reckon(&p);
        run(&p);
        assert_within_bound(&p);
        for (uint32_t t = 0; t < p.s.n_tokens; t++)
            for (uint32_t o = 0; o < p.s.n_out; o++) {
                const double want = p.want[(size_t)t * p.s.n_out + o], off = y_row(&p, t)[o] - want;
                error += off * off;
                energy += want * want;
            }
        assert_true(error <= (is_tiled(&p) ? 1e-5 : 1e-8) * energy);
        product_free(&p);
    }
}

// Activations of +-127 are quantized exactly, so only f32 sums may differ; codes are all alike, of a byte at the limits
// of some format, so that every lane of every sum is as full as it can be.
static void test_matmul__codes_at_their_limits_do_not_saturate(void **state)
{
    const collet_cpu_matmul_kernel *k = kernel_or_skip(state);
    if (collet_format_find(k->format)->block_elems == 1)
        return; // no integers
    static const uint8_t bytes[] = { 0x00, 0x01, 0x0f, 0x10, 0x55, 0x7f, 0x80, 0x81, 0xaa, 0xf0, 0xfe, 0xff };
    for (size_t n = 0; n < COLLET_COUNT(bytes); n++) {
        const uint8_t byte = bytes[n];
        product p = product_make(k, (shape){ 9, 2, 6, 1, 0 });
        for (uint64_t block = 0; block < 9 * 2; block++) {
            uint8_t *b = p.w + block * p.format->block_bytes;
            uint64_t seed = block + 1;
            memset(b, byte, p.format->block_bytes);
            sound_scales(b, p.format, &seed);
        }
        for (uint32_t t = 0; t < p.s.n_tokens; t++)
            for (uint32_t i = 0; i < p.n_in; i++) {
                const float sign[] = { 1.0f, -1.0f, i % 2 ? 1.0f : -1.0f, i % 8 < 4 ? 1.0f : -1.0f };
                x_row(&p, t)[i] = t < 4 ? 127.0f * sign[t] : i % 32 == t ? 127.0f : 0.0f;
            }
        reckon(&p);
        run(&p);
        for (uint32_t t = 0; t < p.s.n_tokens; t++)
            for (uint32_t o = 0; o < p.s.n_out; o++) {
                const uint32_t at = t * p.s.n_out + o;
                // bound holds 127 / 254 of the sum of |w|, which a saturated lane would reach: allow rounding only.
                if (!(fabs(y_row(&p, t)[o] - p.want[at]) <= 1e-3 * p.bound[at]))
                    fail_msg("%s, bytes 0x%02x, row %u, column %u: %.9g, not %.9g", k->name, byte, t, o,
                             (double)y_row(&p, t)[o], p.want[at]);
            }
        product_free(&p);
    }
}

static void test_matmul__zero_rows_give_zero(void **state)
{
    const collet_cpu_matmul_kernel *k = kernel_or_skip(state);
    product p = product_make(k, (shape){ 9, 3, 21, 2, 0 });
    memset(x_row(&p, 0), 0, p.n_in * sizeof(float));
    memset(x_row(&p, 3), 0, p.n_in * sizeof(float));
    run(&p);
    for (uint32_t o = 0; o < p.s.n_out; o++)
        assert_true(y_row(&p, 0)[o] == 0.0f && y_row(&p, 3)[o] == 0.0f);
    product_free(&p);
}

static void test_matmul__what_is_not_finite_stays_in_its_row(void **state)
{
    static const float bad[] = { NAN, INFINITY, -INFINITY, NAN, INFINITY, -INFINITY };
    static const uint32_t n_tokens[] = { 7, 21 };
    const collet_cpu_matmul_kernel *k = kernel_or_skip(state);
    for (size_t i = 0; i < COLLET_COUNT(bad); i++) {
        product p = product_make(k, (shape){ 17, 3, n_tokens[i % 2], 2, 0 });
        x_row(&p, 2)[p.n_in - 1] = bad[i];
        x_row(&p, 6)[0] = bad[i];
        run(&p);
        for (uint32_t t = 0; t < p.s.n_tokens; t++)
            for (uint32_t o = 0; o < p.s.n_out; o++)
                assert_int_equal(isfinite(y_row(&p, t)[o]) != 0, t != 2 && t != 6);
        product_free(&p);
    }
}

static void test_matmul__row_does_not_depend_on_its_company(void **state)
{
    static const uint32_t n_tokens[] = { 2, 3, 4, 5, 6, 7, 8, 35 };
    const collet_cpu_matmul_kernel *k = kernel_or_skip(state);
    for (size_t i = 0; i < COLLET_COUNT(n_tokens); i++) {
        product many = product_make(k, (shape){ 41, 5, n_tokens[i], 3, 0 });
        run(&many);
        for (uint32_t t = 0; t < many.s.n_tokens; t++) {
            product one = product_make(k, (shape){ 41, 5, is_tiled(&many) ? COLLET_CPU_TILES_FROM : 1, 1, 0 });
            memcpy(one.x.data, x_row(&many, t), many.n_in * sizeof(float));
            run(&one);
            assert_memory_equal(one.y.data, y_row(&many, t), many.s.n_out * sizeof(float));
            product_free(&one);
        }
        product_free(&many);
    }
}

#if defined(__x86_64__) // on AArch64 both levels share the dense kernels
// A profile that moves a dense weight from one level to the other changes no bit.
static void test_matmul__dense_levels_give_the_same_bits(void **state)
{
    (void)state;
    static const char *const formats[] = { "f32", "f16", "bf16" };
    static const uint32_t n_tokens[] = { 3, 45 };
    collet_isa isa;
    collet_isa_probe(&isa);
    if (EMULATED_ISA || !(isa.mask & COLLET_ISA_AVX512)) { // emulated tiles are offered without it
        fprintf(stderr, "skipped: avx512 is not offered here\n");
        skip();
    }
    for (size_t i = 0; i < COLLET_COUNT(formats) * COLLET_COUNT(n_tokens); i++) {
        const char *format = formats[i / COLLET_COUNT(n_tokens)];
        const shape s = { 85, 27, n_tokens[i % COLLET_COUNT(n_tokens)], 2, 0 };
        product narrow = product_make(collet_cpu_matmul_choose(format, COLLET_ISA_AVX2), s);
        product wide = product_make(collet_cpu_matmul_choose(format, COLLET_ISA_AVX512), s);
        run(&narrow);
        run(&wide);
        assert_memory_equal(narrow.y.data, wide.y.data, rows_bytes(&wide, s.n_out));
        product_free(&narrow);
        product_free(&wide);
    }
}
#endif

// ---- the modules ----

static void refuses(const bound_op *b, const char *why)
{
    const collet_op_vt *vt = b->module->vt;
    collet_op_caps caps = { .size = sizeof caps };
    assert_int_equal(vt->supports(b->mod, &b->desc, &caps), COLLET_E_UNSUPPORTED);
    assert_string_equal(caps.why, why);
}

static void test_matmul__what_does_not_fit_is_refused_by_name(void **state)
{
    (void)state;
    const collet_cpu_matmul_kernel *k = collet_cpu_matmul_choose("q4_k", collet_cpu_matmul_levels[0].isa);
    product p = product_make(k, (shape){ 9, 2, 3, 1, 0 });
    bound_op b;
    bind(&b, &p);
    for (size_t i = 0; i < collet_cpu_n_matmul_levels; i++) { // with those below, and not the level itself
        const collet_cpu_matmul_level *level = &collet_cpu_matmul_levels[i];
        char why[80];
        b.module->close(b.mod);
        b.host.cpu.isa_mask = COLLET_ISA_REF | (i > 0 ? level[-1].isa : 0);
        snprintf(why, sizeof why, "%s is not offered on this machine", level->word);
        assert_int_equal(level->module->open(&b.host.host, NULL, 0, &b.mod, NULL), COLLET_OK);
        refuses(&b, why);
    }
    b.module->close(b.mod);
    b.host.cpu.isa_mask = COLLET_ISA_REF | collet_cpu_matmul_levels[0].isa;
    assert_int_equal(b.module->open(&b.host.host, NULL, 0, &b.mod, NULL), COLLET_OK);

    const collet_tensor x = b.x, w = b.w, y = b.y;
    b.w.format = b.host.host.intern(b.host.host.self, "iq2_xxs");
    refuses(&b, "no kernel for weights in iq2_xxs");
    b.w = w;
    b.w.layout = b.host.host.intern(b.host.host.self, "q4_k.r99");
    refuses(&b, "weight: packed as q4_k.r99 already");
    b.w = w;
    b.w.domain = b.host.host.intern(b.host.host.self, "sim");
    refuses(&b, "weight: not in the domain cpu");
    b.w = w;
    b.w.shape[1] = b.x.shape[1] = 300;
    refuses(&b, "rows of 300: q4_k has blocks of 256");
    b.w = w;
    b.x.shape[1] = 256;
    refuses(&b, "weight (9, 512) for x of 256 and y of 9");
    b.x = x;
    b.x.format = b.host.host.intern(b.host.host.self, "f16");
    refuses(&b, "x: f32 in the canonical layout only");
    b.x = x;
    b.y.domain = b.host.host.intern(b.host.host.self, "sim");
    refuses(&b, "y: not in the domain cpu");
    b.y = y;
    b.y.stride[0] = 8;
    refuses(&b, "y: (tokens, n) with contiguous rows only");
    b.y = y;
    b.in[1] = NULL;
    b.desc.n_in = 1;
    refuses(&b, "1 inputs and 1 outputs: 2 to 2, and 1 wanted");
    b.desc.op = b.host.host.intern(b.host.host.self, "conv");
    refuses(&b, "no such op in this module");
    unbind(&b);
    product_free(&p);
}

static void *no_memory(void *self, size_t n_bytes, size_t align)
{
    (void)self;
    (void)n_bytes;
    (void)align;
    return NULL;
}

static void test_matmul__lack_of_memory_is_an_error(void **state)
{
    (void)state;
    const collet_cpu_matmul_kernel *k = collet_cpu_matmul_choose("q4_0", collet_cpu_matmul_levels[0].isa);
    product p = product_make(k, (shape){ 9, 2, 3, 1, 0 });
    bound_op b;
    bind(&b, &p);
    const collet_op_vt *vt = b.module->vt;
    void *mod = NULL, *inst = NULL;
    void *(*alloc)(void *self, size_t n_bytes, size_t align) = b.host.host.alloc;
    b.host.host.alloc = no_memory;
    assert_int_equal(b.module->open(&b.host.host, NULL, 0, &mod, NULL), COLLET_E_NOMEM);
    assert_int_equal(vt->create(b.mod, &b.desc, &inst, NULL), COLLET_E_NOMEM);
    assert_null(mod);
    assert_null(inst);
    b.host.host.alloc = alloc;
    vt->destroy(NULL);
    unbind(&b);
    product_free(&p);
}

static void test_matmul__every_weight_format_has_a_kernel(void **state)
{
    (void)state;
    static const char *const formats[] = {
        "f32",  "f16",  "bf16", "q4_0", "q4_1", "q5_0", "q5_1",   "q8_0",   "q8_1",
        "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "q8_k", "iq4_nl", "iq4_xs", "mxfp4"
    };
    for (size_t i = 0; i < COLLET_COUNT(formats); i++) {
        assert_non_null(collet_cpu_matmul_choose(formats[i], collet_cpu_matmul_levels[0].isa));
        assert_null(collet_cpu_matmul_choose(formats[i], COLLET_ISA_REF));
    }
}

#define PROMISE(name) \
    {                 \
#name, name   \
    }

// Emulated instructions are slow, one by one or the whole processor's (qemu-user): where tests are to be quick, a
// format of each kind (floats, blocks of 32, signed ones, blocks of 256) stands for all.
#if defined(__aarch64__)
#define EMULATION true
#else
#define EMULATION (EMULATED_ISA != 0)
#endif
static bool one_of_a_kind(const char *format)
{
    return strcmp(format, "bf16") == 0 || strcmp(format, "q4_0") == 0 || strcmp(format, "q8_0") == 0 ||
           strcmp(format, "q6_k") == 0;
}

static bool left_out(const collet_cpu_matmul_kernel *k)
{
    return (EMULATED_ISA && k->isa != EMULATED_ISA) || (EMULATION && is_quick() && !one_of_a_kind(k->format));
}

int main(void)
{
    static const struct {
        const char *name;
        CMUnitTestFunction run;
    } promises[] = {
        PROMISE(test_matmul__kernel_agrees_with_the_formula),
        PROMISE(test_matmul__activations_held_exactly_leave_only_rounding),
        PROMISE(test_matmul__large_and_small_activations_agree_too),
        PROMISE(test_matmul__codes_at_their_limits_do_not_saturate),
        PROMISE(test_matmul__zero_rows_give_zero),
        PROMISE(test_matmul__what_is_not_finite_stays_in_its_row),
        // The last two are promises of cpu.matmul alone.
        PROMISE(test_matmul__output_matrices_are_finer),
        PROMISE(test_matmul__row_does_not_depend_on_its_company),
    };
    static const struct CMUnitTest once[] = {
        cmocka_unit_test(test_matmul__what_does_not_fit_is_refused_by_name),
        cmocka_unit_test(test_matmul__lack_of_memory_is_an_error),
#if defined(__x86_64__)
        cmocka_unit_test(test_matmul__dense_levels_give_the_same_bits),
#endif
        cmocka_unit_test(test_matmul__every_weight_format_has_a_kernel),
    };
    static struct CMUnitTest tests[64 * COLLET_COUNT(promises)];
    static char names[COLLET_COUNT(tests)][128];
    size_t n = 0;
    for (size_t k = 0; k < N_SUBJECTS; k++)
        for (size_t i = 0; i < COLLET_COUNT(promises) - (ONEDNN ? 2 : 0) && n < COLLET_COUNT(tests); i++, n++) {
            if (left_out(&subjects[k]))
                break;
            snprintf(names[n], sizeof names[n], "%s/%s/%s", promises[i].name, subjects[k].format, subjects[k].name);
            tests[n] = (struct CMUnitTest){ .name = names[n],
                                            .test_func = promises[i].run,
                                            .initial_state = (void *)(uintptr_t)&subjects[k] };
        }
    int failed = _cmocka_run_group_tests("matmul kernels", tests, n, NULL, NULL);
    if (!ONEDNN)
        failed += cmocka_run_group_tests_name("matmul modules", once, NULL, NULL);
    return failed;
}
