// SPDX-License-Identifier: Apache-2.0
// tests/support/op_call.c
#include "tests/support/op_call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

void collet_op_call_begin(collet_op_call *c, collet_test_host *h, const collet_module *module, const char *op,
                          const void *params)
{
    memset(c, 0, sizeof *c);
    c->host = h;
    c->module = module;
    c->vt = module->vt;
    c->desc = (collet_op_desc){ .size = sizeof c->desc,
                                .op = h->host.intern(h->host.self, op),
                                .phase = COLLET_PHASE_PREFILL,
                                .layer = 0,
                                .n_layers = 1,
                                .in = c->in_list,
                                .out = c->out_list,
                                .params = params };
    assert_int_equal(module->open(&h->host, NULL, 0, &c->mod, NULL), COLLET_OK);
}

void collet_op_call_end(collet_op_call *c)
{
    for (uint32_t i = 0; i < c->n_memory; i++)
        collet_guard_free(&c->memory[i]);
    c->module->close(c->mod);
    memset(c, 0, sizeof *c);
}

static collet_tensor make(collet_op_call *c, const char *format, uint32_t n_dims, const int64_t *shape, size_t n_bytes)
{
    collet_guard g = collet_guard_make(n_bytes);
    c->memory[c->n_memory++] = g;
    collet_tensor t = collet_test_tensor(c->host, format, g.data, n_dims, shape);
    static const char *const plain[] = { "f32", "i32", "f16", "bf16" };
    bool is_plain = false;
    for (size_t i = 0; i < COLLET_COUNT(plain); i++)
        is_plain = is_plain || strcmp(plain[i], format) == 0;
    if (!is_plain) {
        t.stride[n_dims - 1] = 0;
        t.stride[0] = (int64_t)n_bytes / shape[0];
    }
    t.n_bytes = n_bytes;
    return t;
}

void *collet_op_call_in(collet_op_call *c, const char *format, uint32_t n_dims, const int64_t *shape, size_t n_bytes)
{
    const uint32_t i = c->desc.n_in++;
    c->in[i] = make(c, format, n_dims, shape, n_bytes);
    c->in_list[i] = &c->in[i];
    return c->in[i].data;
}

void *collet_op_call_out(collet_op_call *c, const char *format, uint32_t n_dims, const int64_t *shape, size_t n_bytes)
{
    const uint32_t i = c->desc.n_out++;
    c->out[i] = make(c, format, n_dims, shape, n_bytes);
    c->out_list[i] = &c->out[i];
    return c->out[i].data;
}

void collet_op_call_in_place(collet_op_call *c)
{
    c->out[0] = c->in[0];
    c->out_list[0] = &c->out[0];
    c->desc.n_out = 1;
}

void collet_op_call_copy(collet_op_call *copy, const collet_op_call *c)
{
    *copy = *c;
    copy->desc.in = copy->in_list;
    copy->desc.out = copy->out_list;
    for (uint32_t i = 0; i < c->desc.n_in; i++)
        copy->in_list[i] = &copy->in[i];
    for (uint32_t i = 0; i < c->desc.n_out; i++)
        copy->out_list[i] = &copy->out[i];
}

const char *collet_op_call_refusal(collet_op_call *c)
{
    c->caps = (collet_op_caps){ .size = sizeof c->caps };
    const collet_status st = c->vt->supports(c->mod, &c->desc, &c->caps);
    if (st == COLLET_OK)
        return "";
    assert_int_equal(st, COLLET_E_UNSUPPORTED);
    assert_true(c->caps.why[0] != '\0');
    return c->caps.why;
}

void collet_op_call_run(collet_op_call *c)
{
    assert_string_equal(collet_op_call_refusal(c), "");
    collet_error err = COLLET_ERROR_INIT;
    void *inst = NULL;
    uint64_t ws_bytes = 0, plan_bytes = 0;
    assert_int_equal(c->vt->create(c->mod, &c->desc, &inst, &err), COLLET_OK);
    if (c->vt->prepare)
        assert_int_equal(c->vt->prepare(inst, &c->desc, &ws_bytes, &plan_bytes, &err), COLLET_OK);
    assert_int_equal(plan_bytes, 0); // modules with a plan bring their own harness
    collet_guard ws = collet_guard_make(ws_bytes);
    const collet_frame frame = { .size = sizeof frame,
                                 .n_in = c->desc.n_in,
                                 .n_out = c->desc.n_out,
                                 .queue = &c->host->queue,
                                 .in = c->in_list,
                                 .out = c->out_list,
                                 .ws = ws.data,
                                 .ws_bytes = ws_bytes,
                                 .err = &err };
    assert_int_equal(c->vt->run(inst, &frame), COLLET_OK);
    c->vt->destroy(inst);
    collet_guard_free(&ws);
}
