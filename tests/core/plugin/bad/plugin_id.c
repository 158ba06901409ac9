// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/plugin_id.c - its plugin id is a path.
#include "fixture.h"

static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = "../evil\n", .version = "1.0", .n_modules = 1,
                                      .modules = fixture_modules };
COLLET_PLUGIN(record)
