// SPDX-License-Identifier: Apache-2.0
// plugins/reference/quant/quant_modules.c - the formats of plugins/common/formats.inc as modules: a line, a module.
#include "plugins/reference/quant/quant_modules.h"

#include "collet/plugin/quant.h"
#include "plugins/common/formats.h"

// The vtable's signatures for functions that need neither a module's state nor a way to fail.
#define DECODED(f, ggml, elems, bytes)                                             \
    static void dequantize_##f(void *mod, const void *src, float *dst, uint64_t n) \
    {                                                                              \
        (void)mod;                                                                 \
        collet_dequantize_##f(src, dst, n);                                        \
    }
#define FORMAT(f, ggml, elems, bytes)                                                                           \
    DECODED(f, ggml, elems, bytes)                                                                              \
    static collet_status quantize_##f(void *mod, const float *src, void *dst, uint64_t n, const float *imatrix, \
                                      collet_error *err)                                                        \
    {                                                                                                           \
        (void)mod;                                                                                              \
        (void)err;                                                                                              \
        collet_quantize_##f(src, dst, n, imatrix);                                                              \
        return COLLET_OK;                                                                                       \
    }
#include "plugins/common/formats.inc"
#undef FORMAT
#undef DECODED

#define MODULE(f, ggml, elems, bytes, quantize_or_null)                             \
    static const collet_quant_vt vt_##f = {                                         \
        .size = sizeof(collet_quant_vt),                                            \
        .block_elems = elems,                                                       \
        .block_bytes = bytes,                                                       \
        .ggml_type = ggml,                                                          \
        .format = #f,                                                               \
        .dequantize = dequantize_##f,                                               \
        .quantize = quantize_or_null,                                               \
    };                                                                              \
    const collet_module collet_quant_##f = {                                        \
        .size = sizeof(collet_module),                                              \
        .tier = COLLET_TIER_GENERIC,                                                \
        .score = 100,                                                               \
        .id = "quant." #f,                                                          \
        .iface = COLLET_QUANT_IFACE,                                                \
        .domain = "cpu",                                                            \
        .summary = "weight format " #f ": " #elems " elements in " #bytes " bytes", \
        .vt = &vt_##f,                                                              \
    };
#define FORMAT(f, ggml, elems, bytes) MODULE(f, ggml, elems, bytes, quantize_##f)
#define DECODED(f, ggml, elems, bytes) MODULE(f, ggml, elems, bytes, NULL)
#include "plugins/common/formats.inc"
#undef FORMAT
#undef DECODED
#undef MODULE
