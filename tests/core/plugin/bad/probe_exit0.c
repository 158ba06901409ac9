// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/probe_exit0.c - its probe ends the process as if all were well.
#include <stdlib.h>

#include "fixture.h"

static void probe(const collet_host *host, collet_probe *out)
{
    (void)host;
    (void)out;
    exit(0);
}

static const collet_module module = { FIXTURE_MODULE, .id = "fixture.matmul", .probe = probe };
static const collet_module *const modules[] = { &module };
static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = "fixture", .version = "1.0", .n_modules = 1,
                                      .modules = modules };
COLLET_PLUGIN(record)
