// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/ctor_abort.c - aborts while it is mapped, with last words.
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"

__attribute__((constructor)) static void construct(void)
{
    fprintf(stderr, "fixture: the table of squares is missing\n");
    abort();
}

static const collet_plugin record = { FIXTURE_RECORD };
COLLET_PLUGIN(record)
