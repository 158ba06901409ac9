// SPDX-License-Identifier: Apache-2.0
// plugins/reference/refuse.c
#include "plugins/reference/refuse.h"

#include <stdarg.h>
#include <stdio.h>

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

bool collet_tensor_fits(const collet_tensor *t, uint32_t format, uint32_t n_dims, const char *what,
                        collet_op_caps *caps)
{
    if (t->format != format || t->layout != 0)
        collet_refuse(caps, "%s: another element format or layout than this op has", what);
    else if (t->n_dims != n_dims)
        collet_refuse(caps, "%s: %u dimensions, wanted %u", what, t->n_dims, n_dims);
    else if (t->stride[n_dims - 1] != 4)
        collet_refuse(caps, "%s: elements of a row must be contiguous", what);
    else
        return true;
    return false;
}
