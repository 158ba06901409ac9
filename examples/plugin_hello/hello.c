// SPDX-License-Identifier: Apache-2.0
// examples/plugin_hello/hello.c - a whole plugin in one file: a matmul, naive and correct, for three weight formats.
//
// Read it from the end: the record says what is here, the vtable what it does, supports() what it refuses and why.
// Build it out of tree, with the public headers only, and use it through a profile:
//
//     cd examples/plugin_hello
//     cc -std=c11 -O2 -shared -fPIC -fvisibility=hidden -I ../../include -o libcollet_hello.so hello.c
//     ../../build/release/bin/collet explain -m ../../models/smollm2-135m-instruct-q4_1.gguf --profile hello.yaml
#include <string.h>

#include "collet/plugin/matmul.h"

// ---- what the bytes of a weight mean (docs/FORMATS.md) ----

static float f16_to_f32(const uint8_t *bytes)
{
    uint32_t half = bytes[0] | (uint32_t)bytes[1] << 8;
    uint32_t sign = (half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 0) { // zero and subnormals
        float tiny = (float)fraction * 0x1p-24f;
        return sign ? -tiny : tiny;
    }
    uint32_t bits = sign | (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void decode_f32(const uint8_t *block, float *w)
{
    memcpy(w, block, sizeof *w);
}

// | d f16 | q 32 x i8 |:  w = d q
static void decode_q8_0(const uint8_t *block, float *w)
{
    float d = f16_to_f32(block);
    for (uint32_t i = 0; i < 32; i++)
        w[i] = d * (float)(int8_t)block[2 + i];
}

// | d f16 | m f16 | q 16 bytes |:  w = d q + m; low nibbles are the first half of the block
static void decode_q4_1(const uint8_t *block, float *w)
{
    float d = f16_to_f32(block), m = f16_to_f32(block + 2);
    for (uint32_t i = 0; i < 16; i++) {
        w[i] = d * (float)(block[4 + i] & 15) + m;
        w[i + 16] = d * (float)(block[4 + i] >> 4) + m;
    }
}

typedef struct format {
    const char *name;
    uint32_t block_elems, block_bytes;
    void (*decode)(const uint8_t *block, float *w);
} format;

#define BLOCK_ELEMS_MAX 32
static const format formats[] = {
    { .name = "f32", .block_elems = 1, .block_bytes = 4, .decode = decode_f32 },
    { .name = "q8_0", .block_elems = 32, .block_bytes = 34, .decode = decode_q8_0 },
    { .name = "q4_1", .block_elems = 32, .block_bytes = 20, .decode = decode_q4_1 },
};

// ---- the module: what open() makes and every other function is given ----

typedef struct hello_mod {
    const collet_host *host;
    uint32_t f32, matmul; // interned
} hello_mod;

static collet_status open_mod(const collet_host *host, const collet_value *values, uint32_t n_values, void **mod,
                              collet_error *err)
{
    (void)values;
    (void)n_values; // no options
    hello_mod *m = host->alloc(host->self, sizeof *m, 16);
    if (!m)
        return host->fail(err, COLLET_E_NOMEM, 0, "hello.matmul: no memory");
    *m = (hello_mod){ .host = host,
                      .f32 = host->intern(host->self, "f32"),
                      .matmul = host->intern(host->self, COLLET_OP_MATMUL) };
    *mod = m;
    return COLLET_OK;
}

static void close_mod(void *mod)
{
    hello_mod *m = mod;
    m->host->free(m->host->self, m);
}

// ---- the op ----

typedef struct hello_op {
    const hello_mod *mod;
    const format *format;
    uint32_t n_in, n_out;
} hello_op;

static collet_status refuse(collet_op_caps *caps, const char *why)
{
    strncpy(caps->why, why, sizeof caps->why - 1);
    caps->why[sizeof caps->why - 1] = '\0';
    return COLLET_E_UNSUPPORTED;
}

static const format *format_of(const hello_mod *m, const collet_tensor *w)
{
    const char *name = m->host->name_of(m->host->self, w->format);
    for (size_t i = 0; name && i < COLLET_COUNT(formats); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

static collet_status supports(void *mod, const collet_op_desc *desc, collet_op_caps *caps)
{
    const hello_mod *m = mod;
    if (desc->op != m->matmul || desc->n_in != 2 || desc->n_out != 1)
        return refuse(caps, "matmul only");
    if (desc->in[0]->format != m->f32 || desc->out[0]->format != m->f32)
        return refuse(caps, "activations are f32 here");
    const collet_tensor *w = desc->in[1];
    const format *f = format_of(m, w);
    if (!f || w->n_dims != 2 || w->shape[1] % f->block_elems != 0)
        return refuse(caps, "weights are (n_out, n_in) of f32, q8_0 or q4_1 here");
    caps->capture = COLLET_CAPTURE_UNIFORM; // run() keeps nothing from call to call
    return COLLET_OK;                       // caps->layout stays 0: weights as they are in the file
}

static collet_status create(void *mod, const collet_op_desc *desc, void **inst, collet_error *err)
{
    const hello_mod *m = mod;
    hello_op *op = m->host->alloc(m->host->self, sizeof *op, 16);
    if (!op)
        return m->host->fail(err, COLLET_E_NOMEM, 0, "hello.matmul: no memory");
    *op = (hello_op){ .mod = m,
                      .format = format_of(m, desc->in[1]),
                      .n_in = (uint32_t)desc->in[1]->shape[1],
                      .n_out = (uint32_t)desc->in[1]->shape[0] };
    *inst = op;
    return COLLET_OK;
}

typedef struct job { // what one run() shares with its tasks
    const hello_op *op;
    const collet_tensor *x, *w, *y;
    uint32_t n_tasks;
} job;

static float dot(const format *f, const uint8_t *row, const float *x, uint32_t n_in)
{
    double sum = 0.0; // double, so that a difference is always the other kernel's
    float w[BLOCK_ELEMS_MAX];
    for (uint32_t i = 0; i < n_in; i += f->block_elems, row += f->block_bytes) {
        f->decode(row, w);
        for (uint32_t k = 0; k < f->block_elems; k++)
            sum += (double)w[k] * x[i + k];
    }
    return (float)sum;
}

// Rows of the weight are dealt in contiguous runs, so that each worker streams its own memory.
static void run_task(void *ctx, uint32_t task, uint32_t worker)
{
    (void)worker;
    const job *j = ctx;
    const format *f = j->op->format;
    uint32_t n_in = j->op->n_in, n_out = j->op->n_out;
    size_t row_bytes = (size_t)n_in / f->block_elems * f->block_bytes;
    uint32_t begin = (uint32_t)((uint64_t)n_out * task / j->n_tasks);
    uint32_t end = (uint32_t)((uint64_t)n_out * (task + 1) / j->n_tasks);
    for (int64_t t = 0; t < j->x->shape[0]; t++) {
        const float *x = (const float *)((const char *)j->x->data + t * j->x->stride[0]);
        float *y = (float *)((char *)j->y->data + t * j->y->stride[0]);
        for (uint32_t o = begin; o < end; o++)
            y[o] = dot(f, (const uint8_t *)j->w->data + o * row_bytes, x, n_in);
    }
}

static collet_status run(void *inst, const collet_frame *frame)
{
    const hello_op *op = inst;
    const collet_host *host = op->mod->host;
    job j = {
        .op = op, .x = frame->in[0], .w = frame->in[1], .y = frame->out[0], .n_tasks = host->workers(host->self)
    };
    host->parallel(host->self, j.n_tasks, run_task, &j);
    return COLLET_OK;
}

static void destroy(void *inst)
{
    hello_op *op = inst;
    if (op)
        op->mod->host->free(op->mod->host->self, op);
}

static const collet_op_vt matmul_vt = {
    .size = sizeof(collet_op_vt),
    .supports = supports, // mandatory
    .create = create,     // mandatory
    .prepare = NULL,      // no workspace
    .plan = NULL,         // nothing varies from step to step
    .run = run,           // mandatory
    .pack_size = NULL,    // canonical weights
    .pack = NULL,
    .destroy = destroy, // mandatory
};

// ---- the record ----

static const char *const ops[] = { COLLET_OP_MATMUL, NULL };
static const collet_module matmul = {
    .size = sizeof(collet_module),
    .tier = COLLET_TIER_GENERIC,
    .score = 0, // never chosen by `any`: only where a profile names it
    .id = "hello.matmul",
    .iface = COLLET_MATMUL_IFACE,
    .domain = "cpu",
    .summary = "f32, q8_0 and q4_1 weights, one dot product at a time",
    .vt = &matmul_vt,
    .ops = ops,
    .open = open_mod,
    .close = close_mod,
};
static const collet_module *const modules[] = { &matmul };

static const collet_plugin hello = {
    COLLET_PLUGIN_HEAD, .n_modules = COLLET_COUNT(modules),
    .id = "hello",      .version = "0.1.0",
    .vendor = "Collet", .license = "Apache-2.0",
    .modules = modules,
};
COLLET_PLUGIN(hello)
