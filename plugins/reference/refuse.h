// SPDX-License-Identifier: Apache-2.0
// plugins/reference/refuse.h - what supports() of every reference module checks, and how it says no.
#ifndef COLLET_PLUGINS_REFERENCE_REFUSE_H
#define COLLET_PLUGINS_REFERENCE_REFUSE_H

#include <stdbool.h>

#include "plugins/reference/reference.h"

// Writes caps->why and returns UNSUPPORTED.
collet_status collet_refuse(collet_op_caps *caps, const char *format, ...) COLLET_PRINTF(2, 3);

// Right number of tensors, none missing, params of at least n_params_bytes; refuses otherwise.
bool collet_desc_fits(const collet_op_desc *d, uint32_t n_in, uint32_t n_out, size_t n_params_bytes,
                      collet_op_caps *caps);

// f32 or i32 with n_dims dimensions, elements contiguous within a row.
bool collet_tensor_fits(const collet_tensor *t, uint32_t format, uint32_t n_dims, const char *what,
                        collet_op_caps *caps);

#endif
