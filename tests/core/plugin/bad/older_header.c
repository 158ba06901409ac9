// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/older_header.c - built with an older header: shorter structs, each ending where unmapped memory
// begins.
#include <string.h>
#include <sys/mman.h>

#include "collet/plugin/quant.h"
#include "fixture.h"

#define PAGE 65536 // a multiple of every page size

static void dequantize(void *mod, const void *src, float *dst, uint64_t n)
{
    (void)mod;
    (void)src;
    for (uint64_t i = 0; i < n; i++)
        dst[i] = 1.0f;
}

// The first n_bytes of *from, at the very end of a mapping; a read of one byte more is a fault.
static void *at_edge(const void *from, size_t n_bytes)
{
    char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(pages + PAGE, PAGE, PROT_NONE);
    return memcpy(pages + PAGE - n_bytes, from, n_bytes);
}

static const collet_plugin *record;

// Without `quantize`; without probe, open, close; without shutdown.
__attribute__((constructor)) static void build(void)
{
    const size_t vt_bytes = offsetof(collet_quant_vt, quantize), module_bytes = offsetof(collet_module, probe),
                 plugin_bytes = offsetof(collet_plugin, shutdown);
    const collet_quant_vt vt = { .size = (uint32_t)vt_bytes,
                                 .block_elems = 32,
                                 .block_bytes = 4,
                                 .ggml_type = -1,
                                 .format = "fixture",
                                 .dequantize = dequantize };
    const collet_module module = { .size = (uint32_t)module_bytes,
                                   .score = 1,
                                   .id = "fixture.quant",
                                   .iface = COLLET_QUANT_IFACE,
                                   .domain = "cpu",
                                   .vt = at_edge(&vt, vt_bytes) };
    const collet_module *module_at = at_edge(&module, module_bytes);
    const collet_plugin plugin = { .size = (uint32_t)plugin_bytes,
                                   .abi_major = COLLET_ABI_MAJOR,
                                   .abi_minor = 0,
                                   .sanitizer = COLLET_SANITIZER,
                                   .n_modules = 1,
                                   .layout_hash = COLLET_LAYOUT_HASH,
                                   .id = "fixture",
                                   .version = "0.9",
                                   .modules = at_edge(&module_at, sizeof module_at) };
    record = at_edge(&plugin, plugin_bytes);
}

COLLET_EXPORT const collet_plugin *collet_plugin_entry(uint32_t host_major, uint32_t host_minor);
COLLET_EXPORT const collet_plugin *collet_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    (void)host_major;
    (void)host_minor;
    return record;
}
