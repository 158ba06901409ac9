// SPDX-License-Identifier: Apache-2.0
// core/base/intern.h - names to small numbers, for one runtime.
#ifndef COLLET_CORE_BASE_INTERN_H
#define COLLET_CORE_BASE_INTERN_H

#include <stdbool.h>

#include "collet/base.h"

typedef struct collet_names collet_names;

// Ownership: gives; destroy frees, accepts NULL. NULL when memory ran out.
collet_names *collet_names_create(void);
void collet_names_destroy(collet_names *names);

// host->intern and host->name_of (host.h): 0 and NULL on failure.  Threads: [any-thread]
uint32_t collet_names_intern(collet_names *names, const char *name);
const char *collet_names_text(collet_names *names, uint32_t id);

// Did an intern() fail for want of memory since the last call? Whoever interned may not have looked.
bool collet_names_ran_out(collet_names *names);

#endif
