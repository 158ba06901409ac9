// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/size.c - lies about the size of its record; FIXTURE_SIZE is one of several.
#include <string.h>
#include <sys/mman.h>

#include "fixture.h"

#define PAGE 65536

static const collet_plugin *record;

// The record lies before unmapped memory, so that a size can be more than there is.
__attribute__((constructor)) static void build(void)
{
    char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(pages + PAGE, PAGE, PROT_NONE);
    collet_plugin plugin = { FIXTURE_RECORD };
    plugin.size = FIXTURE_SIZE;
    record = memcpy(pages + PAGE - sizeof plugin, &plugin, sizeof plugin);
}

COLLET_EXPORT const collet_plugin *collet_plugin_entry(uint32_t host_major, uint32_t host_minor);
COLLET_EXPORT const collet_plugin *collet_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    (void)host_major;
    (void)host_minor;
    return record;
}
