// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/refuse.c - how supports() of every module here says no.
#include "plugins/cpu/refuse.h"

#include <stdarg.h>
#include <stdio.h>

bool collet_cpu_refuse(collet_op_caps *caps, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(caps->why, sizeof caps->why, format, args);
    va_end(args);
    return false;
}
