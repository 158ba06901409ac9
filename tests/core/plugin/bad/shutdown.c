// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/shutdown.c - tells in a file when its module closes and when it is shut down.
//
// SHUTDOWN_NAME is the plugin's id. The file is named by COLLET_TEST_SHUTDOWN_LOG.
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"

static void tell(const char *what)
{
    const char *path = getenv("COLLET_TEST_SHUTDOWN_LOG");
    FILE *f = path ? fopen(path, "a") : NULL;
    if (!f)
        return;
    fprintf(f, "%s %s\n", what, SHUTDOWN_NAME);
    fclose(f);
}

static void close_module(void *mod)
{
    (void)mod;
    tell("close");
}

static void shut_down(void)
{
    tell("shutdown");
}

static const collet_module module = { FIXTURE_MODULE, .id = SHUTDOWN_NAME ".matmul", .close = close_module };
static const collet_module *const modules[] = { &module };
static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = SHUTDOWN_NAME, .version = "1.0",
                                      .n_modules = 1,     .modules = modules,  .shutdown = shut_down };
COLLET_PLUGIN(record)
