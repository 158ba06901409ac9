// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/min_host_minor.c - needs a newer host than there is.
#include "fixture.h"

static const collet_plugin record = { .size = sizeof(collet_plugin),
                                      .abi_major = COLLET_ABI_MAJOR,
                                      .abi_minor = COLLET_ABI_MINOR + 6,
                                      .min_host_minor = COLLET_ABI_MINOR + 6,
                                      .sanitizer = COLLET_SANITIZER,
                                      .layout_hash = COLLET_LAYOUT_HASH,
                                      .n_modules = 1,
                                      .id = "fixture",
                                      .version = "1.0",
                                      .modules = fixture_modules };
COLLET_PLUGIN(record)
