// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/good.c - nothing is wrong with this one.
#include "fixture.h"

static const char *const modes[] = { "fast", "exact", 0 };
static const collet_option threshold = { .size = sizeof threshold,
                                         .type = COLLET_OPT_INT,
                                         .key = "threshold",
                                         .help = "Rows.",
                                         .dflt = "8",
                                         .min = 1,
                                         .max = 64 };
static const collet_option mode = {
    .size = sizeof mode, .type = COLLET_OPT_ENUM, .key = "mode", .help = "How.", .dflt = "exact", .choices = modes
};
static const collet_option *const options[] = { &threshold, &mode, 0 };

static int64_t seen_threshold;

static collet_status open(const collet_host *host, const collet_value *values, uint32_t n_values, void **mod,
                          collet_error *err)
{
    if (n_values != 2 || values[1].u.s[0] != 'e')
        return host->fail(err, COLLET_E_INVALID, 0, "two options were wanted");
    seen_threshold = values[0].u.i;
    *mod = &seen_threshold;
    return COLLET_OK;
}

static const collet_module module = { FIXTURE_MODULE, .id = "good.matmul", .options = options, .open = open };
static const collet_module *const modules[] = { &module };
static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = "good", .version = "1.0", .n_modules = 1,
                                      .modules = modules };
COLLET_PLUGIN(record)
