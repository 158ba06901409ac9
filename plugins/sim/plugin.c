// SPDX-License-Identifier: Apache-2.0
// plugins/sim/plugin.c - libcollet_sim.so: the simulated device and the ops that run on it.
#include "plugins/sim/sim.h"

static const collet_module *const modules[] = {
    &collet_sim_device,
    &collet_sim_matmul,
    &collet_sim_attention,
    &collet_sim_ops,
};

static const collet_plugin plugin = {
    COLLET_PLUGIN_HEAD, .n_modules = COLLET_COUNT(modules),
    .id = "sim",        .version = COLLET_VERSION,
    .vendor = "Collet", .license = "Apache-2.0",
    .modules = modules,
};

COLLET_PLUGIN(plugin)
