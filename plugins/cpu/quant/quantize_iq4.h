// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/quant/quantize_iq4.h - iq4_nl and iq4_xs: uneven values. Twins: plugins/common/quant_iq4_nl.c,
// quant_iq4_xs.c.
#ifndef COLLET_PLUGINS_CPU_QUANT_QUANTIZE_IQ4_H
#define COLLET_PLUGINS_CPU_QUANT_QUANTIZE_IQ4_H

#include <string.h>

#include "plugins/common/blocks.h"
#include "plugins/common/quant_round.h"
#include "plugins/cpu/quant/quantize_search.h"

static const int8_t iq4_values[16] = COLLET_IQ4_VALUES;

// Where the points halfway between values lie (collet_iq4_code), by sixteenths of 32 places: how many lie before it,
// and the one or two inside it, less 1; 127 where there is none.
static const int8_t iq4_places[3][16] = {
    { 0, 1, 1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 14, 14, 15 },
    { 24, 127, 4, 11, 13, 11, 6, -1, 13, 5, 26, 25, 29, 127, 9, 127 },
    { 127, 127, 127, 127, 127, 127, 127, 22, 127, 30, 127, 127, 127, 127, 127, 127 },
};

V16_INLINE v16 iq4_place(v16 x, v16 inv)
{
    v16 place = v16_add(v16_mul(v16_mul(x, inv), v16_all(2.0f)), v16_all(256.0f));
    return v16_min(v16_max(place, v16_all(0.0f)), v16_all(511.0f));
}

V16_INLINE float search_iq4(const v16 x[2], const v16 w[2], float peak, const v16_iq4 *table)
{
    float at[V16_TRIES] = { 0.0f };
    v16_tries t;
    if (!(fabsf(peak) >= COLLET_SEARCH_TINY))
        return 0.0f;
    for (int k = 0; k <= 2 * COLLET_SEARCH_IQ4_TRIES; k++)
        at[k] = (float)(-127 - COLLET_SEARCH_IQ4_TRIES + k);
    at[2 * COLLET_SEARCH_IQ4_TRIES + 1] = 127.0f;
    v16_tries_begin(&t, at, peak);
    for (int k = 0; k < 2 * COLLET_SEARCH_IQ4_TRIES + 2; k++) {
        const v16 inv = v16_all(t.inv[k]);
        v16 v[2];
        v16_iq4_values(v, table, iq4_place(x[0], inv), iq4_place(x[1], inv));
        const v16 wv[2] = { v16_mul(w[0], v[0]), v16_mul(w[1], v[1]) };
        v16_sums(&t.xl[k], &t.ll[k], v16_products(wv, x), v16_products(wv, v));
    }
    return v16_tries_best(&t);
}

// The scale of 32 elements; sigma2 is read with importances only.
V16_INLINE float iq4_scale(const float *src, const v16 x[2], const float *importances, float sigma2, const v16_iq4 *t)
{
    v16 w[2] = { v16_mul(x[0], x[0]), v16_mul(x[1], x[1]) };
    if (importances)
        v16_weights(w, x, importances, sigma2);
    return search_iq4(x, w, v16_peak(src, x), t);
}

// The 16 bytes of codes of 32 elements.
V16_INLINE void iq4_write(uint8_t q[16], const v16 x[2], float d, const v16_iq4 *t)
{
    const v16 inv = v16_all(d != 0.0f ? 1.0f / d : 0.0f);
    __m128i codes[2];
    v16_iq4_codes(codes, t, iq4_place(x[0], inv), iq4_place(x[1], inv));
    _mm_storeu_si128((__m128i *)q, _mm_or_si128(codes[0], _mm_slli_epi16(codes[1], 4)));
}

V16_INLINE void quantize_iq4_nl(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    const v16_iq4 t = v16_iq4_tables(iq4_places, iq4_values);
    collet_iq4_nl *b = dst;
    for (uint64_t i = 0; i < n; i += 32, b++, src += 32) {
        const v16 x[2] = { v16_load(src), v16_load(src + 16) };
        const float *importances = v16_importances(imatrix, i);
        float sigma2 = importances ? v16_sum(v16_products(x, x)) / 16.0f : 0.0f;
        b->d = v16_f16(iq4_scale(src, x, importances, sigma2, &t));
        iq4_write(b->q, x, v16_f32(b->d), &t);
    }
}

V16_INLINE void quantize_iq4_xs(const float *src, void *dst, uint64_t n, const float *imatrix)
{
    const v16_iq4 t = v16_iq4_tables(iq4_places, iq4_values);
    collet_iq4_xs *b = dst;
    for (uint64_t i = 0; i < n; i += 256, b++, src += 256) {
        float scale[8], peak = 0.0f, sigma2 = 0.0f;
        if (imatrix) {
            v16 squares = v16_all(0.0f);
            for (int k = 0; k < 16; k++)
                squares = v16_add(squares, v16_mul(v16_load(src + 16 * k), v16_load(src + 16 * k)));
            sigma2 = v16_sum(squares) / 128.0f;
        }
        for (int s = 0; s < 8; s++) {
            const v16 x[2] = { v16_load(src + 32 * s), v16_load(src + 32 * s + 16) };
            scale[s] = iq4_scale(src + 32 * s, x, v16_importances(imatrix, i + 32 * (uint64_t)s), sigma2, &t);
            peak = fabsf(scale[s]) > fabsf(peak) ? scale[s] : peak;
        }
        b->d = v16_f16(peak / -32.0f);
        float d = v16_f32(b->d), d_inv = d != 0.0f ? 1.0f / d : 0.0f;
        uint32_t low = 0, high = 0;
        for (int s = 0; s < 8; s++) {
            const v16 x[2] = { v16_load(src + 32 * s), v16_load(src + 32 * s + 16) };
            uint32_t code = collet_code(scale[s] * d_inv + 32.5f, 63);
            low |= (code & 15) << (4 * s);
            high |= code >> 4 << (2 * s);
            iq4_write(b->q + 16 * s, x, d * (float)((int32_t)code - 32), &t);
        }
        memcpy(b->scales_low, &low, sizeof low);
        b->scales_high = (uint16_t)high;
    }
}

#endif
