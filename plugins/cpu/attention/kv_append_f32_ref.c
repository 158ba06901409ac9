// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/attention/kv_append_f32_ref.c - a store of floats takes a copy, so this line has no faster twin.
#include <string.h>

#include "plugins/cpu/attention/attention.h"

void collet_cpu_kv_append_f32_ref(void *dst, const float *src, uint32_t n)
{
    memcpy(dst, src, n * sizeof(float));
}
