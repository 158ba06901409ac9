// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/two_faced.c - shows the scanner another record than the host.
#include <stdio.h>
#include <string.h>

#include "fixture.h"

static const collet_module shown = { FIXTURE_MODULE, .id = "shown.matmul" };
static const collet_module real = { FIXTURE_MODULE, .id = "real.matmul" };
static const collet_module *const shown_modules[] = { &shown };
static const collet_module *const real_modules[] = { &real };
static const collet_plugin records[] = {
    { COLLET_PLUGIN_HEAD, .id = "fixture", .version = "1.0", .n_modules = 1, .modules = shown_modules },
    { COLLET_PLUGIN_HEAD, .id = "fixture", .version = "1.0", .n_modules = 1, .modules = real_modules },
};

static int in_scanner(void)
{
    char name[32] = "";
    FILE *f = fopen("/proc/self/comm", "r");
    if (f && !fgets(name, sizeof name, f))
        name[0] = 0;
    if (f)
        fclose(f);
    return strncmp(name, "collet-scan", 11) == 0;
}

COLLET_EXPORT const collet_plugin *collet_plugin_entry(uint32_t host_major, uint32_t host_minor);
COLLET_EXPORT const collet_plugin *collet_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    (void)host_major;
    (void)host_minor;
    return &records[!in_scanner()];
}
