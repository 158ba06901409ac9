// SPDX-License-Identifier: Apache-2.0
// plugins/reference/refuse.c
#include "plugins/reference/refuse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

collet_status collet_refuse(collet_op_caps *caps, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(caps->why, sizeof caps->why, format, args);
    va_end(args);
    return COLLET_E_UNSUPPORTED;
}

bool collet_desc_fits(const collet_op_desc *d, uint32_t n_in, uint32_t n_out, size_t n_params_bytes,
                      collet_op_caps *caps)
{
    bool fits = d->n_in == n_in && d->n_out == n_out;
    if (!fits)
        collet_refuse(caps, "%u inputs and %u outputs, wanted %u and %u", d->n_in, d->n_out, n_in, n_out);
    for (uint32_t i = 0; fits && i < n_in + n_out; i++)
        if (!(i < n_in ? d->in[i] : d->out[i - n_in])) {
            collet_refuse(caps, "tensor %u is missing", i);
            fits = false;
        }
    // Every params struct begins with its size.
    if (fits && n_params_bytes > 0 && (!d->params || *(const uint32_t *)d->params < n_params_bytes)) {
        collet_refuse(caps, "params of %u bytes, wanted %zu", d->params ? *(const uint32_t *)d->params : 0,
                      n_params_bytes);
        fits = false;
    }
    return fits;
}

static bool rows_apart(const collet_tensor *t)
{
    int64_t inner = 4;
    for (uint32_t d = t->n_dims; d-- > 0; inner = t->stride[d] * t->shape[d])
        if (t->stride[d] % 4 != 0 || t->stride[d] < inner)
            return false;
    return true;
}

bool collet_tensor_fits(const collet_tensor *t, uint32_t format, uint32_t n_dims, const char *what,
                        collet_op_caps *caps)
{
    if (t->format != format || t->layout != 0)
        collet_refuse(caps, "%s: another element format or layout than this op has", what);
    else if (t->n_dims != n_dims)
        collet_refuse(caps, "%s: %u dimensions, wanted %u", what, t->n_dims, n_dims);
    else if (t->stride[n_dims - 1] != 4)
        collet_refuse(caps, "%s: elements of a row must be contiguous", what);
    else if (!rows_apart(t))
        collet_refuse(caps, "%s: rows must be whole elements apart and not overlap", what);
    else
        return true;
    return false;
}

bool collet_tensor_dense(const collet_tensor *t, int64_t elem_bytes)
{
    int64_t stride = elem_bytes;
    for (uint32_t d = t->n_dims; d-- > 0; stride *= t->shape[d])
        if (t->stride[d] != stride)
            return false;
    return true;
}

bool collet_op_is(const collet_reference_mod *m, const collet_op_desc *d, const char *name)
{
    const char *op = m->host->name_of(m->host->self, d->op);
    return op && strcmp(op, name) == 0;
}

const collet_format *collet_weight_format(const collet_reference_mod *m, const collet_tensor *t, collet_op_caps *caps)
{
    const char *name = m->host->name_of(m->host->self, t->format);
    const collet_format *format = name ? collet_format_find(name) : NULL;
    if (!format)
        collet_refuse(caps, "weight format %s: not decoded here", name ? name : "?");
    else if (t->layout != 0)
        collet_refuse(caps, "packed weights: canonical ones only");
    else if (t->n_dims != 2 || t->shape[1] <= 0 || t->shape[1] % format->block_elems != 0)
        collet_refuse(caps, "weight: 2 dimensions and rows of whole blocks of %u only", format->block_elems);
    else
        return format;
    return NULL;
}
