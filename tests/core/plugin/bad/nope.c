// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/nope.c - the library that missing_library needs and nobody installs.
#include "collet/base.h"

COLLET_EXPORT void fixture_nope(void);
COLLET_EXPORT void fixture_nope(void)
{
}
