// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/probe_deadlock.c - its probe waits for a lock that it holds.
#include <pthread.h>

#include "fixture.h"

static void probe(const collet_host *host, collet_probe *out)
{
    (void)host;
    (void)out;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    pthread_mutex_lock(&lock);
}

static const collet_module module = { FIXTURE_MODULE, .id = "fixture.matmul", .probe = probe };
static const collet_module *const modules[] = { &module };
static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = "fixture", .version = "1.0", .n_modules = 1,
                                      .modules = modules };
COLLET_PLUGIN(record)
