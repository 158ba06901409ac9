// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/entry_changes.c - its entry function returns another record each time.
#include "fixture.h"

static const collet_plugin records[2] = { { FIXTURE_RECORD }, { FIXTURE_RECORD } };
static int turn;

COLLET_EXPORT const collet_plugin *collet_plugin_entry(uint32_t host_major, uint32_t host_minor);
COLLET_EXPORT const collet_plugin *collet_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    (void)host_major;
    (void)host_minor;
    turn = !turn;
    return &records[turn];
}
