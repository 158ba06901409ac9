// SPDX-License-Identifier: Apache-2.0
// core/model/weight.h - one tensor of a model file, and the packed forms that kernels asked for.
//
// The canonical bytes stay in the mapped file, or are made in a buffer when the weight is quantized while loading and
// an op reads them (isq.h). A packed form is made once per (layout, domain), shared by every op that wants it, and
// lives as long as the model. Small weights are copied out of the file, so that its pages need not stay.
#ifndef COLLET_CORE_MODEL_WEIGHT_H
#define COLLET_CORE_MODEL_WEIGHT_H

#include <stdbool.h>

#include "collet/plugin/host.h"

#define COLLET_WEIGHT_FORMS_MAX 4

struct collet_module_handle;
struct collet_isq_source;

typedef struct collet_weight_form {
    uint32_t layout;                           // interned; 0: the canonical bytes, copied
    const struct collet_module_handle *module; // that packs it; NULL for layout 0
    uint32_t row_group;                        // rows that pack() takes at a time
    collet_buffer *buffer;
    collet_tensor tensor; // as handed to ops
    bool begun;           // its packing or copy is under way
    bool ready;           // packed or copied
} collet_weight_form;

typedef struct collet_weight {
    const char *name;        // lent by the file: "blk.0.attn_q.weight"
    const char *format_name; // "q4_k"
    collet_tensor mapped;    // canonical, domain cpu: in the mapped file, or in `buffer`
    collet_weight_form forms[COLLET_WEIGHT_FORMS_MAX];
    uint32_t n_forms;
    bool canonical_needed;                  // an op reads the mapped bytes themselves
    const struct collet_isq_source *source; // quantized while loading, from here; NULL: the file has this format
    collet_buffer *buffer;                  // with source: of mapped.data; NULL while no op reads canonical bytes
    bool buffer_ready;                      // they are made
    bool counted;                           // in the line that says what was made
} collet_weight;

#endif
