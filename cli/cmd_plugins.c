// SPDX-License-Identifier: Apache-2.0
// cli/cmd_plugins.c - plugins list: what was found, where, and why the rest was rejected.
#include <stdlib.h>
#include <string.h>

#include "cli/common.h"
#include "core/plugin/option.h"
#include "cli/print_json.h"

static const char *verdict_name(collet_verdict v)
{
    static const char *const names[] = { "ok", "ignored", "rejected", "unavailable", "broken", "shadowed" };
    return (size_t)v < COLLET_COUNT(names) ? names[v] : "?";
}

static const char *tier_name(uint32_t tier)
{
    static const char *const names[] = { "reference", "generic", "tuned", "vendor" };
    return tier < COLLET_COUNT(names) ? names[tier] : "?";
}

static void print_module(const collet_module_info *m)
{
    printf("  %-22s %-22s %-5s %s %d", m->id, m->iface, m->domain, tier_name(m->tier), m->score);
    if (m->verdict == COLLET_VERDICT_OK)
        printf("  %s\n", m->summary);
    else
        printf("  %s: %s\n", verdict_name(m->verdict), m->why);
}

static int print_text(const collet_registry *r, bool all)
{
    for (size_t i = 0; i < collet_registry_n_plugins(r); i++) {
        const collet_plugin_info *p = collet_registry_plugin(r, i);
        if (p->verdict == COLLET_VERDICT_IGNORED && !all)
            continue;
        printf("%s %s  %s\n", p->id[0] ? p->id : "(no id)", p->version, p->path);
        if (p->verdict != COLLET_VERDICT_OK)
            printf("  %s in phase %s: %s\n", verdict_name(p->verdict), p->phase, p->why);
        for (size_t k = 0; k < collet_registry_n_modules(r); k++)
            if (collet_registry_module(r, k)->plugin == i)
                print_module(collet_registry_module(r, k));
    }
    if (COLLET_LEFT_OUT[0])
        printf("%s\n", COLLET_LEFT_OUT);
    return collet_cli_finish();
}

static json_t *options_json(const collet_module_info *m)
{
    json_t *list = json_array();
    char range[192];
    for (uint32_t i = 0; i < m->n_options; i++) {
        const collet_option_info *o = &m->options[i];
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:s, s:s}", "key", o->key, "type", collet_option_type_name(o->type),
                            "range", collet_option_range(range, sizeof range, o), "help", o->help, "default", o->dflt));
    }
    return list;
}

static json_t *modules_json(const collet_registry *r, size_t plugin)
{
    json_t *list = json_array();
    for (size_t k = 0; k < collet_registry_n_modules(r); k++) {
        const collet_module_info *m = collet_registry_module(r, k);
        if (m->plugin != plugin)
            continue;
        json_t *ops = json_array();
        for (const char *const *op = m->ops; op && *op; op++)
            json_array_append_new(ops, json_string(*op));
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:o, s:o}", "id", m->id,
                                              "iface", m->iface, "domain", m->domain, "tier", tier_name(m->tier),
                                              "score", (int)m->score, "verdict", verdict_name(m->verdict), "why",
                                              m->why, "summary", m->summary, "ops", ops, "options", options_json(m)));
    }
    return list;
}

static int print_json(const collet_registry *r)
{
    json_t *plugins = json_array();
    for (size_t i = 0; i < collet_registry_n_plugins(r); i++) {
        const collet_plugin_info *p = collet_registry_plugin(r, i);
        json_array_append_new(plugins, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:o}", "path", p->path, "id",
                                                 p->id, "version", p->version, "vendor", p->vendor, "verdict",
                                                 verdict_name(p->verdict), "phase", p->phase, "why", p->why, "cached",
                                                 (int)p->cached, "modules", modules_json(r, i)));
    }
    json_t *object = json_pack("{s:o, s:s}", "plugins", plugins, "left_out", COLLET_LEFT_OUT);
    return collet_cli_print_json(object, JSON_INDENT(1));
}

static int run_list(const collet_args *args)
{
    collet_session s;
    int exit_code = collet_session_open(&s, args);
    if (exit_code != COLLET_EXIT_OK)
        return exit_code;
    exit_code =
        collet_args_bool(args, "json") ? print_json(s.registry) : print_text(s.registry, collet_args_bool(args, "all"));
    collet_session_close(&s);
    return exit_code;
}

static const collet_flag list_flags[] = {
    { .name = "all", .type = COLLET_OPT_BOOL, .help = "show files that are no plugins too" },
    { 0 },
};

const collet_command collet_cmd_plugins_list = {
    .name = "plugins list",
    .summary = "plugins and modules: what was found, where, why rejected",
    .flags = list_flags,
    .shared = COLLET_FLAGS_JSON | COLLET_FLAGS_PROFILE,
    .run = run_list,
};
