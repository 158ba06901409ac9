// SPDX-License-Identifier: Apache-2.0
// core/model/recipe_names.c - the names of types and recipes (recipe.inc), looked up.
#include <ctype.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/model/recipe_internal.h"

static const entry entries[] = {
    { .name = "none", .kind = KIND_NONE },
    { .name = "false", .kind = KIND_NONE },
    { .name = "off", .kind = KIND_NONE },
    { .name = "0", .kind = KIND_NONE },
#define TYPE(n, f, w, ft) { .name = #n, .kind = KIND_TYPE, .format = f, .wide = w, .ftype = ft },
#define RECIPE(n, f, ft) { .name = #n, .kind = KIND_RECIPE, .format = f, .ftype = ft },
#define RULE(n, c, w, f)
#define MISTRAL(n, f, w, ft) { .name = #n, .kind = KIND_MISTRAL, .format = f, .wide = w, .ftype = ft },
#define OTHER(n, f) { .name = #n, .kind = KIND_OTHER, .format = f },
#include "core/model/recipe.inc"
#undef TYPE
#undef RECIPE
#undef RULE
#undef MISTRAL
#undef OTHER
};

static const entry *find_exact(const char *name)
{
    for (size_t i = 0; i < COLLET_COUNT(entries); i++)
        if (strcmp(entries[i].name, name) == 0)
            return &entries[i];
    return NULL;
}

// Upper and lower case alike; mistral.rs's names with _S, _M or _L after them are the names without.
static const entry *find_entry(const char *name)
{
    char lower[32];
    size_t n = strlen(name);
    if (n >= sizeof lower)
        return NULL;
    for (size_t i = 0; i <= n; i++)
        lower[i] = (char)tolower((unsigned char)name[i]);
    const entry *e = find_exact(lower);
    if (e || n < 3 || lower[n - 2] != '_' || !strchr("sml", lower[n - 1]))
        return e;
    lower[n - 2] = '\0';
    e = find_exact(lower);
    return e && e->kind == KIND_MISTRAL ? e : NULL;
}

const char *collet_recipe_name_at(size_t i)
{
    for (size_t k = 0; k < COLLET_COUNT(entries); k++)
        if (entries[k].kind != KIND_OTHER && (entries[k].kind != KIND_NONE || k == 0) && i-- == 0)
            return entries[k].name;
    return NULL;
}

collet_status collet_recipe_find(const entry **out, const char *name, const char *where, collet_error *err)
{
    const char *sep = where ? ": " : "";
    where = where ? where : "";
    const entry *e = find_entry(name);
    if (e && e->kind != KIND_OTHER) {
        *out = e;
        return COLLET_OK;
    }
    char shown[80];
    collet_escape(shown, sizeof shown, name, strlen(name));
    if (e)
        return collet_fail(err, COLLET_E_INVALID,
                           "%s%s%s is a format of mistral.rs that this version has not; %s is as wide", where, sep,
                           shown, e->format);
    const char *names[COLLET_COUNT(entries)];
    size_t n = 0;
    while ((names[n] = collet_recipe_name_at(n)) != NULL)
        n++;
    char lower[32] = { 0 };
    for (size_t i = 0; i < sizeof lower - 1 && name[i]; i++)
        lower[i] = (char)tolower((unsigned char)name[i]);
    const char *nearest = collet_nearest(lower, names, n);
    if (nearest)
        return collet_fail(err, COLLET_E_INVALID, "%s%sunknown weight format '%s'; did you mean '%s'?", where, sep,
                           shown, nearest);
    return collet_fail(err, COLLET_E_INVALID,
                       "%s%sunknown weight format '%s'; known are q4_k_m, q5_k_m, q8_0 and others: docs/FORMATS.md",
                       where, sep, shown);
}

collet_status collet_recipe_check_name(const char *name, collet_error *err)
{
    const entry *e = NULL;
    return collet_recipe_find(&e, name, NULL, err);
}
