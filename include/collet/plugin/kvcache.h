// SPDX-License-Identifier: Apache-2.0
// include/collet/plugin/kvcache.h - collet.kvcache/0: where keys and values live.
//
// The core owns block ids, reference counts and tables (which sequence uses which block); the module owns memory,
// element type and layout. A store is described in attention.h.
#ifndef COLLET_PLUGIN_KVCACHE_H
#define COLLET_PLUGIN_KVCACHE_H

#include "plugin.h"

#define COLLET_KVCACHE_IFACE "collet.kvcache/0"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct collet_kv_config {
    uint32_t size;
    uint32_t domain; // interned: where the stores must be
    uint32_t n_layers, n_kv_heads, head_dim;
    uint32_t n_seqs_max, context_max; // context_max in tokens
    uint32_t reserved;
} collet_kv_config;

typedef struct collet_kv_geometry {
    uint32_t size;
    uint32_t layout;       // interned: "kv.contiguous"
    uint32_t format;       // interned element type
    uint32_t block_tokens; // tokens per block
    uint32_t n_blocks;     // block ids are 0..n_blocks-1
    uint32_t reserved;
    uint64_t n_bytes; // of all layers
} collet_kv_geometry;

typedef struct collet_kvcache_vt {
    uint32_t size;
    uint32_t reserved;

    // What create() would make. Pure: used by explain and by memory estimates. Mandatory.
    // Errors: INVALID (options against config).  Threads: [any-thread]
    collet_status (*describe)(void *mod, const collet_kv_config *config, collet_kv_geometry *out, collet_error *err);

    // Ownership: gives *kv; destroy() frees.  Errors: NOMEM.  Threads: [load].  Mandatory both.
    collet_status (*create)(void *mod, const collet_kv_config *config, void **kv, collet_error *err);
    void (*destroy)(void *kv);

    // Views of layer's stores, (n_blocks, n_kv_heads, block_tokens, head_dim) each.
    // Ownership: lends until destroy().  Threads: [load].  Mandatory.
    collet_status (*views)(void *kv, uint32_t layer, collet_tensor *k, collet_tensor *v, collet_error *err);
} collet_kvcache_vt;

#ifdef __cplusplus
}
#endif
#endif
