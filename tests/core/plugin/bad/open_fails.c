// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/open_fails.c - its modules refuse to open: one with a reason, one without.
#include "fixture.h"

static collet_status with_reason(const collet_host *host, const collet_value *values, uint32_t n_values, void **mod,
                                 collet_error *err)
{
    (void)values;
    (void)n_values;
    (void)mod;
    return host->fail(err, COLLET_E_UNAVAILABLE, 0, "the driver is asleep");
}

static collet_status without(const collet_host *host, const collet_value *values, uint32_t n_values, void **mod,
                             collet_error *err)
{
    (void)host;
    (void)values;
    (void)n_values;
    (void)mod;
    (void)err;
    return -99; // a code that this core does not know
}

static const collet_module a = { FIXTURE_MODULE, .id = "a", .open = with_reason };
static const collet_module b = { FIXTURE_MODULE, .id = "b", .open = without };
static const collet_module *const modules[] = { &a, &b };
static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = "fixture", .version = "1.0", .n_modules = 2,
                                      .modules = modules };
COLLET_PLUGIN(record)
