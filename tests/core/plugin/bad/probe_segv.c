// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/probe_segv.c - its probe follows NULL.
#include "fixture.h"

static volatile int *volatile nowhere;

static void probe(const collet_host *host, collet_probe *out)
{
    (void)host;
    (void)out;
    *nowhere = 1;
}

static const collet_module module = { FIXTURE_MODULE, .id = "fixture.matmul", .probe = probe };
static const collet_module *const modules[] = { &module };
static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = "fixture", .version = "1.0", .n_modules = 1,
                                      .modules = modules };
COLLET_PLUGIN(record)
