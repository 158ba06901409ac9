// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quant.c - a module for each line of quant_kernels.inc; most decode as the plain modules do.
#include "plugins/cpu/quant/quant_kernels.h"

#include <stdio.h>

#include "collet/plugin/host.h"
#include "collet/plugin/quant.h"

// Nothing is chosen at run time, so a level that is missing here takes the module out of the list. Unused where the
// table has no line for the machine.
__attribute__((unused)) static void need(const collet_host *host, uint32_t isa, const char *name, collet_probe *out)
{
    const collet_host_cpu *cpu = host->get(host->self, COLLET_HOST_CPU_ID);
    if (cpu && (cpu->isa_mask & isa))
        return;
    out->verdict = COLLET_PROBE_UNAVAILABLE;
    snprintf(out->why, sizeof out->why, "this CPU does not offer the level %s, or COLLET_ISA_MAX is below it", name);
}

#define QUANTIZER(level, isa, f, ggml, elems, bytes) MODULE(level, isa, f, ggml, elems, bytes, collet_dequantize_##f)
#define CONVERTER(level, isa, f, ggml, elems, bytes) \
    MODULE(level, isa, f, ggml, elems, bytes, collet_cpu_dequantize_##f##_##level)

#define MODULE(level, isa, f, ggml, elems, bytes, decode)                                           \
    static void probe_##f##_##level(const collet_host *host, collet_probe *out)                     \
    {                                                                                               \
        need(host, COLLET_ISA_##isa, #level, out);                                                  \
    }                                                                                               \
    static void dequantize_##f##_##level(void *mod, const void *src, float *dst, uint64_t n)        \
    {                                                                                               \
        (void)mod;                                                                                  \
        decode(src, dst, n);                                                                        \
    }                                                                                               \
    static collet_status quantize_##f##_##level(void *mod, const float *src, void *dst, uint64_t n, \
                                                const float *imatrix, collet_error *err)            \
    {                                                                                               \
        (void)mod;                                                                                  \
        (void)err;                                                                                  \
        collet_cpu_quantize_##f##_##level(src, dst, n, imatrix);                                    \
        return COLLET_OK;                                                                           \
    }                                                                                               \
    static const collet_quant_vt vt_##f##_##level = {                                               \
        .size = sizeof(collet_quant_vt),                                                            \
        .block_elems = elems,                                                                       \
        .block_bytes = bytes,                                                                       \
        .ggml_type = ggml,                                                                          \
        .format = #f,                                                                               \
        .dequantize = dequantize_##f##_##level,                                                     \
        .quantize = quantize_##f##_##level,                                                         \
    };                                                                                              \
    const collet_module collet_cpu_quant_##f##_##level = {                                          \
        .size = sizeof(collet_module),                                                              \
        .tier = COLLET_TIER_TUNED,                                                                  \
        .score = COLLET_ISA_##isa == COLLET_ISA_AVX512 ? 300 : 200,                                 \
        .id = "cpu.quant." #f "." #level,                                                           \
        .iface = COLLET_QUANT_IFACE,                                                                \
        .domain = "cpu",                                                                            \
        .summary = "encodes " #f " with " #isa ": the bytes of the plain encoder",                  \
        .vt = &vt_##f##_##level,                                                                    \
        .probe = probe_##f##_##level,                                                               \
    };
#include "plugins/cpu/quant/quant_kernels.inc"
#undef QUANTIZER
#undef MODULE
