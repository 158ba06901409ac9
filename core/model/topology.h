// SPDX-License-Identifier: Apache-2.0
// core/model/topology.h - a topology file of mistral.rs: which layers get which weight format, read as it reads them.
//
//     0-8:                                      # layers [0, 8)
//       isq: Q3K
//       device: cpu
//     24:                                       # one layer
//       isq: Q6K
//     '/model\.layers\.(\d+)\.self_attn\..*$/': # a regular expression, searched in the weight's full name
//       isq: Q8_0
//
// Order, exactly as theirs: ranges are sorted by where they end, then by where they stand, and a later one replaces an
// earlier one whole; so an exception inside a wider range is lost to the wider one. Of the expressions that match, the
// last one in the file wins, and an expression beats a range.
// Names: expressions are tried on the name of the weight in a Hugging Face checkpoint, which is made from the GGUF name
//        (model.layers.3.self_attn.q_proj.weight for blk.3.attn_q.weight), and on the GGUF name itself.
// Source: mistralrs-core/src/topology of mistral.rs 0.9. Expressions are PCRE2 here, Rust's regex there.
#ifndef COLLET_CORE_MODEL_TOPOLOGY_H
#define COLLET_CORE_MODEL_TOPOLOGY_H

#include <stdbool.h>

#include "collet/base.h"

typedef struct collet_topology collet_topology;

typedef struct collet_topology_entry {
    const char *selector; // as written
    const char *isq;      // as written; NULL: the entry says nothing about formats
    const char *where;    // "topology.yaml:3"
    bool matched;         // some lookup was decided by this entry, or would have been without a stronger one
} collet_topology_entry;

// Ownership: gives *out, close() frees and accepts NULL
// Errors:    NOT_FOUND, IO, NOMEM
//            INVALID  no such file format, selector or device: the message names file, line and what to write
collet_status collet_topology_open(collet_topology **out, const char *path, collet_error *err);
void collet_topology_close(collet_topology *t);

// The entry that decides about a weight of a layer (-1: outside the layers); NULL: none does.
const collet_topology_entry *collet_topology_find(collet_topology *t, const char *gguf_name, int32_t layer);

// Entries in the order of the file.
size_t collet_topology_n_entries(const collet_topology *t);
const collet_topology_entry *collet_topology_entry_at(const collet_topology *t, size_t i);

// "blk.3.attn_q.weight" -> "model.layers.3.self_attn.q_proj.weight"; a name that has no counterpart is copied.
const char *collet_hf_name(char *out, size_t n_out, const char *gguf_name);

#endif
