// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/plugin.c - libcollet_cpu.so: tuned kernels for x86-64 with AVX2 or AVX-512.
#include "plugins/cpu/attention/attention.h"
#include "plugins/cpu/matmul/matmul.h"
#include "plugins/cpu/ops/ops.h"
#include "plugins/cpu/quant/quant_kernels.h"

static const collet_module *const modules[] = {
    &collet_cpu_matmul_avx2, &collet_cpu_matmul_avx512, &collet_cpu_matmul_amx, &collet_cpu_attention_flash,
    &collet_cpu_ops_avx2,    &collet_cpu_ops_avx512,
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
