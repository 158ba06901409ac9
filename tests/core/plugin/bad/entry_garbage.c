// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/entry_garbage.c - its entry function returns an address where nothing is.
#include "collet/plugin/plugin.h"

COLLET_EXPORT const collet_plugin *collet_plugin_entry(uint32_t host_major, uint32_t host_minor);
COLLET_EXPORT const collet_plugin *collet_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    (void)host_major;
    (void)host_minor;
    return (const collet_plugin *)16;
}
