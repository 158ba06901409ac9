// SPDX-License-Identifier: Apache-2.0
// plugins/onednn/engine.h - what only files that call the library see.
#ifndef COLLET_PLUGINS_ONEDNN_ENGINE_H
#define COLLET_PLUGINS_ONEDNN_ENGINE_H

#include <oneapi/dnnl/dnnl.h>

#include "plugins/onednn/onednn.h"

struct onednn_engine {
    const collet_host *host;
    dnnl_engine_t engine;
    uint32_t n_workers;
    dnnl_stream_t *streams; // one for each worker
    bool has[ONEDNN_N_TYPES];
    onednn_product *products; // a list, newest first
};

// COLLET_OK, or an error that names the call: "oneDNN: dnnl_reorder...: unimplemented".
collet_status onednn_check(const collet_host *host, dnnl_status_t status, const char *call, collet_error *err);
#define ONEDNN_CALL(host, call, err) onednn_check(host, call, #call, err)

// y (n_tokens, 64) = x (n_tokens, n_columns) times 64 rows; s8: the same for n_groups groups of 32 columns, each with
// sums of its own. weights NULL: the library chooses their layout.
typedef struct onednn_shape {
    onednn_type type;
    uint32_t n_columns, n_groups, n_tokens;
} onednn_shape;
dnnl_status_t onednn_describe(dnnl_primitive_desc_t *out, const onednn_engine *e, const onednn_shape *shape,
                              const dnnl_memory_desc_t *weights);

// The layout of a block of weights, the same for all sizes of steps; s8: of n_groups groups.
dnnl_status_t onednn_weight_layout(dnnl_memory_desc_t *out, const onednn_engine *e, onednn_type type,
                                   uint32_t n_columns, uint32_t n_groups);

void onednn_product_destroy_all(onednn_engine *e);

#endif
