// SPDX-License-Identifier: Apache-2.0
// core/plugin/iface.h - the interfaces this core knows, slot by slot: what must be there and what stands in for NULL.
#ifndef COLLET_CORE_PLUGIN_IFACE_H
#define COLLET_CORE_PLUGIN_IFACE_H

#include "core/plugin/registry.h"

typedef void (*collet_slot_fn)(void); // any function of a vtable; cast back to its own type before a call

// One function pointer of a vtable.
typedef struct collet_slot {
    const char *name; // NULL ends a list
    uint32_t offset;
    uint32_t required;   // 1: a module without it is BROKEN
    uint32_t group;      // slots of one group (> 0) are all there or all NULL
    collet_slot_fn stub; // stands in for NULL; NULL: absence has a meaning to the core and stays visible
} collet_slot;

typedef struct collet_iface_rules {
    collet_iface iface;
    uint32_t vt_bytes_min; // what the first version of the interface had
    uint32_t has_ops;      // 1: the module lists op names
    const collet_slot *slots;
    // Checks the vtable's data members of a full-size copy; NULL: it has none.
    collet_status (*check)(const void *vt, collet_error *err);
} collet_iface_rules;

// NULL when unknown.
const collet_iface_rules *collet_iface_rules_find(const char *id);

// Copies the vtable at `from` (any address of the plugin) into vt (rules->iface.vt_bytes, zeroed), checks it and fills
// stubs. Bytes past the plugin's own `size` are never read, bytes past ours are ignored.
// Errors: ABI; the message names the slot.
collet_status collet_iface_copy(void *vt, const collet_iface_rules *rules, const void *from, collet_error *err);

#endif
