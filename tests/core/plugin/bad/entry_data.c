// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/entry_data.c - exports data under the entry's name.
#include "collet/base.h"

COLLET_EXPORT extern const uint64_t collet_plugin_entry[4];
COLLET_EXPORT const uint64_t collet_plugin_entry[4] = { 1, 2, 3, 4 };
