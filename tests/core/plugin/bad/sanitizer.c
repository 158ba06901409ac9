// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/sanitizer.c - says that it was built with another sanitizer than the host.
#include "fixture.h"

static const collet_plugin record = { .size = sizeof(collet_plugin),
                                      .abi_major = COLLET_ABI_MAJOR,
                                      .abi_minor = COLLET_ABI_MINOR,
                                      .sanitizer = COLLET_SANITIZER == COLLET_SANITIZER_ADDRESS
                                                       ? COLLET_SANITIZER_NONE
                                                       : COLLET_SANITIZER_ADDRESS,
                                      .layout_hash = COLLET_LAYOUT_HASH,
                                      .n_modules = 1,
                                      .id = "fixture",
                                      .version = "1.0",
                                      .modules = fixture_modules };
COLLET_PLUGIN(record)
