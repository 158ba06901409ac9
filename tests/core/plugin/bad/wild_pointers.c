// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/wild_pointers.c - modules that point at nothing, each in another place, and one sound one.
#include "fixture.h"

#define WILD ((const void *)0x5a5a5a5a0000)

static const collet_module no_vt = {
    .size = sizeof no_vt, .id = "no.vt", .iface = COLLET_MATMUL_IFACE, .domain = "cpu", .ops = fixture_ops
};
static const collet_module vt = {
    .size = sizeof vt, .id = "vt", .iface = COLLET_MATMUL_IFACE, .domain = "cpu", .vt = WILD, .ops = fixture_ops
};
static const collet_module ops = {
    .size = sizeof ops, .id = "ops", .iface = COLLET_MATMUL_IFACE, .domain = "cpu", .vt = &fixture_vt, .ops = WILD
};
static const collet_module options = { FIXTURE_MODULE, .id = "options", .options = WILD };
static const collet_module id = { FIXTURE_MODULE, .id = WILD };
static const collet_module *const modules[] = { &no_vt, &vt, &ops, &options, &id, 0, WILD, &fixture_module };
static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = "fixture", .version = "1.0",
                                      .vendor = WILD,     .n_modules = 8,  .modules = modules };
COLLET_PLUGIN(record)
