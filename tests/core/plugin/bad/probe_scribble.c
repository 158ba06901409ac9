// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/probe_scribble.c - its probe writes to descriptors that it did not open.
#include <unistd.h>

#include "fixture.h"

static void probe(const collet_host *host, collet_probe *out)
{
    (void)host;
    (void)out;
    for (int fd = 3; fd < 16; fd++)
        if (write(fd, "0123456789abcdefghijklmnopqrstuvwxyz", 36) < 0)
            continue;
}

static const collet_module module = { FIXTURE_MODULE, .id = "fixture.matmul", .probe = probe };
static const collet_module *const modules[] = { &module };
static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = "fixture", .version = "1.0", .n_modules = 1,
                                      .modules = modules };
COLLET_PLUGIN(record)
