// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/ctor_noise.c - prints to stdout and floods stderr while it is mapped; it is sound otherwise.
#include <stdio.h>

#include "fixture.h"

__attribute__((constructor)) static void construct(void)
{
    static char line[1024];
    for (size_t i = 0; i + 1 < sizeof line; i++)
        line[i] = i % 64 == 63 ? '\n' : '.';
    printf("{ \"verdict\": \"ok\" }\n");
    fflush(stdout);
    for (int i = 0; i < 16384; i++) // 16 MiB
        fputs(line, stderr);
}

static const collet_plugin record = { FIXTURE_RECORD };
COLLET_PLUGIN(record)
