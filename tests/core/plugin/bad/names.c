// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/names.c - names and texts that nobody should trust, and one sound module.
#include "fixture.h"

#define K(s) s s s s s s s s s s s s s s s s s s s s s s s s s s s s s s s s
#define LONG_64 "0123456789012345678901234567890123456789012345678901234567890123"

static const collet_module format = { FIXTURE_MODULE, .id = "%s%n%s%n" };
static const collet_module upper = { FIXTURE_MODULE, .id = "Acme" };
static const collet_module empty = { FIXTURE_MODULE, .id = "" };
static const collet_module null = { FIXTURE_MODULE };
static const collet_module too_long = { FIXTURE_MODULE, .id = LONG_64 };
static const collet_module latin1 = { FIXTURE_MODULE, .id = "caf\xe9" };
static const collet_module twin = { FIXTURE_MODULE, .id = "fixture.matmul" };
static const collet_module texts = { .size = sizeof texts,
                                     .score = 1,
                                     .id = "texts",
                                     .iface = COLLET_MATMUL_IFACE,
                                     .domain = "cpu",
                                     .vt = &fixture_vt,
                                     .ops = fixture_ops,
                                     .summary = "%s%n \x1b[2J \xff " K(LONG_64) };
static const collet_module *const modules[] = { &format, &upper, &empty,          &null, &too_long,
                                                &latin1, &texts, &fixture_module, &twin };
static const collet_plugin record = { COLLET_PLUGIN_HEAD,   .id = "fixture", .version = "1.0 %s%n",
                                      .vendor = "\xf0\x28", .n_modules = 9,  .modules = modules };
COLLET_PLUGIN(record)
