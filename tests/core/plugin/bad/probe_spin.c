// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/probe_spin.c - its probe never returns, and uses a CPU for it.
#include "fixture.h"

static void probe(const collet_host *host, collet_probe *out)
{
    (void)host;
    (void)out;
    for (volatile int forever = 1; forever;)
        ;
}

static const collet_module module = { FIXTURE_MODULE, .id = "fixture.matmul", .probe = probe };
static const collet_module *const modules[] = { &module };
static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = "fixture", .version = "1.0", .n_modules = 1,
                                      .modules = modules };
COLLET_PLUGIN(record)
