// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/no_entry.c - a shared object like any other, without the entry symbol.
#include "collet/base.h"

COLLET_EXPORT int something_else(void);
COLLET_EXPORT int something_else(void)
{
    return 1;
}
