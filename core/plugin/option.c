// SPDX-License-Identifier: Apache-2.0
// core/plugin/option.c
#include "core/plugin/option.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/plugin/value.h"

// DBL_MAX and int64 limits stand for "any" in a table.
#define ANY_NUMBER 9.0e15

static bool takes_auto(const collet_option_info *o)
{
    return o->type == COLLET_OPT_INT && o->dflt && strcmp(o->dflt, "auto") == 0;
}

static size_t n_choices(const collet_option_info *o)
{
    size_t n = 0;
    while (o->type == COLLET_OPT_ENUM && o->choices && o->choices[n])
        n++;
    return n;
}

static collet_status parse(collet_value *out, const collet_option_info *o, const char *text, collet_error *err)
{
    if (takes_auto(o) && strcmp(text, "auto") == 0) {
        *out = (collet_value){ .type = COLLET_OPT_INT };
        return COLLET_OK;
    }
    // The range is checked here, because the message says it in words: "auto or 1..1024".
    const collet_value_type type = { .type = o->type, .min = -INFINITY, .max = INFINITY, .choices = o->choices };
    collet_status st = collet_value_parse(out, &type, text, err);
    if (st != COLLET_OK || o->type == COLLET_OPT_BOOL || o->type == COLLET_OPT_STR || o->type == COLLET_OPT_ENUM)
        return st;
    double number = o->type == COLLET_OPT_FLOAT ? out->u.f : (double)out->u.i;
    if (number < o->min || number > o->max)
        return collet_fail(err, COLLET_E_INVALID, "'%s' is out of range", text);
    return COLLET_OK;
}

collet_status collet_option_parse(collet_value *out, const collet_option_info *o, const char *text, collet_error *err)
{
    collet_value value = { 0 };
    collet_error why = COLLET_ERROR_INIT;
    if (parse(&value, o, text, &why) == COLLET_OK) {
        value.is_set = 1;
        *out = value;
        return COLLET_OK;
    }
    char range[192];
    collet_option_range(range, sizeof range, o);
    const char *nearest = collet_nearest(text, o->choices, n_choices(o));
    switch (o->type) {
    case COLLET_OPT_ENUM:
        return nearest ? collet_fail(err, COLLET_E_INVALID, "'%s' is not one of its choices; did you mean '%s' (%s)?",
                                     text, nearest, range)
                       : collet_fail(err, COLLET_E_INVALID, "'%s' is not one of its choices (%s)", text, range);
    case COLLET_OPT_BOOL: // the message names both words
        return collet_fail(err, COLLET_E_INVALID, "'%s' is neither true nor false", text);
    default:
        return collet_fail(err, COLLET_E_INVALID, range[0] ? "%s (%s)" : "%s", why.msg, range);
    }
}

collet_status collet_option_default(collet_value *out, const collet_option_info *o, collet_error *err)
{
    collet_value value = { 0 };
    collet_error why = COLLET_ERROR_INIT;
    if (parse(&value, o, o->dflt ? o->dflt : "", &why) != COLLET_OK)
        return collet_fail(err, COLLET_E_INVALID, "%s: its own default is wrong: %s", o->key, why.msg);
    *out = value;
    return COLLET_OK;
}

static void add_number(collet_text *t, uint32_t type, double number)
{
    const uint64_t n = (uint64_t)number;
    if (type != COLLET_OPT_BYTES || n < 1024)
        collet_text_printf(t, "%.15g", number);
    else if (n % (1ull << 30) == 0)
        collet_text_printf(t, "%" PRIu64 "GiB", n >> 30);
    else if (n % (1ull << 20) == 0)
        collet_text_printf(t, "%" PRIu64 "MiB", n >> 20);
    else if (n % (1ull << 10) == 0)
        collet_text_printf(t, "%" PRIu64 "KiB", n >> 10);
    else
        collet_text_printf(t, "%" PRIu64, n);
}

static void add_limits(collet_text *t, const collet_option_info *o)
{
    bool below = o->min > -ANY_NUMBER, above = o->max < ANY_NUMBER;
    if (takes_auto(o))
        collet_text_printf(t, "auto or ");
    if (below && above) {
        add_number(t, o->type, takes_auto(o) && o->min == 0 ? 1 : o->min);
        collet_text_printf(t, "..");
        add_number(t, o->type, o->max);
    } else if (below) {
        collet_text_printf(t, "at least ");
        add_number(t, o->type, o->min);
    } else if (above) {
        collet_text_printf(t, "at most ");
        add_number(t, o->type, o->max);
    } else if (takes_auto(o)) {
        collet_text_printf(t, "a whole number");
    }
}

const char *collet_option_range(char *out, size_t n_out, const collet_option_info *o)
{
    collet_text t = { 0 };
    if (o->type == COLLET_OPT_BOOL)
        collet_text_printf(&t, "true or false");
    for (size_t i = 0, n = n_choices(o); i < n; i++)
        collet_text_printf(&t, "%s%s", i == 0 ? "" : i + 1 == n ? " or " : ", ", o->choices[i]);
    if (o->type == COLLET_OPT_INT || o->type == COLLET_OPT_FLOAT || o->type == COLLET_OPT_BYTES)
        add_limits(&t, o);
    if (o->dflt && o->dflt[0])
        collet_text_printf(&t, "%sdefault %s", t.n_bytes ? ", " : "", o->dflt);
    snprintf(out, n_out, "%s", t.data ? t.data : "");
    collet_text_free(&t);
    return out;
}

const char *collet_option_type_name(uint32_t type)
{
    static const char *const names[] = { "?", "bool", "int", "number", "text", "choice", "size" };
    return names[type < COLLET_COUNT(names) ? type : 0];
}
