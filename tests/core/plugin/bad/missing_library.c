// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/missing_library.c - needs libnope.so.9, which is not here.
#include "fixture.h"

void fixture_nope(void);

static void close_module(void *mod)
{
    (void)mod;
    fixture_nope();
}

static const collet_module module = { FIXTURE_MODULE, .id = "fixture.matmul", .close = close_module };
static const collet_module *const modules[] = { &module };
static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = "fixture", .version = "1.0", .n_modules = 1,
                                      .modules = modules };
COLLET_PLUGIN(record)
