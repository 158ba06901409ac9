// SPDX-License-Identifier: Apache-2.0
// core/plugin/option.h - one typed option, as data: of a module, of the profile, of the command line.
//
// value.h types a text; this adds what a person needs when it does not fit: the range, the choices, the nearest one.
#ifndef COLLET_CORE_PLUGIN_OPTION_H
#define COLLET_CORE_PLUGIN_OPTION_H

#include <stdbool.h>

#include "core/plugin/registry.h"

// Types `text` for option `o`; out->is_set is 1. STR and ENUM lend `text`. An INT option whose default is "auto"
// accepts that word as 0.
// Errors: INVALID; the message has no place and no key: "'12q' is not a whole number (1..64, default 8)".
collet_status collet_option_parse(collet_value *out, const collet_option_info *o, const char *text, collet_error *err);

// The option's default; out->is_set is 0.  Errors: INVALID (a defect of the option's table).
collet_status collet_option_default(collet_value *out, const collet_option_info *o, collet_error *err);

// "8..256, default 16"; "warn or error, default warn"; "true or false". Returns out.
const char *collet_option_range(char *out, size_t n_out, const collet_option_info *o);

// "int", "size", ...
const char *collet_option_type_name(uint32_t type);

#endif
