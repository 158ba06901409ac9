// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/newer_header.c - built with a newer header: every struct is longer, and its tail is garbage to
// this core.
#include "fixture.h"

#define TAIL uint64_t tail[4]
#define GARBAGE .tail = { 0xdeadbeefdeadbeefull, 16, 0xffffffffffffffffull, 7 }

static const struct {
    collet_op_vt vt;
    TAIL;
} vt = { .vt = { .size = sizeof vt,
                 .supports = fixture_supports,
                 .create = fixture_create,
                 .run = fixture_run,
                 .destroy = fixture_destroy },
         GARBAGE };
static const struct {
    collet_module module;
    TAIL;
} module = { .module = { .size = sizeof module,
                         .tier = COLLET_TIER_TUNED,
                         .score = 1,
                         .iface = COLLET_MATMUL_IFACE,
                         .id = "fixture.matmul",
                         .domain = "cpu",
                         .vt = &vt,
                         .ops = fixture_ops },
             GARBAGE };
static const collet_module *const modules[] = { &module.module };
static const struct {
    collet_plugin plugin;
    TAIL;
} record = { .plugin = { .size = sizeof record,
                         .abi_major = COLLET_ABI_MAJOR,
                         .abi_minor = COLLET_ABI_MINOR + 3,
                         .min_host_minor = COLLET_ABI_MINOR,
                         .sanitizer = COLLET_SANITIZER,
                         .layout_hash = COLLET_LAYOUT_HASH,
                         .id = "fixture",
                         .version = "1.0",
                         .n_modules = 1,
                         .modules = modules },
             GARBAGE };
COLLET_PLUGIN(record.plugin)
