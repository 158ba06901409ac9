// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_f32.c - plain floats: copied, since the file aligns them to nothing.
#include <string.h>

#include "plugins/common/formats.h"

void collet_dequantize_f32(const void *src, float *dst, uint64_t n)
{
    memcpy(dst, src, (size_t)n * sizeof *dst);
}

void collet_quantize_f32(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    (void)imatrix;
    memcpy(dst, src, (size_t)n * sizeof *src);
}
