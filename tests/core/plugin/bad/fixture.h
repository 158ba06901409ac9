// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/fixture.h - a sound matmul module and a sound record, for fixtures that break one thing each.
#ifndef COLLET_TESTS_FIXTURE_H
#define COLLET_TESTS_FIXTURE_H

#include "collet/plugin/matmul.h"

static collet_status fixture_supports(void *mod, const collet_op_desc *desc, collet_op_caps *caps)
{
    (void)mod;
    (void)desc;
    caps->why[0] = 'n';
    caps->why[1] = 'o';
    return COLLET_E_UNSUPPORTED;
}

static collet_status fixture_create(void *mod, const collet_op_desc *desc, void **inst, collet_error *err)
{
    (void)mod;
    (void)desc;
    (void)inst;
    (void)err;
    return COLLET_E_UNSUPPORTED;
}

static collet_status fixture_run(void *inst, const collet_frame *frame)
{
    (void)inst;
    (void)frame;
    return COLLET_OK;
}

static void fixture_destroy(void *inst)
{
    (void)inst;
}

#define FIXTURE_VT                                                                                            \
    .size = sizeof(collet_op_vt), .supports = fixture_supports, .create = fixture_create, .run = fixture_run, \
    .destroy = fixture_destroy

static const char *const fixture_ops[] = { COLLET_OP_MATMUL, 0 };
static const collet_op_vt fixture_vt = { FIXTURE_VT };

#define FIXTURE_MODULE                                                                                  \
    .size = sizeof(collet_module), .tier = COLLET_TIER_TUNED, .score = 1, .iface = COLLET_MATMUL_IFACE, \
    .domain = "cpu", .summary = "a fixture", .vt = &fixture_vt, .ops = fixture_ops

static const collet_module fixture_module __attribute__((unused)) = { FIXTURE_MODULE, .id = "fixture.matmul" };
static const collet_module *const fixture_modules[] __attribute__((unused)) = { &fixture_module };

#define FIXTURE_RECORD                                                                                                 \
    COLLET_PLUGIN_HEAD, .id = "fixture", .version = "1.0", .vendor = "tests", .license = "Apache-2.0", .n_modules = 1, \
                        .modules = fixture_modules

#endif
