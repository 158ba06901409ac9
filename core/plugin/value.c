// SPDX-License-Identifier: Apache-2.0
// core/plugin/value.c - one case per option type.
#include "core/plugin/value.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/text.h"

static collet_status in_range(const collet_value_type *type, double number, const char *text, collet_error *err)
{
    if (number >= type->min && number <= type->max) // false for NaN
        return COLLET_OK;
    return collet_fail(err, COLLET_E_INVALID, "'%s' is outside %.15g..%.15g", text, type->min, type->max);
}

static collet_status parse_bool(collet_value *out, const char *text, collet_error *err)
{
    out->u.i = strcmp(text, "true") == 0;
    if (out->u.i || strcmp(text, "false") == 0)
        return COLLET_OK;
    return collet_fail(err, COLLET_E_INVALID, "'%s' is neither true nor false", text);
}

static collet_status parse_int(collet_value *out, const char *text, collet_error *err)
{
    char *end = NULL;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end || errno != 0 || strchr(" \t\n", text[0]))
        return collet_fail(err, COLLET_E_INVALID, "'%s' is not a whole number", text);
    out->u.i = n;
    return COLLET_OK;
}

static collet_status parse_float(collet_value *out, const char *text, collet_error *err)
{
    char *end = NULL;
    double f = strtod(text, &end);
    if (end == text || *end || !isfinite(f) || strchr(" \t\n", text[0]))
        return collet_fail(err, COLLET_E_INVALID, "'%s' is not a number", text);
    out->u.f = f;
    return COLLET_OK;
}

static collet_status parse_enum(collet_value *out, const char *const *choices, const char *text, collet_error *err)
{
    for (size_t i = 0; choices && choices[i]; i++)
        if (strcmp(choices[i], text) == 0) {
            out->u.s = text;
            return COLLET_OK;
        }
    return collet_fail(err, COLLET_E_INVALID, "'%s' is not one of its choices", text);
}

collet_status collet_value_parse(collet_value *out, const collet_value_type *type, const char *text, collet_error *err)
{
    collet_value v = { .type = type->type };
    collet_status st = COLLET_OK;
    uint64_t n_bytes = 0;
    switch (type->type) {
    case COLLET_OPT_BOOL:
        st = parse_bool(&v, text, err);
        break;
    case COLLET_OPT_INT:
        st = parse_int(&v, text, err);
        if (st == COLLET_OK)
            st = in_range(type, (double)v.u.i, text, err);
        break;
    case COLLET_OPT_FLOAT:
        st = parse_float(&v, text, err);
        if (st == COLLET_OK)
            st = in_range(type, v.u.f, text, err);
        break;
    case COLLET_OPT_STR:
        v.u.s = text;
        break;
    case COLLET_OPT_ENUM:
        st = parse_enum(&v, type->choices, text, err);
        break;
    case COLLET_OPT_BYTES:
        if (!collet_parse_bytes(text, &n_bytes))
            return collet_fail(err, COLLET_E_INVALID, "'%s' is not a size such as 512MiB", text);
        v.u.i = (int64_t)n_bytes;
        st = in_range(type, (double)n_bytes, text, err);
        break;
    default:
        st = collet_fail(err, COLLET_E_INVALID, "'%s' is of the unknown type %u", text, type->type);
    }
    if (st == COLLET_OK)
        *out = v;
    return st;
}
