// SPDX-License-Identifier: Apache-2.0
// core/model/codec.h - the module that decodes or encodes a weight format, chosen as the profile says.
#ifndef COLLET_CORE_MODEL_CODEC_H
#define COLLET_CORE_MODEL_CODEC_H

#include "collet/plugin/quant.h"
#include "core/plugin/runtime.h"

enum { COLLET_CODEC_DECODE = 0, COLLET_CODEC_ENCODE = 1 };

// One direction of one format, ready to be called from any thread.
typedef struct collet_codec {
    const collet_quant_vt *vt; // of full size; .quantize is set when ENCODE was asked for
    void *mod;
    const char *id; // of the module
} collet_codec;

// The first rule of slot `quant` that matches the format names modules in order; `any` is all others by tier, score and
// id. The first that has the format, and a quantizer if one is asked for, is taken.
//
// Ownership: lends until the runtime is destroyed
// Errors:    UNSUPPORTED  no module has the format, or none encodes it: the message says which
//            NOT_FOUND    the rule names a module that is not here
//            ABI, NOMEM   a module cannot be opened
// Threads:   [load]
collet_status collet_codec_find(collet_codec *out, collet_runtime *rt, const char *format, uint32_t direction,
                                collet_error *err);

#endif
