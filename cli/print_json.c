// SPDX-License-Identifier: Apache-2.0
// cli/print_json.c
#include "cli/print_json.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/common.h"
#include "core/base/text.h"

int collet_cli_print_json(json_t *object, size_t flags)
{
    char *text = object ? json_dumps(object, flags) : NULL;
    json_decref(object);
    if (!text)
        return collet_cli_error(COLLET_EXIT_MEMORY, "no memory for the result");
    puts(text);
    free(text);
    return collet_cli_finish();
}

// Whole characters at the front, at most four bytes of them; 0: a byte that begins none.
static size_t whole_bytes(const char *text, size_t n_bytes)
{
    size_t n = n_bytes < 4 ? n_bytes : 4;
    json_t *some = NULL;
    while (n > 0 && !(some = json_stringn(text, n)))
        n--;
    json_decref(some);
    return n;
}

json_t *collet_cli_json_text(const char *text, size_t n_bytes, bool *lossy)
{
    json_t *whole = json_stringn(text, n_bytes);
    if (lossy)
        *lossy = !whole;
    if (whole)
        return whole;
    collet_text t = { 0 };
    for (size_t i = 0; i < n_bytes;) {
        size_t n = whole_bytes(text + i, n_bytes - i);
        if (n > 0)
            collet_text_add(&t, text + i, n);
        else
            collet_text_add(&t, "\xef\xbf\xbd", 3);
        i += n > 0 ? n : 1;
    }
    whole = t.failed ? NULL : json_stringn(t.data, t.n_bytes);
    collet_text_free(&t);
    return whole;
}
