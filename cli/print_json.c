// SPDX-License-Identifier: Apache-2.0
// cli/print_json.c
#include "cli/print_json.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/common.h"

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
