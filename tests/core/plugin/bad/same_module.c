// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/same_module.c - another plugin with a module id of good.c.
#include "fixture.h"

static const collet_module module = { FIXTURE_MODULE, .id = "good.matmul" };
static const collet_module *const modules[] = { &module };
static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = "other", .version = "1.0", .n_modules = 1,
                                      .modules = modules };
COLLET_PLUGIN(record)
