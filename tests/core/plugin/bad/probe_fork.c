// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/probe_fork.c - its probe leaves a process behind that holds every pipe; it is sound otherwise.
#include <unistd.h>

#include "fixture.h"

static void probe(const collet_host *host, collet_probe *out)
{
    (void)host;
    if (fork() == 0)
        for (;;)
            pause();
    out->verdict = COLLET_PROBE_OK;
}

static const collet_module module = { FIXTURE_MODULE, .id = "fixture.matmul", .probe = probe };
static const collet_module *const modules[] = { &module };
static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = "fixture", .version = "1.0", .n_modules = 1,
                                      .modules = modules };
COLLET_PLUGIN(record)
