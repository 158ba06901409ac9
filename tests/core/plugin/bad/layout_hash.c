// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/layout_hash.c - built from other headers of the same ABI number.
#include "fixture.h"

static const collet_plugin record = { .size = sizeof(collet_plugin),
                                      .abi_major = COLLET_ABI_MAJOR,
                                      .abi_minor = COLLET_ABI_MINOR,
                                      .sanitizer = COLLET_SANITIZER,
                                      .layout_hash = COLLET_LAYOUT_HASH + 1,
                                      .n_modules = 1,
                                      .id = "fixture",
                                      .version = "1.0",
                                      .modules = fixture_modules };
COLLET_PLUGIN(record)
