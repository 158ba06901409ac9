// SPDX-License-Identifier: Apache-2.0
// core/base/memory.c - Linux: /proc and the files of the control group. Elsewhere nothing is known.
#include "core/base/memory.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

// "VmRSS:     1234 kB" or "file 1234" of a file of such lines; false: no such line.
static bool read_field(const char *path, const char *name, uint64_t *value)
{
    char line[256];
    const size_t n = strlen(name);
    bool found = false;
    FILE *f = fopen(path, "re");
    while (f && !found && fgets(line, sizeof line, f))
        found = strncmp(line, name, n) == 0 && sscanf(line + n, " %" SCNu64, value) == 1;
    if (f)
        fclose(f);
    return found;
}

void collet_memory_use_get(collet_memory_use *out)
{
    uint64_t kib = 0;
    *out = (collet_memory_use){ 0 };
    if (read_field("/proc/self/status", "VmRSS:", &kib))
        out->resident = kib << 10;
    if (read_field("/proc/self/status", "RssFile:", &kib))
        out->resident_file = kib << 10;
    if (read_field("/proc/self/status", "VmHWM:", &kib))
        out->peak = kib << 10;
}

// What one control group leaves; UINT64_MAX: no limit.
static uint64_t group_left(const char *group)
{
    char path[1200];
    uint64_t max = 0, current = 0, cache = 0;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", group);
    if (!read_field(path, "", &max)) // "max" is no number
        return UINT64_MAX;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.current", group);
    if (!read_field(path, "", &current))
        return UINT64_MAX;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.stat", group);
    if (read_field(path, "file ", &cache))
        current -= cache < current ? cache : current;
    return max > current ? max - current : 0;
}

uint64_t collet_memory_available(void)
{
    char group[1024] = "";
    uint64_t kib = 0, left = 0;
    if (read_field("/proc/meminfo", "MemAvailable:", &kib))
        left = kib << 10;
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f && fgets(group, sizeof group, f) && strncmp(group, "0::/", 4) != 0)
        group[0] = '\0';
    if (f)
        fclose(f);
    if (!group[0])
        return left;
    group[strcspn(group, "\n")] = '\0';
    char *at = group + 3;
    if (strcmp(at, "/") == 0)
        *at = '\0';
    for (;;) { // its own limit, and those of the groups around it
        const uint64_t here = group_left(at);
        if (here != UINT64_MAX && (here < left || left == 0))
            left = here;
        if (!*at)
            return left;
        *strrchr(at, '/') = '\0';
    }
}
