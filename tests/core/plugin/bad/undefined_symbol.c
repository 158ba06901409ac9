// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/undefined_symbol.c - calls a function that no library gives it.
#include "fixture.h"

void fixture_nobody_has_this(void);

static void close_module(void *mod)
{
    (void)mod;
    fixture_nobody_has_this();
}

static const collet_module module = { FIXTURE_MODULE, .id = "fixture.matmul", .close = close_module };
static const collet_module *const modules[] = { &module };
static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = "fixture", .version = "1.0", .n_modules = 1,
                                      .modules = modules };
COLLET_PLUGIN(record)
