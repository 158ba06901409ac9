// SPDX-License-Identifier: Apache-2.0
// core/model/arch/arch.c
#include "core/model/arch/arch.h"

#define ARCH(name) extern const collet_arch name;
#include "core/model/arch/arch_list.inc"
#undef ARCH

const collet_arch *const collet_archs[] = {
#define ARCH(name) &name,
#include "core/model/arch/arch_list.inc"
#undef ARCH
};
const size_t collet_n_archs = COLLET_COUNT(collet_archs);
