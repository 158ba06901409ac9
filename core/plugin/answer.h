// SPDX-License-Identifier: Apache-2.0
// core/plugin/answer.h - what is known of one file, as one JSON object: the scanner writes it, the cache keeps it, the
// registry reads it. Data only, never a pointer.
//
//     { "verdict": "ok", "phase": "", "why": "", "id": "acme", "version": "1.2", "vendor": "", "license": "",
//       "build": "", "abi": [0, 1],
//       "modules": [ { "id": "acme.matmul", "iface": "collet.matmul/0", "domain": "cpu", "summary": "", "tier": 2,
//                      "score": 5, "verdict": "ok", "why": "", "ops": ["matmul"],
//                      "options": [ { "key", "help", "default", "type", "min", "max", "choices": null or [...] } ] } ]
//                      }
#ifndef COLLET_CORE_PLUGIN_ANSWER_H
#define COLLET_CORE_PLUGIN_ANSWER_H

#include <jansson.h>
#include <stdbool.h>

#include "core/plugin/registry.h"

// "ok", "ignored", ...; and back: false when unknown.
const char *collet_verdict_name(collet_verdict verdict);
bool collet_verdict_parse(const char *name, collet_verdict *out);

// An answer without names and modules. NULL when memory ran out.
json_t *collet_answer_refusal(collet_verdict verdict, const char *phase, const char *format, ...) COLLET_PRINTF(3, 4);

// Has it every member, of the right type and within the limits? What came from a process or a file may be anything.
bool collet_answer_valid(json_t *answer);

// Fills *plugin from a valid answer; texts are lent by the answer as long as it lives. path, cached are left alone.
void collet_answer_plugin(collet_plugin_info *plugin, const json_t *answer);

// Fills modules[0..n_modules) from a valid answer; lists are allocated. Errors: NOMEM.
// Ownership: gives the lists; collet_answer_modules_free() frees those of a half-filled or zeroed array too.
collet_status collet_answer_modules(collet_module_info *modules, uint32_t n_modules, uint32_t plugin,
                                    const json_t *answer, collet_error *err);
void collet_answer_modules_free(collet_module_info *modules, uint32_t n_modules);

#endif
