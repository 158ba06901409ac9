// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quantize_affine.h - q4_1 and q5_1: scale and minimum. Twins: plugins/common/quant_q4_1.c,
// quant_q5_1.c.
#ifndef COLLET_PLUGINS_CPU_QUANT_QUANTIZE_AFFINE_H
#define COLLET_PLUGINS_CPU_QUANT_QUANTIZE_AFFINE_H

#include "plugins/cpu/quant/quantize_search.h"

typedef struct affine {
    v16 x[2], w[2], wx[2];
    float n, mean, w_inv;
    float best, d, min;
} affine;

V16_INLINE void affine_try(affine *a, float inv, float low)
{
    const v16 inverse = v16_all(inv), least = v16_all(low), zero = v16_all(0.0f), most = v16_all(a->n);
    float middle = (a->mean - low) * inv, l1, xl, ll, again;
    v16 l[2], wl[2];
    for (int k = 0; k < 2; k++) {
        l[k] = v16_rounded(v16_mul(v16_sub(a->x[k], least), inverse), zero, most);
        l[k] = v16_sub(l[k], v16_all(middle));
        wl[k] = v16_mul(a->w[k], l[k]);
    }
    v16_sums(&l1, &ll, v16_add(wl[0], wl[1]), v16_products(wl, l));
    v16_sums(&xl, &again, v16_products(a->wx, l), zero);
    float l_mean = l1 * a->w_inv, scale = xl / (ll - l1 * l_mean), score = xl * scale;
    if (score > a->best) {
        a->best = score;
        a->d = scale;
        a->min = a->mean - scale * (middle + l_mean);
    }
}

V16_INLINE float search_affine(float *min, affine *a, float max)
{
    float low = *min, w_sum, x_sum;
    a->best = a->d = 0.0f;
    a->min = low;
    if (max > low) {
        v16_sums(&w_sum, &x_sum, v16_add(a->w[0], a->w[1]), v16_products(a->w, a->x));
        a->w_inv = 1.0f / w_sum;
        a->mean = x_sum * a->w_inv;
        for (int k = 0; k < 2; k++)
            a->wx[k] = v16_mul(a->w[k], v16_sub(a->x[k], v16_all(a->mean)));
        for (int k = -COLLET_SEARCH_AFFINE_TRIES; k <= COLLET_SEARCH_AFFINE_TRIES; k++) {
            float steps = a->n + COLLET_SEARCH_AFFINE_STEP * (float)k;
            affine_try(a, steps / (max - low), low);
            affine_try(a, steps / (max - a->min), a->min);
        }
        for (int k = 0; k < COLLET_SEARCH_AFFINE_ROUNDS && a->d > 0.0f; k++)
            affine_try(a, 1.0f / a->d, a->min);
    }
    *min = a->min;
    return a->d;
}

// The codes of 32 elements, in two registers; n: the largest. Gives scale and minimum as they are stored.
V16_INLINE void affine_codes(__m128i codes[2], uint16_t *d_stored, uint16_t *m_stored, const float *src,
                             const float *importances, float n)
{
    affine a = { .n = n };
    a.x[0] = v16_load(src);
    a.x[1] = v16_load(src + 16);
    float max = v16_largest(v16_max(a.x[0], a.x[1])), d;
    float min = -v16_largest(v16_max(v16_sub(v16_all(0.0f), a.x[0]), v16_sub(v16_all(0.0f), a.x[1])));
    if (importances) {
        a.w[0] = v16_load(importances);
        a.w[1] = v16_load(importances + 16);
        d = v16_f32(v16_f16(search_affine(&min, &a, max)));
        min = v16_f32(v16_f16(min));
    } else {
        d = (max - min) / n;
    }
    min += 0.0f; // no negative zero, whichever of two zeros was met
    *d_stored = v16_f16(d);
    *m_stored = v16_f16(min);
    const v16 inv = v16_all(d != 0.0f ? 1.0f / d : 0.0f), most = v16_all(n), half = v16_all(0.5f);
    for (int k = 0; k < 2; k++) {
        v16 place = v16_add(v16_mul(v16_sub(a.x[k], v16_all(min)), inv), half);
        codes[k] = v16_bytes(v16_min(v16_max(place, v16_all(0.0f)), most));
    }
}

#endif
