// SPDX-License-Identifier: Apache-2.0
// core/plugin/record.h - a plugin's constant data, read with suspicion and copied into full-size structs.
//
// Both the scanner (which describes) and the host (which opens) read a record through these functions, so that what was
// scanned and what is used have passed the same checks. Nothing a plugin points at is followed without collet_peek().
// All errors are ABI; the message says what was seen, what was wanted and what to do, without the file, which the
// caller knows. Text of a plugin is escaped before it enters a message.
#ifndef COLLET_CORE_PLUGIN_RECORD_H
#define COLLET_CORE_PLUGIN_RECORD_H

#include "collet/plugin/plugin.h"
#include "core/plugin/iface.h"

#define COLLET_RECORD_TEXT_MAX 512 // bytes of a descriptive text after escaping; longer text is cut
#define COLLET_RECORD_LIST_MAX 128 // ops, choices, options of one module

// Copies a struct that begins with its size: out (n_bytes, zeroed before) gets what both sides know.
// `what` names it in the message.
collet_status collet_record_struct(void *out, size_t n_bytes, size_t n_bytes_min, const void *at, const char *what,
                                   collet_error *err);

// Copies a mandatory id, [a-z0-9._-]{1,63}. `what` names it in the message.
collet_status collet_record_id(char out[COLLET_ID_MAX + 1], const char *at, const char *what, collet_error *err);

// Copies a descriptive text, escaped and cut; NULL becomes "".
collet_status collet_record_text(char out[COLLET_RECORD_TEXT_MAX], const char *at, const char *what, collet_error *err);

// Copies the i-th pointer of a NULL-terminated list; *item is NULL at its end and when list is NULL.
collet_status collet_record_item(const void **item, const void *list, size_t i, const char *what, collet_error *err);

// The frozen prefix alone: names and versions, before anything is judged. Unreadable text becomes "".
typedef struct collet_record_names {
    char id[COLLET_RECORD_TEXT_MAX], version[COLLET_RECORD_TEXT_MAX], vendor[COLLET_RECORD_TEXT_MAX];
    char license[COLLET_RECORD_TEXT_MAX], url[COLLET_RECORD_TEXT_MAX], build[COLLET_RECORD_TEXT_MAX];
    uint32_t abi_major, abi_minor;
} collet_record_names;

// Checks size, ABI, layout, sanitizer, id; *out is a full-size copy of the record, its pointers still the plugin's.
// *names (may be NULL) is filled as far as the prefix could be read, on failure too.
collet_status collet_record_read(collet_plugin *out, collet_record_names *names, const collet_plugin *at,
                                 collet_error *err);

// A full-size copy of the record's i-th module.
collet_status collet_record_module(collet_module *out, const collet_plugin *record, uint32_t i, collet_error *err);

// A full-size copy of a declared option, checked: its default parses, lies within [min, max] or among the choices.
collet_status collet_record_option(collet_option *out, const collet_option *at, collet_error *err);

#endif
