// SPDX-License-Identifier: Apache-2.0
// plugins/reference/reference.h - the built-in plugin: a plain module for every op, the host's device, the formats.
#ifndef COLLET_PLUGINS_REFERENCE_REFERENCE_H
#define COLLET_PLUGINS_REFERENCE_REFERENCE_H

#include "collet/plugin/attention.h"
#include "collet/plugin/matmul.h"
#include "collet/plugin/ops.h"

extern const collet_plugin collet_reference_plugin;

// Its parts, also for plugins that run reference kernels in a domain of their own (plugins/sim).
extern const collet_module collet_cpu_device, collet_kv_contiguous;
extern const collet_module collet_cpu_matmul_ref, collet_cpu_attention_ref, collet_cpu_ops_ref;
extern const collet_op_vt collet_matmul_ref_vt, collet_attention_ref_vt, collet_ops_ref_vt;

// What every module here is opened into: the host and the interned names it compares with.
typedef struct collet_reference_mod {
    const collet_host *host;
    uint32_t f32, f16, i32, contiguous, paged;
} collet_reference_mod;
collet_status collet_reference_open(const collet_host *host, const collet_value *values, uint32_t n_values, void **mod,
                                    collet_error *err);
void collet_reference_close(void *mod);

#endif
