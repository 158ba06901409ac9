// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quantize_symmetric.h - q4_0 and q5_0: one scale. Twins: plugins/common/quant_q4_0.c, quant_q5_0.c.
#ifndef COLLET_PLUGINS_CPU_QUANT_QUANTIZE_SYMMETRIC_H
#define COLLET_PLUGINS_CPU_QUANT_QUANTIZE_SYMMETRIC_H

#include "plugins/cpu/quant/quantize_search.h"

V16_INLINE float search_scale(const v16 x[2], const v16 w[2], float peak, float n)
{
    const v16 min = v16_all(-n), max = v16_all(n - 1.0f);
    float at[V16_TRIES] = { 0.0f };
    v16_tries t;
    if (!(fabsf(peak) >= COLLET_SEARCH_TINY))
        return 0.0f;
    for (int k = 0; k <= 2 * COLLET_SEARCH_SCALE_TRIES; k++)
        at[k] = -(n + COLLET_SEARCH_SCALE_STEP * (float)(k - COLLET_SEARCH_SCALE_TRIES));
    v16_tries_begin(&t, at, peak);
    for (int k = 0; k <= 2 * COLLET_SEARCH_SCALE_TRIES; k++) {
        const v16 inv = v16_all(t.inv[k]);
        const v16 l[2] = { v16_rounded(v16_mul(x[0], inv), min, max), v16_rounded(v16_mul(x[1], inv), min, max) };
        const v16 wl[2] = { v16_mul(w[0], l[0]), v16_mul(w[1], l[1]) };
        v16_sums(&t.xl[k], &t.ll[k], v16_products(wl, x), v16_products(wl, l));
    }
    return v16_tries_best(&t);
}

// The codes of 32 elements, in two registers; n: half of their number. Gives the scale as it is stored.
V16_INLINE void symmetric_codes(__m128i codes[2], uint16_t *stored, const float *src, const float *importances, float n)
{
    const v16 x[2] = { v16_load(src), v16_load(src + 16) };
    float d, peak = v16_peak(src, x);
    if (importances) {
        const v16 w[2] = { v16_load(importances), v16_load(importances + 16) };
        d = v16_f32(v16_f16(search_scale(x, w, peak, n)));
    } else {
        d = peak / -n;
    }
    const v16 inv = v16_all(d != 0.0f ? 1.0f / d : 0.0f), half = v16_all(n + 0.5f), most = v16_all(2.0f * n - 1.0f);
    *stored = v16_f16(d);
    for (int k = 0; k < 2; k++)
        codes[k] = v16_bytes(v16_min(v16_max(v16_add(v16_mul(x[k], inv), half), v16_all(0.0f)), most));
}

#endif
