// SPDX-License-Identifier: Apache-2.0
// plugins/common/formats.c - the table of weight formats.
#include "plugins/common/formats.h"

#include <string.h>

const collet_format collet_formats[] = {
#define FORMAT(f, ggml, elems, bytes)      \
    { .name = #f,                          \
      .ggml_type = ggml,                   \
      .block_elems = elems,                \
      .block_bytes = bytes,                \
      .dequantize = collet_dequantize_##f, \
      .quantize = collet_quantize_##f },
#define DECODED(f, ggml, elems, bytes) \
    { .name = #f, .ggml_type = ggml, .block_elems = elems, .block_bytes = bytes, .dequantize = collet_dequantize_##f },
#include "plugins/common/formats.inc"
#undef FORMAT
#undef DECODED
};

const size_t collet_n_formats = sizeof collet_formats / sizeof collet_formats[0];

const collet_format *collet_format_find(const char *name)
{
    for (size_t i = 0; i < collet_n_formats; i++)
        if (strcmp(collet_formats[i].name, name) == 0)
            return &collet_formats[i];
    return NULL;
}
