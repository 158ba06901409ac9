// SPDX-License-Identifier: Apache-2.0
// core/base/memory.h - memory as the operating system counts it: of this process, and what the machine has left.
#ifndef COLLET_CORE_BASE_MEMORY_H
#define COLLET_CORE_BASE_MEMORY_H

#include "collet/base.h"

// All in bytes; 0: not known here.
typedef struct collet_memory_use {
    uint64_t resident;      // pages in memory now, those of mapped files included
    uint64_t resident_file; // of them, pages of mapped files: models, programs, libraries
    uint64_t peak;          // the largest `resident` has been
} collet_memory_use;
void collet_memory_use_get(collet_memory_use *out);

// What a new allocation could still get without swapping: of the machine, or of the control group (version 2) where
// that has less. Page cache that can be dropped counts as left.
uint64_t collet_memory_available(void);

#endif
