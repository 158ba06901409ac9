// SPDX-License-Identifier: Apache-2.0
// tests/core/plugin/bad/options.c - one module per mistake that a table of options can have, and one sound one.
#include <math.h>

#include "fixture.h"

#define OPTION(...)                                \
    {                                              \
        .size = sizeof(collet_option), __VA_ARGS__ \
    }
#define LIST(name) static const collet_option *const name##_list[] = { &name, 0 }
#define MODULE(name) static const collet_module m_##name = { FIXTURE_MODULE, .id = #name, .options = name##_list }

static const char *const fast_slow[] = { "fast", "slow", 0 };
static const collet_option not_int = OPTION(.type = COLLET_OPT_INT, .key = "k", .dflt = "12q", .min = 0, .max = 99);
static const collet_option outside = OPTION(.type = COLLET_OPT_INT, .key = "k", .dflt = "100", .min = 0, .max = 99);
static const collet_option no_choice =
    OPTION(.type = COLLET_OPT_ENUM, .key = "k", .dflt = "medium", .choices = fast_slow);
static const collet_option no_default = OPTION(.type = COLLET_OPT_STR, .key = "k");
static const collet_option no_type = OPTION(.type = 99, .key = "k", .dflt = "1");
static const collet_option bad_key = OPTION(.type = COLLET_OPT_BOOL, .key = "a b", .dflt = "true");
static const collet_option small = { .size = 8 };
static const collet_option infinite = OPTION(.type = COLLET_OPT_FLOAT, .key = "k", .dflt = "1", .max = HUGE_VAL);
static const collet_option sound =
    OPTION(.type = COLLET_OPT_BYTES, .key = "k", .dflt = "4MiB", .max = COLLET_BYTES_MAX);
LIST(not_int);
LIST(outside);
LIST(no_choice);
LIST(no_default);
LIST(no_type);
LIST(bad_key);
LIST(small);
LIST(infinite);
LIST(sound);
static const collet_option *const twice_list[] = { &sound, &sound, 0 };
MODULE(not_int);
MODULE(outside);
MODULE(no_choice);
MODULE(no_default);
MODULE(no_type);
MODULE(bad_key);
MODULE(small);
MODULE(infinite);
MODULE(twice);
MODULE(sound);
static const collet_module *const modules[] = { &m_not_int, &m_outside, &m_no_choice, &m_no_default, &m_no_type,
                                                &m_bad_key, &m_small,   &m_infinite,  &m_twice,      &m_sound };
static const collet_plugin record = { COLLET_PLUGIN_HEAD, .id = "fixture", .version = "1.0",
                                      .n_modules = COLLET_COUNT(modules), .modules = modules };
COLLET_PLUGIN(record)
