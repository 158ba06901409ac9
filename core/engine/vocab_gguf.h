// SPDX-License-Identifier: Apache-2.0
// core/engine/vocab_gguf.h - the tokenizer that a GGUF file describes.
#ifndef COLLET_CORE_ENGINE_VOCAB_GGUF_H
#define COLLET_CORE_ENGINE_VOCAB_GGUF_H

#include "core/model/gguf.h"
#include "core/text/tokenizer.h"

// Reads the keys tokenizer.ggml.*; the file may be closed afterwards.
//
// Ownership: gives *out, collet_tokenizer_destroy() frees
// Errors:    FORMAT       a key is missing, of another type, or arrays differ in length: the message names the key
//            UNSUPPORTED  a tokenizer model or pre-tokenizer that core/text does not know
//            NOMEM
//            messages begin with the file's path
collet_status collet_tokenizer_from_gguf(collet_tokenizer **out, const collet_gguf *g, collet_error *err);

#endif
