// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/attention/attention_module.h - what the two halves of the module share: life cycle, and a step's work.
#ifndef COLLET_PLUGINS_CPU_ATTENTION_MODULE_H
#define COLLET_PLUGINS_CPU_ATTENTION_MODULE_H

#include "plugins/cpu/attention/attention.h"

typedef struct attention_inst {
    const collet_host *host;
    collet_cpu_attention_args args; // what never changes: heads, scale, softcap, window
    uint32_t n_kv_heads;
    collet_cpu_attention_fn decode, prefill; // op attention
    collet_cpu_kv_append_fn append;          // op kv_append; NULL otherwise
    uint32_t n_seqs_max;                     // of prepare()'s bucket
} attention_inst;

// Workspace of a step of up to n_seqs sequences on the host's workers.
uint64_t collet_cpu_attention_ws_bytes(const attention_inst *inst);

// Both ops of the interface: collet_op_vt.run.
collet_status collet_cpu_kv_append_run(const attention_inst *inst, const collet_frame *frame);
collet_status collet_cpu_attention_run(const attention_inst *inst, const collet_frame *frame);

#endif
