// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/ctor_sleep.c - sleeps while it is mapped.
#include <unistd.h>

#include "fixture.h"

__attribute__((constructor)) static void construct(void)
{
    sleep(1000);
}

static const collet_plugin record = { FIXTURE_RECORD };
COLLET_PLUGIN(record)
