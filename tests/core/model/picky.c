// SPDX-License-Identifier: Apache-2.0
// tests/core/model/picky.c
#include "tests/core/model/picky.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/reference/reference.h"

picky_mode picky_how;
_Atomic uint32_t picky_n_packed;
uint64_t poor_bytes_max;

// ---- picky.matmul, mute.matmul: the module is the host ----

static collet_status open_host(const collet_host *host, const collet_value *values, uint32_t n_values, void **mod,
                               collet_error *err)
{
    (void)values;
    (void)n_values;
    (void)err;
    *mod = (void *)(uintptr_t)host;
    return COLLET_OK;
}

static collet_status picky_supports(void *mod, const collet_op_desc *desc, collet_op_caps *caps)
{
    const collet_host *host = mod;
    (void)desc;
    if (picky_how == PICKY_REFUSES) {
        snprintf(caps->why, sizeof caps->why, "only on Sundays");
        return COLLET_E_UNSUPPORTED;
    }
    if (picky_how != PICKY_CREATE_FAILS)
        caps->layout[picky_how == PICKY_PACKS_ACTIVATIONS ? 0 : 1] = host->intern(host->self, "picky.rows");
    return COLLET_OK;
}

static collet_status mute_supports(void *mod, const collet_op_desc *desc, collet_op_caps *caps)
{
    (void)mod;
    (void)desc;
    (void)caps;
    return COLLET_E_UNSUPPORTED;
}

static collet_status picky_create(void *mod, const collet_op_desc *desc, void **inst, collet_error *err)
{
    const collet_host *host = mod;
    (void)desc;
    *inst = (void *)(uintptr_t)64; // nobody may follow it, also not destroy() after a failure
    if (picky_how == PICKY_CREATE_FAILS)
        return host->fail(err, COLLET_E_UNSUPPORTED, 0, "out of screws");
    return COLLET_OK;
}

static collet_status picky_run(void *inst, const collet_frame *frame)
{
    (void)inst;
    (void)frame;
    return COLLET_OK;
}

static collet_status picky_pack_size(void *mod, const collet_tensor *weight, uint32_t layout, uint64_t *n_bytes,
                                     uint32_t *row_group, collet_error *err)
{
    (void)mod;
    (void)layout;
    (void)err;
    *n_bytes = weight->n_bytes;
    *row_group = 4;
    return COLLET_OK;
}

static collet_status picky_pack(void *mod, const collet_tensor *weight, const collet_tensor *packed, uint32_t row_begin,
                                uint32_t row_end, collet_error *err)
{
    const collet_host *host = mod;
    picky_n_packed++;
    if (picky_how == PICKY_PACK_FAILS)
        return host->fail(err, COLLET_E_NOMEM, 0, "the shelf is full");
    const size_t row_bytes = (size_t)weight->stride[0];
    memcpy((uint8_t *)packed->data + row_begin * row_bytes, (const uint8_t *)weight->data + row_begin * row_bytes,
           (row_end - row_begin) * row_bytes);
    return COLLET_OK;
}

static void picky_destroy(void *inst)
{
    if (inst && picky_how == PICKY_CREATE_FAILS)
        abort(); // there is no instance
}

static const collet_op_vt picky_vt = { .size = sizeof picky_vt,
                                       .supports = picky_supports,
                                       .create = picky_create,
                                       .run = picky_run,
                                       .pack_size = picky_pack_size,
                                       .pack = picky_pack,
                                       .destroy = picky_destroy };
static const collet_op_vt mute_vt = { .size = sizeof mute_vt,
                                      .supports = mute_supports,
                                      .create = picky_create,
                                      .run = picky_run,
                                      .destroy = picky_destroy };

// ---- fused.ops ----

typedef struct fused {
    void *add, *norm;
} fused;

static collet_status fused_supports(void *mod, const collet_op_desc *desc, collet_op_caps *caps)
{
    (void)mod;
    if (desc->n_in == 3 && desc->n_out == 2)
        return COLLET_OK;
    snprintf(caps->why, sizeof caps->why, "add_rmsnorm only");
    return COLLET_E_UNSUPPORTED;
}

static collet_status fused_create(void *mod, const collet_op_desc *desc, void **inst, collet_error *err)
{
    const collet_host *host = ((const collet_reference_mod *)mod)->host;
    const collet_tensor *norm_in[] = { desc->in[0], desc->in[2] }, *norm_out[] = { desc->out[1] };
    collet_op_desc add = *desc, norm = *desc;
    fused *f = calloc(1, sizeof *f);
    if (!f)
        return host->fail(err, COLLET_E_NOMEM, 0, "no memory");
    add.op = host->intern(host->self, "add");
    add.n_in = 2;
    add.n_out = 1;
    add.params = NULL;
    norm.op = host->intern(host->self, "rmsnorm");
    norm.n_in = 2;
    norm.n_out = 1;
    norm.in = norm_in;
    norm.out = norm_out;
    collet_status st = collet_ops_ref_vt.create(mod, &add, &f->add, err);
    if (st == COLLET_OK)
        st = collet_ops_ref_vt.create(mod, &norm, &f->norm, err);
    *inst = f;
    return st;
}

static collet_status fused_run(void *inst, const collet_frame *frame)
{
    const fused *f = inst;
    const collet_tensor *norm_in[] = { frame->in[0], frame->in[2] }, *norm_out[] = { frame->out[1] };
    collet_frame add = *frame, norm = *frame;
    add.n_in = norm.n_in = 2;
    add.n_out = norm.n_out = 1;
    norm.in = norm_in;
    norm.out = norm_out;
    collet_status st = collet_ops_ref_vt.run(f->add, &add);
    return st == COLLET_OK ? collet_ops_ref_vt.run(f->norm, &norm) : st;
}

static void fused_destroy(void *inst)
{
    fused *f = inst;
    if (!f)
        return;
    collet_ops_ref_vt.destroy(f->add);
    collet_ops_ref_vt.destroy(f->norm);
    free(f);
}

static const collet_op_vt fused_vt = { .size = sizeof fused_vt,
                                       .supports = fused_supports,
                                       .create = fused_create,
                                       .run = fused_run,
                                       .destroy = fused_destroy };

// ---- poor.device ----

static collet_status poor_info(void *mod, int32_t index, collet_device_info *out, collet_error *err)
{
    (void)mod;
    (void)index;
    (void)err;
    out->host_visible = 1;
    snprintf(out->name, sizeof out->name, "a poor machine");
    return COLLET_OK;
}

static collet_status poor_mem_alloc(void *mod, int32_t index, uint64_t n_bytes, void **data, collet_error *err)
{
    const collet_host *host = mod;
    (void)index;
    void *p = n_bytes <= poor_bytes_max ? host->alloc(host->self, n_bytes, 64) : NULL;
    if (!p)
        return host->fail(err, COLLET_E_NOMEM, 0, "out of memory");
    memset(p, 0, n_bytes);
    *data = p;
    return COLLET_OK;
}

static void poor_mem_free(void *mod, int32_t index, void *data, uint64_t n_bytes)
{
    const collet_host *host = mod;
    (void)index;
    (void)n_bytes;
    host->free(host->self, data);
}

static collet_status poor_queue_create(void *mod, int32_t index, collet_queue **out, collet_error *err)
{
    static collet_queue queue = { .size = sizeof queue };
    (void)mod;
    (void)index;
    (void)err;
    *out = &queue;
    return COLLET_OK;
}

static void poor_queue_destroy(void *mod, collet_queue *queue)
{
    (void)mod;
    (void)queue;
}

static collet_status poor_copy(void *mod, const collet_queue *queue, int32_t kind, void *dst, const void *src,
                               uint64_t n_bytes, collet_error *err)
{
    (void)mod;
    (void)queue;
    (void)kind;
    (void)err;
    memmove(dst, src, n_bytes);
    return COLLET_OK;
}

static collet_status poor_sync(void *mod, const collet_queue *queue, collet_error *err)
{
    (void)mod;
    (void)queue;
    (void)err;
    return COLLET_OK;
}

static const collet_device_vt poor_vt = { .size = sizeof poor_vt,
                                          .info = poor_info,
                                          .mem_alloc = poor_mem_alloc,
                                          .mem_free = poor_mem_free,
                                          .queue_create = poor_queue_create,
                                          .queue_destroy = poor_queue_destroy,
                                          .copy = poor_copy,
                                          .sync = poor_sync };

// ---- records ----

static const char *const matmul_ops[] = { COLLET_OP_MATMUL, NULL };
static const char *const fused_ops[] = { "add_rmsnorm", NULL };

#define MATMUL                                                                                               \
    .size = sizeof(collet_module), .tier = COLLET_TIER_TUNED, .iface = COLLET_MATMUL_IFACE, .domain = "cpu", \
    .summary = "of a test", .ops = matmul_ops
static const collet_module pick_a = { MATMUL, .id = "pick.a", .vt = &collet_matmul_ref_vt,
                                      .open = collet_reference_open, .close = collet_reference_close };
static const collet_module pick_b = { MATMUL, .id = "pick.b", .vt = &collet_matmul_ref_vt,
                                      .open = collet_reference_open, .close = collet_reference_close };
static const collet_module picky = { MATMUL, .id = "picky.matmul", .vt = &picky_vt, .open = open_host };
static const collet_module mute = { MATMUL, .id = "mute.matmul", .vt = &mute_vt, .open = open_host };
static const collet_module fused_module = { .size = sizeof(collet_module),
                                            .tier = COLLET_TIER_TUNED,
                                            .id = "fused.ops",
                                            .iface = COLLET_OPS_IFACE,
                                            .domain = "cpu",
                                            .summary = "of a test",
                                            .vt = &fused_vt,
                                            .ops = fused_ops,
                                            .open = collet_reference_open,
                                            .close = collet_reference_close };
static const collet_module poor = { .size = sizeof(collet_module),
                                    .tier = COLLET_TIER_VENDOR,
                                    .score = 1,
                                    .id = "poor.device",
                                    .iface = COLLET_DEVICE_IFACE,
                                    .domain = "cpu",
                                    .summary = "of a test",
                                    .vt = &poor_vt,
                                    .open = open_host };

static const collet_module *const picky_modules[] = { &pick_a, &pick_b, &picky, &mute, &fused_module };
const collet_plugin picky_plugin = { COLLET_PLUGIN_HEAD, .id = "picky", .version = "1",
                                     .n_modules = sizeof picky_modules / sizeof picky_modules[0],
                                     .modules = picky_modules };
static const collet_module *const poor_modules[] = { &poor };
const collet_plugin poor_plugin = { COLLET_PLUGIN_HEAD, .id = "poor", .version = "1", .n_modules = 1,
                                    .modules = poor_modules };
