// SPDX-License-Identifier: Apache-2.0
// core/plugin/describe.h - from a record in memory to an answer (answer.h).
#ifndef COLLET_CORE_PLUGIN_DESCRIBE_H
#define COLLET_CORE_PLUGIN_DESCRIBE_H

#include <jansson.h>

#include "core/plugin/registry.h"

typedef struct collet_describe_opts {
    const collet_host *host; // handed to probe()
    // Told before code of the plugin runs, so that whoever watches knows where it died; NULL: nobody watches.
    // phase: "describe", "probe"; module: "" or the id being asked.
    void (*phase)(void *ctx, const char *phase, const char *module);
    void *ctx;
} collet_describe_opts;

// Checks the record at any address, then each of its modules, and probes those that are sound. A bad record is an
// answer of verdict REJECTED, a bad module one of verdict BROKEN among its siblings. NULL when memory ran out.
json_t *collet_describe(const collet_plugin *record, const collet_describe_opts *opts);

// The same for the host, without probes: is the module that `expected` tells of still there and sound? Fills *module
// with a full-size copy and vt (of the interface's vt_bytes, zeroed) with the vtable. Errors: ABI.
collet_status collet_describe_again(collet_module *module, void *vt, const collet_plugin *record,
                                    const collet_module_info *expected, collet_error *err);

#endif
