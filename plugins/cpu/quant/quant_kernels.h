// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quant_kernels.h - fast encoders, and the modules cpu.quant.<format>.<level> that they are.
//
// collet_cpu_quantize_<format>_<level> is collet_quantize_<format> of plugins/common/formats.h, the twin, faster: it
// writes the same bytes for finite values, at every level. So a file does not depend on the machine that made it.
//
// Memory:  src and imatrix aligned as floats are, dst to nothing.  Threads: [any-thread] pure
#ifndef COLLET_PLUGINS_CPU_QUANT_QUANT_KERNELS_H
#define COLLET_PLUGINS_CPU_QUANT_QUANT_KERNELS_H

#include "collet/plugin/plugin.h"
#include "plugins/common/formats.h"

#define QUANTIZER(level, isa, f, ggml, elems, bytes)      \
    collet_quantize_fn collet_cpu_quantize_##f##_##level; \
    extern const collet_module collet_cpu_quant_##f##_##level;
#define CONVERTER(level, isa, f, ggml, elems, bytes)          \
    collet_dequantize_fn collet_cpu_dequantize_##f##_##level; \
    QUANTIZER(level, isa, f, ggml, elems, bytes)
#include "plugins/cpu/quant/quant_kernels.inc"
#undef QUANTIZER

#endif
