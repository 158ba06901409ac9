// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_k_signed.h - how q3_k and q6_k choose scales and codes: value d sc q, both signed.
//
// Include after a header that says what `lanes` are; the order of operations is fixed as in quant_k_affine.h.
//
// The loss is sum w (x - value)^2 with w = 1, or the importances. Sub-blocks have 16 elements. In three steps:
//   1. per sub-block, in floats: codes from factors near -code_max / peak, and the least-squares scale for them;
//   2. d such that the scale of largest magnitude becomes -scale_max; per sub-block the integer scale (nearest, or one
//      beside it) whose codes lose least; then d by least squares for these, and step 2 once more;
//   3. codes, from the scales as they are stored.
// Source: ggml's make_qx_quants, which tries 19 factors and has no second step, is where this started.
#ifndef COLLET_PLUGINS_COMMON_QUANT_K_SIGNED_H
#define COLLET_PLUGINS_COMMON_QUANT_K_SIGNED_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "plugins/common/f16.h"

#define SIGNED_SUBS 16 // sub-blocks of a super-block
#define SIGNED_WEIGHT_TINY 0x1p-100f

typedef struct signed_format {
    float code_max;      // codes are -code_max .. code_max - 1
    float scale_max;     // scales are -scale_max .. scale_max - 1
    float first, step;   // factors -(code_max + first + step k) / peak
    uint32_t tries;
    void (*pack)(void *block, const uint8_t *codes, const int8_t *scales, uint16_t d); // codes from 0 on
} signed_format;

typedef struct signed_group {
    lanes x[16], w[16]; // w: only with importances; their sum is 16
    lanes share;        // the sub-block's importance in the super-block
} signed_group;

typedef struct signed_choice {
    float scale[SIGNED_SUBS], loss[SIGNED_SUBS]; // loss: less the sum of w x^2
    float d;
} signed_choice;

typedef struct signed_span {
    signed_group groups[SIGNED_SUBS / LANES];
    signed_choice now;
    float ss[SIGNED_SUBS], sx[SIGNED_SUBS]; // terms of the least squares of d
} signed_span;

// Sums of w l^2 and w x l.
typedef struct signed_sums {
    lanes ll, xl;
} signed_sums;

static inline __attribute__((always_inline)) lanes signed_code(lanes t, float max)
{
    return lanes_round(lanes_min(lanes_max(t, lanes_set(-max)), lanes_set(max - 1.0f)));
}

static inline __attribute__((always_inline)) signed_sums signed_sum(const signed_group *g, const signed_format *f,
                                                                    bool weighted, lanes inv)
{
    signed_sums s = { lanes_set(0.0f), lanes_set(0.0f) };
    for (uint32_t e = 0; e < 16; e++) {
        const lanes l = signed_code(g->x[e] * inv, f->code_max);
        lanes wl = l;
        if (weighted)
            wl *= g->w[e];
        s.ll += wl * l;
        s.xl += wl * g->x[e];
    }
    return s;
}

static inline __attribute__((always_inline)) void signed_load(signed_group *g, const float *x, const float *imatrix)
{
    lanes_load_columns(g->x, x, 16);
    g->share = lanes_set(1.0f);
    if (!imatrix)
        return;
    lanes_load_columns(g->w, imatrix, 16);
    lanes total = lanes_set(0.0f);
    const lanes some = lanes_set(SIGNED_WEIGHT_TINY);
    for (uint32_t e = 0; e < 16; e++)
        total += g->w[e];
    const lanes norm = 16.0f / total;
    for (uint32_t e = 0; e < 16; e++)
        g->w[e] = lanes_pick(total, some, g->w[e] * norm, lanes_set(1.0f));
    g->share = lanes_pick(total, some, total * (1.0f / 16.0f), some);
}

// Step 1. Returns the scale.
static inline __attribute__((always_inline)) lanes signed_search(const signed_group *g, const signed_format *f,
                                                                 bool weighted)
{
    const lanes zero = lanes_set(0.0f);
    lanes low = g->x[0], high = g->x[0];
    for (uint32_t e = 1; e < 16; e++) {
        low = lanes_min(g->x[e], low);
        high = lanes_max(g->x[e], high);
    }
    const lanes peak = lanes_pick(high, zero - low, high, low), peak_inv = 1.0f / peak;
    lanes scale = peak * (-1.0f / f->code_max), best = zero;
    for (uint32_t k = 0; k < f->tries; k++) {
        const lanes inv = peak_inv * -(f->code_max + f->first + f->step * (float)k);
        const signed_sums s = signed_sum(g, f, weighted, inv);
        const lanes fit = s.xl / s.ll, score = s.xl * fit;
        scale = lanes_pick(score, best, fit, scale); // a NaN is never better
        best = lanes_pick(score, best, score, best);
    }
    return scale;
}

// Step 2 for the group whose first sub-block is `at`; wanted: what step 1 found.
static inline __attribute__((always_inline)) void signed_settle(signed_span *span, uint32_t at, const float *wanted,
                                                                const signed_format *f, bool weighted)
{
    const signed_group *g = &span->groups[at / LANES];
    const float d = span->now.d, d_inv = d != 0.0f ? 1.0f / d : 0.0f;
    const lanes zero = lanes_set(0.0f), near = signed_code(lanes_load(wanted + at) * d_inv, f->scale_max);
    lanes scale = near, best = lanes_set(3.4e38f);
    signed_sums kept = { zero, zero };
    for (int32_t k = -1; k <= 1; k++) {
        const lanes top = lanes_set(f->scale_max - 1.0f), bottom = lanes_set(-f->scale_max);
        const lanes sc = lanes_min(lanes_max(near + (float)k, bottom), top), step = d * sc;
        const lanes inv = lanes_pick(step * step, zero, 1.0f / step, zero);
        const signed_sums s = signed_sum(g, f, weighted, inv);
        const lanes loss = step * (step * s.ll - 2.0f * s.xl);
        scale = lanes_pick(best, loss, sc, scale);
        kept.ll = lanes_pick(best, loss, s.ll, kept.ll);
        kept.xl = lanes_pick(best, loss, s.xl, kept.xl);
        best = lanes_pick(best, loss, loss, best);
    }
    lanes_store(span->now.scale + at, scale);
    lanes_store(span->now.loss + at, g->share * best);
    lanes_store(span->ss + at, g->share * scale * scale * kept.ll);
    lanes_store(span->sx + at, g->share * scale * kept.xl);
}

// What f16 makes of a scale of either sign; too large ones become the largest.
static inline float signed_half(float value)
{
    value = value < 65504.0f ? value : 65504.0f;
    return collet_f16_to_f32(collet_f32_to_f16(value > -65504.0f ? value : -65504.0f));
}

// d such that the scale of largest magnitude, the first on a tie, becomes -scale_max.
static inline float signed_start(const float *wanted, float scale_max)
{
    float peak = 0.0f;
    for (uint32_t j = 0; j < SIGNED_SUBS; j++)
        if (wanted[j] * wanted[j] > peak * peak)
            peak = wanted[j];
    return signed_half(peak / -scale_max);
}

// Step 3: codes and bytes.
static inline __attribute__((always_inline)) void signed_write(void *block, const signed_choice *c,
                                                               const signed_format *f, const float *x)
{
    uint8_t codes[256];
    int8_t scales[SIGNED_SUBS];
    for (uint32_t j = 0; j < SIGNED_SUBS; j++, x += 16) {
        const float step = c->d * c->scale[j], inv = step != 0.0f ? 1.0f / step : 0.0f;
        for (uint32_t e = 0; e < 16; e++) {
            float t = x[e] * inv;
            t = t > -f->code_max ? t : -f->code_max;
            t = t < f->code_max - 1.0f ? t : f->code_max - 1.0f;
            codes[16 * j + e] = (uint8_t)(collet_f32_bits(t + 12582912.0f) + (uint32_t)(int32_t)f->code_max);
        }
        scales[j] = (int8_t)c->scale[j];
    }
    f->pack(block, codes, scales, collet_f32_to_f16(c->d));
}

static inline __attribute__((always_inline)) void signed_encode(void *dst, const signed_format *f, size_t block_bytes,
                                                                const float *src, uint64_t n, const float *imatrix)
{
    const bool weighted = imatrix != NULL;
    uint8_t *to = dst;
    for (; n; n -= 256, src += 256, to += block_bytes) {
        signed_span span;
        float wanted[SIGNED_SUBS];
        for (uint32_t j = 0; j < SIGNED_SUBS; j += LANES) {
            signed_load(&span.groups[j / LANES], src + 16 * j, weighted ? imatrix + 16 * j : NULL);
            lanes_store(wanted + j, signed_search(&span.groups[j / LANES], f, weighted));
        }
        span.now.d = signed_start(wanted, f->scale_max);
        for (uint32_t j = 0; j < SIGNED_SUBS; j += LANES)
            signed_settle(&span, j, wanted, f, weighted);
        const signed_choice before = span.now;
        double ss = 0.0, sx = 0.0, gain = 0.0;
        for (uint32_t j = 0; j < SIGNED_SUBS; j++) {
            ss += (double)span.ss[j];
            sx += (double)span.sx[j];
        }
        const double d = sx / ss;
        if (d > -65504.0 && d < 65504.0) // not for 0 / 0
            span.now.d = signed_half((float)d);
        for (uint32_t j = 0; j < SIGNED_SUBS; j += LANES)
            signed_settle(&span, j, wanted, f, weighted);
        for (uint32_t j = 0; j < SIGNED_SUBS; j++)
            gain += (double)before.loss[j] - (double)span.now.loss[j];
        signed_write(to, gain >= 0.0 ? &span.now : &before, f, src);
        imatrix = weighted ? imatrix + 256 : NULL;
    }
}

#endif
