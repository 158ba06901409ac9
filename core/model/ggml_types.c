// SPDX-License-Identifier: Apache-2.0
// core/model/ggml_types.c - the ids that GGUF files give to weight formats.
#include "core/model/ggml_types.h"

#include <stddef.h>
#include <string.h>

#include "collet/base.h"

static const collet_ggml_type types[] = {
#define TYPE(i, f, elems, bytes) { .id = i, .format = f, .block_elems = elems, .block_bytes = bytes },
#define GONE(i, name, why) { .id = i, .gone_name = name, .gone_why = why },
#include "core/model/ggml_types.inc"
#undef TYPE
#undef GONE
};

const collet_ggml_type *collet_ggml_type_of(uint32_t id)
{
    for (size_t i = 0; i < COLLET_COUNT(types); i++)
        if (types[i].id == id)
            return &types[i];
    return NULL;
}

const collet_ggml_type *collet_ggml_type_named(const char *format)
{
    for (size_t i = 0; i < COLLET_COUNT(types); i++)
        if (types[i].format && strcmp(types[i].format, format) == 0)
            return &types[i];
    return NULL;
}
