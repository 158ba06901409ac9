// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/ops_module.h - what the two halves of the module share: checks before, binding and running after.
#ifndef COLLET_PLUGINS_CPU_OPS_MODULE_H
#define COLLET_PLUGINS_CPU_OPS_MODULE_H

#include <stdbool.h>

#include "plugins/cpu/ops/ops.h"

typedef enum ops_kind {
    OPS_ADD,
    OPS_ADD_RMSNORM,
    OPS_EMBED,
    OPS_GELU_MUL,
    OPS_RMSNORM,
    OPS_ROPE,
    OPS_SILU_MUL,
    OPS_SOFTCAP,
    OPS_TAKE_ROWS,
    OPS_KINDS
} ops_kind;

// One open module: its level, and the ids it compares descriptors with.
typedef struct ops_module {
    const collet_host *host;
    const char *level; // the one it is named after, in messages
    uint32_t mask;     // levels whose kernels it may use; 0 when the host does not offer its own
    uint32_t op[OPS_KINDS];
    uint32_t f32, i32, cpu;
} ops_module;

// In the order of ops_kind, NULL-terminated: the module's list of ops.
extern const char *const collet_cpu_ops_names[OPS_KINDS + 1];

// The kind of `op`, OPS_KINDS when unknown.
ops_kind collet_cpu_ops_kind(const ops_module *m, uint32_t op);

// collet_op_vt.supports
collet_status collet_cpu_ops_supports(void *mod, const collet_op_desc *desc, collet_op_caps *caps);

#endif
