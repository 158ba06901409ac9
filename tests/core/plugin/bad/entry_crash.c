// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/entry_crash.c - its entry function follows NULL.
#include "collet/plugin/plugin.h"

static volatile int *volatile nowhere;

COLLET_EXPORT const collet_plugin *collet_plugin_entry(uint32_t host_major, uint32_t host_minor);
COLLET_EXPORT const collet_plugin *collet_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    (void)host_major;
    (void)host_minor;
    *nowhere = 1;
    return 0;
}
