// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/good_v2.c - good.c under the same plugin id, one version later.
#include "fixture.h"

static const collet_module module = { FIXTURE_MODULE, .id = "good.matmul" };
static const collet_module *const modules[] = { &module };
static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = "good", .version = "2.0", .n_modules = 1,
                                      .modules = modules };
COLLET_PLUGIN(record)
