// SPDX-License-Identifier: Apache-2.0
// plugins/reference/quant/quant_modules.h - one collet.quant/0 module per weight format: "quant.q4_k".
#ifndef COLLET_PLUGINS_REFERENCE_QUANT_QUANT_MODULES_H
#define COLLET_PLUGINS_REFERENCE_QUANT_QUANT_MODULES_H

#include "collet/plugin/plugin.h"

// In the order of plugins/common/formats.inc.
#define FORMAT(f, ggml, elems, bytes) extern const collet_module collet_quant_##f;
#define DECODED(f, ggml, elems, bytes) extern const collet_module collet_quant_##f;
#include "plugins/common/formats.inc"
#undef FORMAT
#undef DECODED

#endif
