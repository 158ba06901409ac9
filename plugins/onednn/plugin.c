// SPDX-License-Identifier: Apache-2.0
// plugins/onednn/plugin.c - libcollet_onednn.so: matmul by oneDNN, and the model of how to wrap a vendor's library.
#include "plugins/onednn/onednn.h"

static const collet_module *const modules[] = { &collet_onednn_matmul };

static const collet_plugin plugin = {
    COLLET_PLUGIN_HEAD, .n_modules = COLLET_COUNT(modules),
    .id = "onednn",     .version = COLLET_VERSION,
    .vendor = "Collet", .license = "Apache-2.0",
    .modules = modules,
};

COLLET_PLUGIN(plugin)
