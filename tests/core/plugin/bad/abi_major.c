// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/abi_major.c - built for the next ABI major: only the frozen prefix may be read.
#include "fixture.h"

// A host of this major that followed `modules` would crash here.
static const collet_plugin record = { .size = sizeof(collet_plugin),
                                      .abi_major = COLLET_ABI_MAJOR + 1,
                                      .abi_minor = 4,
                                      .n_modules = 1,
                                      .layout_hash = 1,
                                      .id = "fixture",
                                      .version = "2.1",
                                      .modules = (const collet_module *const *)16 };
COLLET_PLUGIN(record)
