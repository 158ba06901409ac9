// SPDX-License-Identifier: Apache-2.0
// plugins/reference/refuse.h - what supports() of every reference module checks, and how it says no.
#ifndef COLLET_PLUGINS_REFERENCE_REFUSE_H
#define COLLET_PLUGINS_REFERENCE_REFUSE_H

#include <stdbool.h>

#include "plugins/common/formats.h"
#include "plugins/reference/reference.h"

// Writes caps->why and returns UNSUPPORTED.
collet_status collet_refuse(collet_op_caps *caps, const char *format, ...) COLLET_PRINTF(2, 3);

// Right number of tensors, none missing, params of at least n_params_bytes; refuses otherwise.
bool collet_desc_fits(const collet_op_desc *d, uint32_t n_in, uint32_t n_out, size_t n_params_bytes,
                      collet_op_caps *caps);

// f32 or i32 with n_dims dimensions, canonical; a row is contiguous, and rows do not overlap.
bool collet_tensor_fits(const collet_tensor *t, uint32_t format, uint32_t n_dims, const char *what,
                        collet_op_caps *caps);

// Every stride is what the inner dimensions take: no gap between rows.
bool collet_tensor_dense(const collet_tensor *t, int64_t elem_bytes);

// The op's name is `name`.
bool collet_op_is(const collet_reference_mod *m, const collet_op_desc *d, const char *name);

// The weight format of `t` when it is canonical and its rows are whole blocks; NULL after refusing otherwise.
const collet_format *collet_weight_format(const collet_reference_mod *m, const collet_tensor *t, collet_op_caps *caps);

#endif
