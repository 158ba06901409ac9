// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_k_signed.h - how q3_k and q6_k choose scales and codes: value d sc q, both signed.
//
// Include after a header that says what `lanes` are; the order of operations is fixed as in quant_k_affine.h.
//
// The loss is sum w (x - value)^2 with w = 1, or the importances. Sub-blocks have 16 elements. In four steps:
//   1. per sub-block, in floats: codes from factors near -code_max / peak, and the least-squares scale for them; with
//      importances also from larger factors, that cut the peak off, and from the other end of the range;
//   2. d: of many near -peak scale / scale_max the one at which the integers lie nearest to these scales, each counted
//      by how fast its sub-block's loss rises; then least squares for these integers. No element is looked at;
//   3. where the format asks for it: per sub-block the integer scale, of the nearest and a few others, whose codes lose
//      least;
//   4. codes, from the scales as they are stored.
// Measured (q3_k, Gaussian): with steps 1, 2 and 4, 0.953 of ggml's error in 4 passes over the elements; with 3 instead
// of 2, 0.952 in 14.
// Source: ggml's make_qx_quants, which tries 19 factors and has no second step, is where this started.
#ifndef COLLET_PLUGINS_COMMON_QUANT_K_SIGNED_H
#define COLLET_PLUGINS_COMMON_QUANT_K_SIGNED_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "plugins/common/f16.h"

#define SIGNED_SUBS 16 // sub-blocks of a super-block
#define SIGNED_WEIGHT_TINY 0x1p-100f

#define SIGNED_TRIES_MAX 16
#define SIGNED_GRIDS 16 // d tried: a multiple of every LANES

typedef struct signed_search {
    uint32_t n, n_other;          // factors tried for the peak, then for the other end of the range
    float more[SIGNED_TRIES_MAX]; // factors -(code_max + more) / peak
    float grid_first, grid_step;  // d tried: peak scale / -(scale_max + grid_first + grid_step k)
    uint32_t n_beside;            // integer scales tried by step 3; 0: it is left out
} signed_search;

typedef struct signed_format {
    float code_max;  // codes are -code_max .. code_max - 1
    float scale_max; // scales are -scale_max .. scale_max - 1
    signed_search plain, weighted;
    void (*pack)(void *block, const uint8_t *codes, const int8_t *scales, uint16_t d); // codes from 0 on
} signed_format;

typedef struct signed_group {
    lanes x[16], w[16]; // w: only with importances; their sum is 16
    lanes share;        // the sub-block's importance in the super-block
} signed_group;

typedef struct signed_span {
    signed_group groups[SIGNED_SUBS / LANES];
    float wanted[SIGNED_SUBS], curve[SIGNED_SUBS]; // step 1: scales, and share sum w l^2
    float d, scale[SIGNED_SUBS];                   // what is chosen: d as f16 holds it, integers
    float ss[SIGNED_SUBS], sx[SIGNED_SUBS];        // terms of the least squares of d
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

// Step 1 for the group whose first sub-block is `at`.
static inline __attribute__((always_inline)) void signed_find(signed_span *span, uint32_t at, const signed_format *f,
                                                              const signed_search *how, bool weighted)
{
    const signed_group *g = &span->groups[at / LANES];
    const lanes zero = lanes_set(0.0f);
    lanes low = g->x[0], high = g->x[0];
    for (uint32_t e = 1; e < 16; e++) {
        low = lanes_min(g->x[e], low);
        high = lanes_max(g->x[e], high);
    }
    const lanes peak = lanes_pick(high, zero - low, high, low), other = lanes_pick(high, zero - low, low, high);
    const lanes peak_inv = 1.0f / peak, other_inv = 1.0f / other;
    lanes scale = peak * (-1.0f / f->code_max), best = zero, curve = zero;
    for (uint32_t k = 0; k < how->n + how->n_other; k++) {
        const lanes inv = (k < how->n ? peak_inv : other_inv) * -(f->code_max + how->more[k]);
        const signed_sums s = signed_sum(g, f, weighted, inv);
        const lanes fit = s.xl / s.ll, score = s.xl * fit;
        scale = lanes_pick(score, best, fit, scale); // a NaN is never better
        curve = lanes_pick(score, best, s.ll, curve);
        best = lanes_pick(score, best, score, best);
    }
    lanes_store(span->wanted + at, scale);
    lanes_store(span->curve + at, g->share * curve);
}

// What f16 makes of a scale of either sign; too large ones become the largest.
static inline float signed_half(float value)
{
    value = value < 65504.0f ? value : 65504.0f;
    return collet_f16_to_f32(collet_f32_to_f16(value > -65504.0f ? value : -65504.0f));
}

// Step 2. A lane is a try, which goes through the sub-blocks one after the other.
static inline __attribute__((always_inline)) float signed_grid(const signed_span *span, const signed_format *f,
                                                               const signed_search *how)
{
    float peak = 0.0f, d[SIGNED_GRIDS], loss[SIGNED_GRIDS];
    for (uint32_t j = 0; j < SIGNED_SUBS; j++)
        if (span->wanted[j] * span->wanted[j] > peak * peak)
            peak = span->wanted[j];
    for (uint32_t k = 0; k < SIGNED_GRIDS; k++)
        d[k] = peak / -(f->scale_max + how->grid_first + how->grid_step * (float)k);
    for (uint32_t k = 0; k < SIGNED_GRIDS; k += LANES) {
        const lanes grid = lanes_half(lanes_load(d + k)), inv = 1.0f / grid;
        lanes sum = lanes_set(0.0f);
        for (uint32_t j = 0; j < SIGNED_SUBS; j++) {
            const lanes want = lanes_set(span->wanted[j]);
            const lanes miss = want - grid * signed_code(want * inv, f->scale_max);
            sum += span->curve[j] * miss * miss;
        }
        lanes_store(loss + k, sum);
    }
    uint32_t best = 0;
    for (uint32_t k = 1; k < SIGNED_GRIDS; k++)
        best = loss[k] < loss[best] ? k : best;
    return d[best];
}

static inline float signed_inverse(float d)
{
    return d != 0.0f ? 1.0f / d : 0.0f;
}

// The integer nearest to a scale. A scale of 1 loses no more than none, as code 0 is still there.
static inline lanes signed_near(lanes wanted, float d, float scale_max)
{
    const lanes zero = lanes_set(0.0f), t = wanted * signed_inverse(d), near = signed_code(t, scale_max);
    const lanes one = lanes_pick(t, zero, lanes_set(1.0f), lanes_pick(zero, t, lanes_set(-1.0f), zero));
    return lanes_pick(near * near, zero, near, one);
}

// d that loses least with these integers.
static inline void signed_fit(signed_span *span)
{
    double ss = 0.0, sx = 0.0;
    for (uint32_t j = 0; j < SIGNED_SUBS; j++) {
        ss += (double)span->ss[j];
        sx += (double)span->sx[j];
    }
    const double d = sx / ss;
    if (d > -65504.0 && d < 65504.0) // not for 0 / 0
        span->d = signed_half((float)d);
}

// Ends step 2: d for the integers, and the integers for that.
static inline __attribute__((always_inline)) void signed_start(signed_span *span, float d, const signed_format *f)
{
    span->d = signed_half(d);
    for (uint32_t j = 0; j < SIGNED_SUBS; j += LANES) {
        const lanes wanted = lanes_load(span->wanted + j), curve = lanes_load(span->curve + j);
        const lanes scale = signed_code(wanted * signed_inverse(span->d), f->scale_max), s = curve * scale;
        lanes_store(span->ss + j, s * scale); // nothing where the scale is none: its codes would have to be others
        lanes_store(span->sx + j, s * wanted);
    }
    signed_fit(span);
    for (uint32_t j = 0; j < SIGNED_SUBS; j += LANES)
        lanes_store(span->scale + j, signed_near(lanes_load(span->wanted + j), span->d, f->scale_max));
}

// Integer scales that step 3 tries, as factor and addend of the nearest. The factors are for few codes: what is nearly
// all the same in a sub-block may have code -3 instead of -4, and a scale that fits the others' d better.
static const struct {
    float factor, add;
} signed_beside[] = { { 1.0f, 0.0f }, { 1.0f, -1.0f }, { 1.0f, 1.0f }, { 4.0f / 3.0f, 0.0f }, { 0.75f, 0.0f } };

// Step 3 for the group whose first sub-block is `at`.
static inline __attribute__((always_inline)) void signed_settle(signed_span *span, uint32_t at, const signed_format *f,
                                                                const signed_search *how, bool weighted)
{
    const signed_group *g = &span->groups[at / LANES];
    const lanes zero = lanes_set(0.0f), d = lanes_set(span->d);
    const lanes near = signed_near(lanes_load(span->wanted + at), span->d, f->scale_max);
    lanes scale = near, best = lanes_set(3.4e38f);
    signed_sums kept = { zero, zero };
    for (uint32_t k = 0; k < how->n_beside; k++) {
        const lanes sc = signed_code(near * signed_beside[k].factor + signed_beside[k].add, f->scale_max);
        const lanes step = d * sc;
        const lanes inv = lanes_pick(step * step, zero, 1.0f / step, zero);
        const signed_sums s = signed_sum(g, f, weighted, inv);
        const lanes loss = step * (step * s.ll - 2.0f * s.xl);
        scale = lanes_pick(best, loss, sc, scale);
        kept.ll = lanes_pick(best, loss, s.ll, kept.ll);
        kept.xl = lanes_pick(best, loss, s.xl, kept.xl);
        best = lanes_pick(best, loss, loss, best);
    }
    lanes_store(span->scale + at, scale);
    lanes_store(span->ss + at, g->share * scale * scale * kept.ll);
    lanes_store(span->sx + at, g->share * scale * kept.xl);
}

// Step 4: codes and bytes.
static inline __attribute__((always_inline)) void signed_write(void *block, const signed_span *c,
                                                               const signed_format *f, const float *x)
{
    uint8_t codes[256];
    int8_t scales[SIGNED_SUBS];
    for (uint32_t j = 0; j < SIGNED_SUBS; j++, x += 16) {
        const float step = c->d * c->scale[j], inv = step != 0.0f ? 1.0f / step : 0.0f;
        lanes_codes(codes + 16 * j, x, 0.0f, inv, -f->code_max, f->code_max - 1.0f);
        scales[j] = (int8_t)c->scale[j];
    }
    f->pack(block, codes, scales, collet_f32_to_f16(c->d));
}

static inline __attribute__((always_inline)) void signed_encode_block(void *block, const signed_format *f,
                                                                      const float *x, const float *imatrix)
{
    const bool weighted = imatrix != NULL;
    const signed_search *how = weighted ? &f->weighted : &f->plain;
    signed_span span;
    for (uint32_t j = 0; j < SIGNED_SUBS; j += LANES) {
        signed_load(&span.groups[j / LANES], x + 16 * j, weighted ? imatrix + 16 * j : NULL);
        signed_find(&span, j, f, how, weighted);
    }
    signed_start(&span, signed_grid(&span, f, how), f);
    for (uint32_t j = 0; j < SIGNED_SUBS && how->n_beside > 0; j += LANES)
        signed_settle(&span, j, f, how, weighted);
    if (how->n_beside > 0)
        signed_fit(&span);
    signed_write(block, &span, f, x);
}

// Whether anything is known of a block: the first importance says so as a rule.
static inline bool signed_known(const float *imatrix)
{
    uint32_t i = 0;
    while (i < 256 && !(imatrix[i] > 0.0f))
        i++;
    return i < 256;
}

static inline __attribute__((always_inline)) void signed_encode(void *dst, const signed_format *f, size_t block_bytes,
                                                                const float *src, uint64_t n, const float *imatrix)
{
    uint8_t *to = dst;
    for (uint64_t i = 0; i < n; i += 256, to += block_bytes) {
        if (imatrix && signed_known(imatrix + i))
            signed_encode_block(to, f, src + i, imatrix + i);
        else
            signed_encode_block(to, f, src + i, NULL);
    }
}

#endif
