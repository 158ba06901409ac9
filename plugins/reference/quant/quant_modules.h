// SPDX-License-Identifier: Apache-2.0
// plugins/reference/quant/quant_modules.h - one collet.quant/0 module per weight format: "quant.q4_k".
#ifndef COLLET_PLUGINS_REFERENCE_QUANT_QUANT_MODULES_H
#define COLLET_PLUGINS_REFERENCE_QUANT_QUANT_MODULES_H

#include "collet/plugin/plugin.h"

// In the order of plugins/common/formats.inc; constant, for the plugin's record.
extern const collet_module *const collet_reference_quant_modules[];
extern const uint32_t collet_reference_n_quant_modules;

#endif
