// SPDX-License-Identifier: Apache-2.0
// core/plugin/select.h - one module for one op: the profile's rule first, then tier, score and id.
//
// The first matching rule's list is tried in order; the word `any` stands for every other module of the interface and
// domain that lists the op, by tier (vendor > tuned > generic > reference), score, id. A module is taken when its
// supports() agrees. When a rule's named modules all refuse and its fallback is `warn`, `any` is tried after them and
// the fallback is logged once and counted; with `error` the load fails with every reason.
#ifndef COLLET_CORE_PLUGIN_SELECT_H
#define COLLET_CORE_PLUGIN_SELECT_H

#include "collet/plugin/op.h"
#include "core/plugin/runtime.h"

typedef struct collet_candidate {
    const collet_module_info *module;
    bool chosen;
    char why[192]; // why it lost: its own refusal, or its rank
} collet_candidate;

typedef struct collet_choice {
    collet_module_handle *module;
    collet_op_caps caps;          // of the chosen module; zeroed for interfaces without supports()
    const collet_rule *rule;      // that decided
    bool fallback;                // a named module refused and another was taken
    collet_candidate *candidates; // all that were considered, best first; owned by the choice
    size_t n_candidates;
} collet_choice;

typedef struct collet_select_query {
    const char *slot;           // "matmul"
    const char *iface;          // "collet.matmul/0"
    const char *domain;         // modules of this domain only
    const char *op;             // must be in the module's list; NULL: interfaces without ops
    const collet_op_desc *desc; // handed to supports(); NULL: no supports()
    collet_rule_query rule;
    bool optional; // a fused op: when the modules that a rule names refuse, nobody has to take it, and nobody does
} collet_select_query;

// Ownership: gives choice->candidates; collet_choice_clear() frees.  Errors: UNSUPPORTED (nobody; *err lists who
// refused and why), ABI (a named module cannot be opened).  Threads: [load]
collet_status collet_select(collet_runtime *rt, const collet_select_query *query, collet_choice *choice,
                            collet_error *err);
void collet_choice_clear(collet_choice *choice);

#endif
