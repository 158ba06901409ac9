// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/unknown_iface.c - one module of an interface that this core does not know, one that it does.
#include "fixture.h"

static const collet_module future = {
    .size = sizeof future, .id = "future", .iface = "collet.telepathy/3", .domain = "cpu", .vt = (const void *)16
};
static const collet_module *const modules[] = { &future, &fixture_module };
static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = "fixture", .version = "1.0", .n_modules = 2,
                                      .modules = modules };
COLLET_PLUGIN(record)
