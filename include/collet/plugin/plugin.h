// SPDX-License-Identifier: Apache-2.0
// include/collet/plugin/plugin.h - what a shared object says of itself. Include this one to write a plugin.
//
// A plugin is one file `libcollet_<name>.so` that exports one function, collet_plugin_entry, which returns the address
// of constant data. The core reads the record's frozen prefix, checks size, ABI and layout, and only then looks
// further: in a helper process first (which runs probe()), in the host when a module is a candidate of the plan.
//
// Rules of every struct that crosses the boundary
//   R1  the first field is `size`: sizeof() as the WRITER compiled it; readers never pass it (COLLET_HAS)
//   R2  structs grow at the end only, and cross as pointers: never embedded, never as arrays of values
//   R3  a NULL slot is the weakest promise; the core puts a stub in its own table, so hot paths test nothing
//   R4  an unknown id, flag or op is "unsupported", never an error
//   R5  no unwinding, exit, abort, signal handler, setlocale, chdir, print; no own threads, no OpenMP runtime
//   R6  no symbol of the host is linked: services come from collet_host
//
// Thread tags used in all headers
//   [any-thread]  concurrently from any thread; pure or internally safe
//   [load]        one call at a time per module, before any step runs
//   [one-caller]  one call at a time per object; different objects concurrently
//   [worker]      inside host->parallel: touches only what the task owns
#ifndef COLLET_PLUGIN_PLUGIN_H
#define COLLET_PLUGIN_PLUGIN_H

#include "host.h"
#include "layout.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COLLET_ABI_MAJOR 0u
#define COLLET_ABI_MINOR 1u // while the major is 0, a plugin's layout_hash must equal the host's
#define COLLET_ID_MAX 63    // ids are [a-z0-9._-], 1..63 bytes
#define COLLET_MODULES_MAX 256
#define COLLET_STRUCT_BYTES_MAX 65536

// ---- options: declared, so that a profile is checked (type, range, choices, nearest name) without loading ----
enum {
    COLLET_OPT_BOOL = 1, // true, false
    COLLET_OPT_INT = 2,
    COLLET_OPT_FLOAT = 3,
    COLLET_OPT_STR = 4,
    COLLET_OPT_ENUM = 5, // one of `choices`
    COLLET_OPT_BYTES = 6 // 512MiB, 4GiB, 1000000
};
#define COLLET_BYTES_MAX 9.0e15
typedef struct collet_option {
    uint32_t size;
    uint16_t type, flags; // flags: none yet, 0
    const char *key, *help, *dflt;
    const char *const *choices; // ENUM: NULL-terminated; else NULL
    double min, max;            // INT, FLOAT, BYTES: inclusive
} collet_option;

// One value per declared option, in the order of the table; defaults are filled in by the core.
typedef struct collet_value {
    uint32_t type, is_set; // is_set: 1 when the profile or a flag gave it
    union {
        int64_t i; // BOOL, INT, BYTES
        double f;
        const char *s; // STR, ENUM; lent until close()
    } u;
} collet_value;

// ---- modules ----
enum {
    COLLET_PROBE_OK = 0,
    COLLET_PROBE_UNAVAILABLE = 1, // no such hardware, driver or library here: asked again when the machine changes
    COLLET_PROBE_BROKEN = 2
};
typedef struct collet_probe {
    uint32_t size;
    int32_t verdict;
    char why[240]; // mandatory unless OK
} collet_probe;

// Order among modules that a profile leaves open (`any`): tier, then score, then id.
enum { COLLET_TIER_REFERENCE = 0, COLLET_TIER_GENERIC = 1, COLLET_TIER_TUNED = 2, COLLET_TIER_VENDOR = 3 };

typedef struct collet_module {
    uint32_t size;
    uint16_t tier;                       // COLLET_TIER_*
    int16_t score;                       // higher first within a tier; 0 means: only when a profile names it
    const char *id;                      // "cpu.matmul.avx2"
    const char *iface;                   // "collet.matmul/0"
    const char *domain;                  // "cpu"; quant modules: "cpu"
    const char *summary;                 // one line for people
    const void *vt;                      // the interface's vtable: collet_op_vt, collet_quant_vt, ...
    const char *const *ops;              // op interfaces: NULL-terminated list of op names; else NULL
    const collet_option *const *options; // NULL-terminated; may be NULL
    // Can this module work on this machine? Runs in the scanner's process, once; NULL means OK.
    void (*probe)(const collet_host *host, collet_probe *out);
    // Makes the module. values has one entry per option. NULL: the module has no state and gets mod == NULL.
    // Ownership: borrows values for the call, the strings in them until close().  Threads: [load]
    collet_status (*open)(const collet_host *host, const collet_value *values, uint32_t n_values, void **mod,
                          collet_error *err);
    void (*close)(void *mod); // NULL: nothing to release
} collet_module;

enum { COLLET_SANITIZER_NONE = 0, COLLET_SANITIZER_ADDRESS = 1, COLLET_SANITIZER_THREAD = 2 };
#if defined(__SANITIZE_ADDRESS__)
#define COLLET_SANITIZER COLLET_SANITIZER_ADDRESS
#elif defined(__SANITIZE_THREAD__)
#define COLLET_SANITIZER COLLET_SANITIZER_THREAD
#else
#define COLLET_SANITIZER COLLET_SANITIZER_NONE
#endif

typedef struct collet_plugin {
    // Frozen for all majors, so that any host can say what it met.
    uint32_t size;
    uint16_t abi_major, abi_minor, min_host_minor, sanitizer;
    uint32_t n_modules;
    uint64_t layout_hash;                                      // COLLET_LAYOUT_HASH
    const char *id, *version, *vendor, *license, *url, *build; // id, version: mandatory
    // End of the frozen prefix.
    const collet_module *const *modules; // n_modules pointers
    // Orderly exit, in reverse order of loading: the modules that a registry opened are closed, and it goes away. A
    // process with several registries calls it for each, and may open modules again. May be NULL.
    void (*shutdown)(void);
} collet_plugin;

// Fills the record's bookkeeping: static const collet_plugin p = { COLLET_PLUGIN_HEAD, .id = "acme", ... };
#define COLLET_PLUGIN_HEAD                                                                       \
    .size = sizeof(collet_plugin), .abi_major = COLLET_ABI_MAJOR, .abi_minor = COLLET_ABI_MINOR, \
    .min_host_minor = COLLET_ABI_MINOR, .sanitizer = COLLET_SANITIZER, .layout_hash = COLLET_LAYOUT_HASH

// The one exported symbol. Pure: the same address every time, from any thread, without side effects. Never NULL: a
// wrong major is diagnosed by the host, not hidden by the plugin.
#define COLLET_PLUGIN_ENTRY "collet_plugin_entry"
typedef const collet_plugin *(*collet_plugin_entry_fn)(uint32_t host_major, uint32_t host_minor);

#define COLLET_PLUGIN(record)                                                                         \
    COLLET_EXPORT const collet_plugin *collet_plugin_entry(uint32_t host_major, uint32_t host_minor); \
    COLLET_EXPORT const collet_plugin *collet_plugin_entry(uint32_t host_major, uint32_t host_minor)  \
    {                                                                                                 \
        (void)host_major;                                                                             \
        (void)host_minor;                                                                             \
        return &(record);                                                                             \
    }

#ifdef __cplusplus
}
#endif
#endif
