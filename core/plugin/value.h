// SPDX-License-Identifier: Apache-2.0
// core/plugin/value.h - the text of an option, typed.
#ifndef COLLET_CORE_PLUGIN_VALUE_H
#define COLLET_CORE_PLUGIN_VALUE_H

#include "collet/plugin/plugin.h"

typedef struct collet_value_type {
    uint32_t type;              // COLLET_OPT_*
    double min, max;            // INT, FLOAT, BYTES: inclusive
    const char *const *choices; // ENUM: NULL-terminated
} collet_value_type;

// is_set stays 0: the caller knows who gave the text. STR and ENUM lend `text` itself.
// Errors: INVALID; the message begins with the quoted text: "'12q' is not a whole number".
collet_status collet_value_parse(collet_value *out, const collet_value_type *type, const char *text, collet_error *err);

#endif
