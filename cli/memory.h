// SPDX-License-Identifier: Apache-2.0
// cli/memory.h - who owns how much: the rows that `generate --json` reports and `estimate` foretells under equal names.
#ifndef COLLET_CLI_MEMORY_H
#define COLLET_CLI_MEMORY_H

#include "cli/open.h"

#define COLLET_OWNERS_MAX 96

typedef struct collet_owner {
    char name[96]; // "weights, q4_k as q4_k.r8"; "weights, f32 mapped"; "kv cache"; "tokenizer"
    uint64_t n_bytes;
} collet_owner;

typedef struct collet_owners {
    collet_owner rows[COLLET_OWNERS_MAX];
    size_t n;
} collet_owners;

// Adds to a row of that name, or makes it.
void collet_owners_add(collet_owners *owners, const char *name, uint64_t n_bytes);

// Weights by format, the buffers of the runtime by tag, the tokenizer.
void collet_owners_gather(collet_owners *owners, const collet_opened *o);

uint64_t collet_owners_sum(const collet_owners *owners);

#endif
