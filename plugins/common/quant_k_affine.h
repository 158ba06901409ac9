// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_k_affine.h - how q2_k, q4_k and q5_k choose scales, minima and codes: value d sc q - dmin mn.
//
// Include after a header that says what `lanes` are (quant_k_lanes_1.h, plugins/cpu/quant/quant_lanes_*.h): a lane is a
// sub-block, so a search runs over LANES sub-blocks at once and no sum crosses lanes. Products are rounded before they
// are added and each lane adds in the order of its elements: every width gives the same bytes.
//
// The loss is sum w (x - value)^2, w the importances; without them w = |x| + 3 mean |x| of the sub-block, as an error
// hurts more where the weight is large. Perplexity of Gemma 3 270M in q4_k with w = 1: 14.870, |x| + mean |x|: 14.756,
// this: 14.673, llama-quantize's file: 14.685. In three steps:
//   1. per sub-block, codes from a few grids near (max - min) / code_max, the least-squares scale and minimum
//      for these codes, codes again, and the fit again; the best of all is kept;
//   2. d and dmin from the largest scale and minimum; per sub-block the integer scale (nearest, or one beside it) whose
//      codes lose least with the best integer minimum; d and dmin by least squares for all this, and step 2 once more;
//   3. codes, from the scales as they are stored.
// Source: the search of ggml's make_qkx2_quants, which weighs by |x| + sqrt(mean x^2) and has no second step, is where
// this started.
#ifndef COLLET_PLUGINS_COMMON_QUANT_K_AFFINE_H
#define COLLET_PLUGINS_COMMON_QUANT_K_AFFINE_H

#include <stdbool.h>
#include <string.h>

#include "plugins/common/f16.h"

#define AFFINE_SUBS_MAX 16   // sub-blocks of a super-block
#define AFFINE_BYTES_MAX 176 // of a block: q5_k
#define AFFINE_TRIES 6       // grids of (code_max + AFFINE_FIRST + AFFINE_STEP k) steps between min and max
#define AFFINE_FIRST (-1.0f) // measured: half as many tries lose 0.2 %
#define AFFINE_STEP 0.35f
#define AFFINE_LEVEL 3.0f // see above; at 1 a row of heavy tails loses 0.9 % more than ggml's by the plain error
#define AFFINE_WEIGHT_TINY 0x1p-100f // importances of a sub-block that sum to less are taken for all the same

typedef struct affine_format {
    uint32_t n; // elements of a sub-block: 16 or 32
    float code_max, scale_max;
    uint32_t block_bytes;
    // Packs 256 codes, and 256 / n scales and minima.
    void (*pack)(void *block, const uint8_t *codes, const uint8_t *scales, const uint8_t *mins, uint16_t d,
                 uint16_t dmin);
} affine_format;

// LANES sub-blocks, element by element, about their mean.
typedef struct affine_group {
    lanes x[32], w[32]; // the sum of w is n
    lanes mean, share;  // share: the sub-block's importance in the super-block
    lanes scale, min;   // step 1; -min is subtracted, so min >= 0
} affine_group;

// Terms of the least squares of d and dmin, one sub-block each.
typedef struct affine_terms {
    float ss[AFFINE_SUBS_MAX], sm[AFFINE_SUBS_MAX], mm[AFFINE_SUBS_MAX], sx[AFFINE_SUBS_MAX], mx[AFFINE_SUBS_MAX];
} affine_terms;

// What the sub-blocks have, and what they lose by it.
typedef struct affine_choice {
    float d[AFFINE_SUBS_MAX], dmin[AFFINE_SUBS_MAX];    // as f16 holds them: the same for all of a super-block
    float scale[AFFINE_SUBS_MAX], min[AFFINE_SUBS_MAX]; // step 1: floats; from step 2 on integers
    float loss[AFFINE_SUBS_MAX];                        // less the sum of w (x - mean)^2, which no choice changes
} affine_choice;

// The sub-blocks that are encoded together: a super-block's, or those of the two that it takes to fill the lanes.
typedef struct affine_span {
    affine_group groups[AFFINE_SUBS_MAX / LANES];
    affine_choice now;
    affine_terms terms;
} affine_span;

// Sums of w l, w l^2 and w x l over a sub-block's codes l.
typedef struct affine_sums {
    lanes l, ll, xl;
} affine_sums;

static inline lanes affine_code(lanes t, float max)
{
    return lanes_round(lanes_min(lanes_max(t, lanes_set(0.0f)), lanes_set(max)));
}

static inline __attribute__((always_inline)) affine_sums affine_sum(const affine_group *g, const affine_format *f,
                                                                    lanes inv, lanes offset)
{
    affine_sums s = { lanes_set(0.0f), lanes_set(0.0f), lanes_set(0.0f) };
    for (uint32_t e = 0; e < f->n; e++) {
        const lanes l = affine_code(g->x[e] * inv + offset, f->code_max);
        const lanes wl = g->w[e] * l;
        s.l += wl;
        s.ll += wl * l;
        s.xl += wl * g->x[e];
    }
    return s;
}

static inline __attribute__((always_inline)) void affine_load(affine_group *g, const affine_format *f, const float *x,
                                                              const float *imatrix)
{
    const lanes zero = lanes_set(0.0f), some = lanes_set(AFFINE_WEIGHT_TINY), n = lanes_set((float)f->n);
    lanes sum = zero, total = zero;
    lanes_load_columns(g->x, x, f->n);
    if (imatrix) {
        lanes_load_columns(g->w, imatrix, f->n);
        for (uint32_t e = 0; e < f->n; e++)
            total += g->w[e];
    } else {
        lanes size = zero;
        for (uint32_t e = 0; e < f->n; e++)
            size += lanes_max(g->x[e], zero - g->x[e]);
        size *= AFFINE_LEVEL / (float)f->n;
        for (uint32_t e = 0; e < f->n; e++) {
            g->w[e] = size + lanes_max(g->x[e], zero - g->x[e]);
            total += g->w[e];
        }
    }
    const lanes norm = n / total;
    for (uint32_t e = 0; e < f->n; e++) {
        g->w[e] = lanes_pick(total, some, g->w[e] * norm, lanes_set(1.0f));
        sum += g->w[e] * g->x[e];
    }
    g->share = lanes_pick(total, some, total / n, some);
    g->mean = sum * (1.0f / (float)f->n);
    for (uint32_t e = 0; e < f->n; e++)
        g->x[e] -= g->mean;
}

// Step 1. In the group's coordinates the minimum may be at most -mean, which is zero.
static inline __attribute__((always_inline)) void affine_search(affine_group *g, const affine_format *f)
{
    const float n = (float)f->n, n_inv = 1.0f / n;
    const lanes zero = lanes_set(0.0f), top = zero - g->mean, square = n * g->mean * g->mean;
    lanes low = g->x[0], high = g->x[0], best = zero;
    for (uint32_t e = 1; e < f->n; e++) {
        low = lanes_min(g->x[e], low);
        high = lanes_max(g->x[e], high);
    }
    low = lanes_min(low, top);
    lanes range = high - low, scale = range * (1.0f / f->code_max), min = low;
    for (uint32_t k = 0; k < AFFINE_TRIES; k++) {
        lanes inv = (f->code_max + AFFINE_FIRST + AFFINE_STEP * (float)k) / range, offset = zero - low * inv;
        for (uint32_t again = 0; again < 2; again++) {
            const affine_sums s = affine_sum(g, f, inv, offset);
            const lanes l_mean = s.l * n_inv, xl = s.xl + g->mean * s.l;
            const lanes spread = s.ll - s.l * l_mean, free = s.xl / spread, bound = xl / s.ll;
            lanes m = lanes_pick(spread, 1e-4f * s.ll, zero - free * l_mean, lanes_set(3.4e38f)); // one code for all
            const lanes fit = lanes_pick(m, top, bound, free);
            const lanes score = lanes_pick(m, top, xl * bound - square, s.xl * free);
            m = lanes_min(m, top);
            scale = lanes_pick(score, best, fit, scale); // a NaN is never better
            min = lanes_pick(score, best, m, min);
            best = lanes_pick(score, best, score, best);
            inv = 1.0f / fit;
            offset = zero - m * inv;
        }
    }
    g->scale = scale;
    g->min = zero - (min + g->mean);
}

// What f16 makes of a scale; too large ones become the largest.
static inline float affine_half(float value)
{
    return collet_f16_to_f32(collet_f32_to_f16(value < 65504.0f ? value : 65504.0f));
}

// Where step 2 looks around the nearest integers: the minimum below and above, the scale below and above.
static const struct {
    float scale, min;
} beside[] = { { 0.0f, -0.5f }, { 0.0f, 0.5f }, { -1.0f, 0.0f }, { 1.0f, 0.0f } };

// Step 2 for the group whose first sub-block is `at`: integers, and the terms.
static inline __attribute__((always_inline)) void affine_settle(affine_span *span, uint32_t at, const affine_format *f)
{
    const affine_group *g = &span->groups[at / LANES];
    affine_terms *terms = &span->terms;
    const float n = (float)f->n, n_inv = 1.0f / n;
    const lanes zero = lanes_set(0.0f), d = lanes_load(span->now.d + at), dmin = lanes_load(span->now.dmin + at);
    const lanes d_inv = lanes_pick(d, zero, 1.0f / d, zero), dmin_inv = lanes_pick(dmin, zero, 1.0f / dmin, zero);
    const lanes scale_max = lanes_set(f->scale_max), scale_near = affine_code(g->scale * d_inv, f->scale_max);
    lanes scale = scale_near, min = zero, best = lanes_set(3.4e38f);
    affine_sums kept = { zero, zero, zero };
    for (uint32_t k = 0; k < 4; k++) {
        const lanes sc = lanes_min(lanes_max(scale_near + beside[k].scale, zero), scale_max), step = d * sc;
        const lanes m = dmin * affine_code(g->min * dmin_inv + beside[k].min, f->scale_max);
        const lanes inv = lanes_pick(step, zero, 1.0f / step, zero);
        const affine_sums s = affine_sum(g, f, inv, (g->mean + m) * inv);
        const lanes mn = affine_code((step * s.l * n_inv - g->mean) * dmin_inv, f->scale_max);
        const lanes rest = g->mean + dmin * mn; // x - value = x' + rest - step l
        const lanes loss = n * rest * rest + step * (step * s.ll - 2.0f * (s.xl + rest * s.l));
        scale = lanes_pick(best, loss, sc, scale);
        min = lanes_pick(best, loss, mn, min);
        kept.l = lanes_pick(best, loss, s.l, kept.l);
        kept.ll = lanes_pick(best, loss, s.ll, kept.ll);
        kept.xl = lanes_pick(best, loss, s.xl, kept.xl);
        best = lanes_pick(best, loss, loss, best);
    }
    lanes_store(span->now.scale + at, scale);
    lanes_store(span->now.min + at, min);
    lanes_store(span->now.loss + at, g->share * best);
    const lanes s = g->share * scale, m = g->share * min;
    lanes_store(terms->ss + at, s * scale * kept.ll);
    lanes_store(terms->sm + at, s * min * kept.l);
    lanes_store(terms->mm + at, m * min * n);
    lanes_store(terms->sx + at, s * (kept.xl + g->mean * kept.l));
    lanes_store(terms->mx + at, m * g->mean * n);
}

// Gives one super-block its d and dmin.
static inline void affine_set(affine_span *span, uint32_t at, uint32_t n_subs, float d, float dmin)
{
    for (uint32_t j = at; j < at + n_subs; j++) {
        span->now.d[j] = affine_half(d);
        span->now.dmin[j] = affine_half(dmin);
    }
}

// d and dmin such that the largest scale and minimum just fit.
static inline void affine_start(affine_span *span, uint32_t at, uint32_t n_subs, float scale_max)
{
    float scale = 0.0f, min = 0.0f;
    for (uint32_t j = at; j < at + n_subs; j++) {
        scale = span->now.scale[j] > scale ? span->now.scale[j] : scale;
        min = span->now.min[j] > min ? span->now.min[j] : min;
    }
    affine_set(span, at, n_subs, scale / scale_max, min / scale_max);
}

// d and dmin that lose least with these codes, scales and minima; left alone where the sums do not tell.
static inline void affine_fit(affine_span *span, uint32_t at, uint32_t n_subs)
{
    double ss = 0.0, sm = 0.0, mm = 0.0, sx = 0.0, mx = 0.0;
    for (uint32_t j = at; j < at + n_subs; j++) {
        ss += (double)span->terms.ss[j];
        sm += (double)span->terms.sm[j];
        mm += (double)span->terms.mm[j];
        sx += (double)span->terms.sx[j];
        mx += (double)span->terms.mx[j];
    }
    const double det = ss * mm - sm * sm;
    const double d = mm > 0.0 ? (sx * mm - sm * mx) / det : sx / ss;
    const double dmin = mm > 0.0 ? (sm * sx - ss * mx) / det : 0.0;
    const bool known = mm > 0.0 ? det > 1e-4 * ss * mm : ss > 0.0;
    if (known && d > 0.0 && d < 65504.0 && dmin >= 0.0 && dmin < 65504.0)
        affine_set(span, at, n_subs, (float)d, (float)dmin);
}

// Step 3: the codes of super-block `at` and its bytes.
static inline __attribute__((always_inline)) void affine_write(void *block, const affine_span *span, uint32_t at,
                                                               const affine_format *f, const float *x)
{
    uint8_t codes[256];
    uint8_t scales[AFFINE_SUBS_MAX], mins[AFFINE_SUBS_MAX];
    const float d = span->now.d[at], dmin = span->now.dmin[at];
    for (uint32_t j = 0; j < 256 / f->n; j++, x += f->n) {
        const float step = d * span->now.scale[at + j], min = dmin * span->now.min[at + j];
        const float inv = step > 0.0f ? 1.0f / step : 0.0f;
        for (uint32_t e = 0; e < f->n; e += 16)
            lanes_codes(codes + j * f->n + e, x + e, min, inv, 0.0f, f->code_max);
        scales[j] = (uint8_t)span->now.scale[at + j];
        mins[j] = (uint8_t)span->now.min[at + j];
    }
    f->pack(block, codes, scales, mins, collet_f32_to_f16(d), collet_f32_to_f16(dmin));
}

// Takes a super-block's earlier choice back where it lost less.
static inline void affine_keep_better(affine_choice *now, const affine_choice *before, uint32_t at, uint32_t n_subs)
{
    double gain = 0.0;
    for (uint32_t j = at; j < at + n_subs; j++)
        gain += (double)before->loss[j] - (double)now->loss[j];
    if (gain >= 0.0)
        return;
    memcpy(now->d + at, before->d + at, n_subs * sizeof(float));
    memcpy(now->dmin + at, before->dmin + at, n_subs * sizeof(float));
    memcpy(now->scale + at, before->scale + at, n_subs * sizeof(float));
    memcpy(now->min + at, before->min + at, n_subs * sizeof(float));
}

static inline __attribute__((always_inline)) void affine_encode_span(uint8_t *dst, const affine_format *f,
                                                                     const float *src, const float *imatrix)
{
    const uint32_t n_subs = 256 / f->n, n_all = LANES > n_subs ? LANES : n_subs;
    affine_span span;
    for (uint32_t j = 0; j < n_all; j += LANES) {
        affine_group *g = &span.groups[j / LANES];
        affine_load(g, f, src + j * f->n, imatrix ? imatrix + j * f->n : NULL);
        affine_search(g, f);
        lanes_store(span.now.scale + j, g->scale);
        lanes_store(span.now.min + j, g->min);
    }
    for (uint32_t b = 0; b < n_all; b += n_subs)
        affine_start(&span, b, n_subs, f->scale_max);
    for (uint32_t j = 0; j < n_all; j += LANES)
        affine_settle(&span, j, f);
    const affine_choice before = span.now;
    for (uint32_t b = 0; b < n_all; b += n_subs)
        affine_fit(&span, b, n_subs);
    for (uint32_t j = 0; j < n_all; j += LANES)
        affine_settle(&span, j, f);
    for (uint32_t b = 0; b < n_all; b += n_subs) {
        affine_keep_better(&span.now, &before, b, n_subs);
        affine_write(dst + b / n_subs * f->block_bytes, &span, b, f, src + b * f->n);
    }
}

static inline __attribute__((always_inline)) void affine_encode(void *dst, const affine_format *f, const float *src,
                                                                uint64_t n, const float *imatrix)
{
    const uint32_t n_span = LANES * f->n > 256 ? LANES * f->n : 256;
    uint8_t *to = dst;
    for (; n >= n_span; n -= n_span) {
        affine_encode_span(to, f, src, imatrix);
        to += n_span / 256 * f->block_bytes;
        src += n_span;
        imatrix = imatrix ? imatrix + n_span : NULL;
    }
    if (n) { // a last super-block that does not fill the lanes: twice, and one is kept
        float x[512], w[512];
        uint8_t blocks[2 * AFFINE_BYTES_MAX];
        for (uint32_t half = 0; half < 512; half += 256) {
            memcpy(x + half, src, 256 * sizeof(float));
            if (imatrix)
                memcpy(w + half, imatrix, 256 * sizeof(float));
        }
        affine_encode_span(blocks, f, x, imatrix ? w : NULL);
        memcpy(to, blocks, f->block_bytes);
    }
}

#endif
