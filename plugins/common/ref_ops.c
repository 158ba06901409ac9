// SPDX-License-Identifier: Apache-2.0
// plugins/common/ref_ops.c
#include "plugins/common/ref_ops.h"

#include <math.h>
#include <string.h>

#include "collet/plugin/ops.h"

void collet_ref_embed(float *y, const int32_t *tokens, const void *table, const collet_format *format,
                      uint64_t row_bytes, uint32_t dim, float scale, uint32_t begin, uint32_t end)
{
    for (uint32_t r = begin; r < end; r++) {
        float *row = y + (size_t)r * dim;
        format->dequantize((const uint8_t *)table + (uint64_t)tokens[r] * row_bytes, row, dim);
        for (uint32_t i = 0; i < dim; i++)
            row[i] *= scale;
    }
}

void collet_ref_rmsnorm(float *y, const float *x, const float *w, uint32_t dim, float eps, uint32_t begin, uint32_t end)
{
    for (uint32_t r = begin; r < end; r++) {
        const float *in = x + (size_t)r * dim;
        float *out = y + (size_t)r * dim;
        double sum = 0.0;
        for (uint32_t i = 0; i < dim; i++)
            sum += (double)in[i] * in[i];
        const double scale = 1.0 / sqrt(sum / dim + (double)eps);
        for (uint32_t i = 0; i < dim; i++)
            out[i] = (float)(in[i] * scale * w[i]);
    }
}

static void rotate_head(const collet_ref_rope_args *a, float *y, const float *x, int32_t position)
{
    const uint32_t half = a->n_rot / 2;
    for (uint32_t i = 0; i < half; i++) {
        const uint32_t first = a->pairs == COLLET_ROPE_NORM ? 2 * i : i;
        const uint32_t second = a->pairs == COLLET_ROPE_NORM ? 2 * i + 1 : i + half;
        const double angle = (double)position * a->freq[i], u = x[first], v = x[second];
        y[first] = (float)((u * cos(angle) - v * sin(angle)) * a->mscale);
        y[second] = (float)((u * sin(angle) + v * cos(angle)) * a->mscale);
    }
    if (y != x)
        memcpy(y + a->n_rot, x + a->n_rot, (a->head_dim - a->n_rot) * sizeof *y);
}

void collet_ref_rope(const collet_ref_rope_args *a, uint32_t begin, uint32_t end)
{
    for (uint32_t t = begin; t < end; t++)
        for (uint32_t h = 0; h < a->n_heads; h++) {
            const size_t at = ((size_t)t * a->n_heads + h) * a->head_dim;
            rotate_head(a, a->y + at, a->x + at, a->positions[t]);
        }
}

void collet_ref_add(float *y, const float *a, const float *b, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++)
        y[i] = a[i] + b[i];
}

void collet_ref_silu_mul(float *y, const float *a, const float *b, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++)
        y[i] = (float)(a[i] / (1.0 + exp(-(double)a[i])) * b[i]);
}

void collet_ref_gelu_mul(float *y, const float *a, const float *b, size_t begin, size_t end)
{
    const double k = 0.79788456080286535588; // sqrt(2 / pi)
    for (size_t i = begin; i < end; i++) {
        const double x = a[i];
        y[i] = (float)(0.5 * x * (1.0 + tanh(k * (x + 0.044715 * x * x * x))) * b[i]);
    }
}

void collet_ref_softcap(float *y, const float *x, float cap, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++)
        y[i] = (float)(cap * tanh((double)x[i] / cap));
}
