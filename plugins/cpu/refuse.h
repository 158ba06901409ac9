// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/refuse.h - how supports() of every module here says no.
#ifndef COLLET_PLUGINS_CPU_REFUSE_H
#define COLLET_PLUGINS_CPU_REFUSE_H

#include <stdbool.h>

#include "collet/plugin/op.h"

// Writes caps->why and returns false, so that `return collet_cpu_refuse(...)` reads well. Cut at the field's end.
bool collet_cpu_refuse(collet_op_caps *caps, const char *format, ...) COLLET_PRINTF(2, 3);

#endif
