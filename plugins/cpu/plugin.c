// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/plugin.c - libcollet_cpu.so: tuned kernels for x86-64 and AArch64. The levels of the machine at hand
// stand in the .inc files of each folder.
#include "plugins/cpu/attention/attention.h"
#include "plugins/cpu/matmul/matmul.h"
#include "plugins/cpu/ops/ops.h"
#include "plugins/cpu/quant/quant_kernels.h"

static const collet_module *const modules[] = {
#define LEVEL(level, isa, word, score, act, act_fine, tiles, pack_x, text) &collet_cpu_matmul_##level,
#include "plugins/cpu/matmul/matmul_levels.inc"
#undef LEVEL
    &collet_cpu_attention_flash,
#define LEVEL(level, isa, word, score, text) &collet_cpu_ops_##level,
#include "plugins/cpu/ops/ops_levels.inc"
#undef LEVEL
#define QUANTIZER(level, isa, f, ggml, elems, bytes) &collet_cpu_quant_##f##_##level,
#include "plugins/cpu/quant/quant_kernels.inc"
#undef QUANTIZER
};

static const collet_plugin plugin = {
    COLLET_PLUGIN_HEAD, .n_modules = COLLET_COUNT(modules),
    .id = "cpu",        .version = COLLET_VERSION,
    .vendor = "Collet", .license = "Apache-2.0",
    .modules = modules,
};

COLLET_PLUGIN(plugin)
