// SPDX-License-Identifier: Apache-2.0
// core/model/arch/arch.h - the list of architectures this build runs.
#ifndef COLLET_CORE_MODEL_ARCH_ARCH_H
#define COLLET_CORE_MODEL_ARCH_ARCH_H

#include "core/model/model.h"

extern const collet_arch *const collet_archs[];
extern const size_t collet_n_archs;

#endif
