// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/probes.c - one module per answer that a probe can give.
#include <string.h>

#include "fixture.h"

static void unavailable(const collet_host *host, collet_probe *out)
{
    (void)host;
    out->verdict = COLLET_PROBE_UNAVAILABLE;
    strcpy(out->why, "no such device: plug it in");
}

static void silent(const collet_host *host, collet_probe *out)
{
    (void)host;
    out->verdict = COLLET_PROBE_UNAVAILABLE;
}

static void unterminated(const collet_host *host, collet_probe *out)
{
    (void)host;
    out->verdict = 77; // no such verdict
    memset(out->why, 'x', sizeof out->why);
}

// Uses all that a probe may ask for.
static void curious(const collet_host *host, collet_probe *out)
{
    const collet_host_cpu *cpu = host->get(host->self, COLLET_HOST_CPU_ID);
    uint32_t name = host->intern(host->self, "q4_0");
    void *p = host->alloc(host->self, 100, 64);
    host->log(host->self, COLLET_LOG_INFO, "fixture", "asked");
    out->verdict = cpu && (cpu->isa_mask & COLLET_ISA_REF) && name &&
                           strcmp(host->name_of(host->self, name), "q4_0") == 0 && p && ((uintptr_t)p & 63) == 0 &&
                           host->workers(host->self) == 1
                       ? COLLET_PROBE_OK
                       : COLLET_PROBE_BROKEN;
    host->free(host->self, p);
}

static const collet_module a = { FIXTURE_MODULE, .id = "a", .probe = unavailable };
static const collet_module b = { FIXTURE_MODULE, .id = "b", .probe = silent };
static const collet_module c = { FIXTURE_MODULE, .id = "c", .probe = unterminated };
static const collet_module d = { FIXTURE_MODULE, .id = "d", .probe = curious };
static const collet_module *const modules[] = { &a, &b, &c, &d };
static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = "fixture", .version = "1.0", .n_modules = 4,
                                      .modules = modules };
COLLET_PLUGIN(record)
