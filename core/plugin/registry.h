// SPDX-License-Identifier: Apache-2.0
// core/plugin/registry.h - which plugins and modules exist here, and why the others do not.
//
// create() looks at every candidate file, asks the cache or a scanner process (scan.h) what it is, and keeps data only:
// no plugin code runs in this process until collet_registry_open() maps the file of a module that a plan considers.
#ifndef COLLET_CORE_PLUGIN_REGISTRY_H
#define COLLET_CORE_PLUGIN_REGISTRY_H

#include "collet/plugin/plugin.h"
#include "core/base/log.h"

typedef struct collet_registry collet_registry;

// What was found at one path.
typedef enum collet_verdict {
    COLLET_VERDICT_OK = 0,
    COLLET_VERDICT_IGNORED,     // not a plugin at all, in a folder scan: shown by `plugins list --all` only
    COLLET_VERDICT_REJECTED,    // file, path or ABI check failed before or without running it
    COLLET_VERDICT_UNAVAILABLE, // its hardware, driver or library is missing
    COLLET_VERDICT_BROKEN,      // crashed, hung, lied
    COLLET_VERDICT_SHADOWED     // same plugin id as an earlier path, or the same file
} collet_verdict;

typedef struct collet_option_info { // collet_option as data that the registry owns
    const char *key, *help, *dflt;
    const char *const *choices; // NULL-terminated, or NULL
    uint32_t type;
    double min, max;
} collet_option_info;

typedef struct collet_module_info {
    const char *id, *iface, *domain, *summary;
    const char *const *ops; // NULL-terminated; empty list when the interface has none
    uint32_t tier;
    int32_t score;
    uint32_t n_options;
    const collet_option_info *options;
    collet_verdict verdict; // OK, UNAVAILABLE, BROKEN (a required slot is NULL, duplicate id, malformed id)
    const char *why;        // "" when OK
    uint32_t plugin;        // index of its plugin
    uint32_t index;         // within the plugin
} collet_module_info;

typedef struct collet_plugin_info {
    const char *path;                                    // as given; "(built in)" for static ones
    const char *id, *version, *vendor, *license, *build; // "" while unknown
    uint32_t abi_major, abi_minor;
    collet_verdict verdict;
    const char *phase; // where it stopped: "path", "header", "dlopen", "entry", "describe", "probe"; "" when OK
    const char *why;   // one line: what was seen, what was wanted, what to do
    uint32_t n_modules;
    uint32_t cached; // 1: the answer came from the registry cache
} collet_plugin_info;

typedef struct collet_plugin_pin {    // profile: plugins: { acme: { path, sha256 } }
    const char *name, *path, *sha256; // sha256: 64 hex digits or NULL
} collet_plugin_pin;

typedef struct collet_registry_opts {
    const collet_log *log;
    const collet_plugin *const *built_in; // records linked into the program
    size_t n_built_in;
    const char *const *search; // folders of the profile, absolute, looked at after COLLET_PLUGIN_PATH
    size_t n_search;
    const collet_plugin_pin *pins;
    size_t n_pins;
    const char *scanner_path; // collet-scan; NULL: beside the running program, or ../libexec/collet
    const char *cache_path;   // NULL: $XDG_CACHE_HOME/collet/registry-0.json; "": no cache
    uint32_t timeout_ms;      // per plugin; 0: 10000
    uint32_t rescan;          // 1: trust no cached answer
    uint32_t unsafe_paths;    // 1: warn about writable folders instead of refusing them
} collet_registry_opts;

// Order of candidates: pins, COLLET_PLUGIN_PATH (ignored when privileged), opts->search, the user's
// $XDG_DATA_HOME/collet/plugins, the program's ../lib/collet, COLLET_PLUGIN_DIR of the build. Never the current folder.
// A bad plugin is a verdict, not an error; only a pinned plugin that is not OK fails. Errors: NOMEM, ABI (a pin).
// Ownership: gives; destroy frees, calls shutdown() of the plugins that were opened, last first; they stay mapped;
//            accepts NULL.  Borrows opts for the call, log for ever.  Every handle is closed before destroy.
collet_status collet_registry_create(collet_registry **out, const collet_registry_opts *opts, collet_error *err);
void collet_registry_destroy(collet_registry *r);

size_t collet_registry_n_plugins(const collet_registry *r);
const collet_plugin_info *collet_registry_plugin(const collet_registry *r, size_t i);
size_t collet_registry_n_modules(const collet_registry *r);
const collet_module_info *collet_registry_module(const collet_registry *r, size_t i);

// By id, or "plugin:module" where two plugins have the same. NULL when unknown or ambiguous; *nearest (may be NULL) is
// then the nearest known id, the full name of one of the two, or NULL.
const collet_module_info *collet_registry_find(const collet_registry *r, const char *id, const char **nearest);

// The same with a reason: NOT_FOUND (with the nearest id), INVALID (two plugins have it: name it "plugin:module").
collet_status collet_registry_resolve(const collet_registry *r, const char *id, const collet_module_info **out,
                                      collet_error *err);

// A module ready for use: its vtable copied into a full-size table of the core, stubs where the plugin had nothing.
typedef struct collet_module_handle {
    const collet_module_info *info;
    void *mod;      // the plugin's
    const void *vt; // core-owned collet_op_vt, collet_quant_vt, collet_kvcache_vt or collet_device_vt of full size
} collet_module_handle;

// Maps the plugin (once), checks its record again, opens the module with `values` (one per option; NULL: defaults).
// The handle lives until close; closing twice the same handle is a defect.
// Errors: ABI, UNAVAILABLE, NOMEM, INVALID (an option), INTERNAL; the message names file, phase and module.
collet_status collet_registry_open(collet_registry *r, const collet_module_info *module, const collet_host *host,
                                   const collet_value *values, collet_module_handle *out, collet_error *err);
void collet_registry_close(collet_registry *r, collet_module_handle *handle);

// Modules that were opened in this process, in order, each once: for reports.
size_t collet_registry_n_opened(const collet_registry *r);
const collet_module_info *collet_registry_opened(const collet_registry *r, size_t i);

// Interfaces that this core knows: size of the vtable, which slots are required. NULL when unknown.
typedef struct collet_iface {
    const char *id;
    size_t vt_bytes;
    const char *slot; // profile slot: "matmul"; NULL when not chosen by a profile ("collet.device/0" has "device")
} collet_iface;
const collet_iface *collet_iface_find(const char *id);

#endif
