// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_search.c
#include "plugins/common/quant_search.h"

#include <math.h>
#include <stddef.h>

#include "plugins/common/blocks.h"
#include "plugins/common/quant_round.h"

static const int8_t values[16] = COLLET_IQ4_VALUES;

float collet_lanes_fold(const float s[16])
{
    float f[8];
    for (uint32_t k = 0; k < 8; k++)
        f[k] = s[k] + s[k + 8];
    for (uint32_t half = 4; half > 0; half /= 2)
        for (uint32_t k = 0; k < half; k++)
            f[k] += f[k + half];
    return f[0];
}

float collet_lanes_squares(const float *x, uint32_t n)
{
    float s[16] = { 0.0f };
    for (uint32_t i = 0; i < n; i++)
        s[i % 16] += x[i] * x[i];
    return collet_lanes_fold(s);
}

const float *collet_importances(const float *imatrix, uint64_t i)
{
    for (uint32_t k = 0; imatrix && k < 32; k++)
        if (imatrix[i + k] > 0.0f)
            return imatrix + i;
    return NULL;
}

void collet_search_weights(float *w, const float *x, const float *importances, float sigma2)
{
    for (uint32_t i = 0; i < 32; i++)
        w[i] = importances[i] * sqrtf(sigma2 + x[i] * x[i]);
}

// To an integer between min and max, halves to even; NaN gives min.
static float rounded(float y, float min, float max)
{
    y = y > min ? y : min;
    return rintf(y < max ? y : max);
}

float collet_search_scale(const float *x, const float *w, float n)
{
    float peak = collet_signed_peak(x, 32), best = 0.0f, d = 0.0f;
    if (!(fabsf(peak) >= COLLET_SEARCH_TINY))
        return 0.0f;
    for (int32_t k = -COLLET_SEARCH_SCALE_TRIES; k <= COLLET_SEARCH_SCALE_TRIES; k++) {
        float inv = -(n + COLLET_SEARCH_SCALE_STEP * (float)k) / peak, s_xl[16] = { 0.0f }, s_ll[16] = { 0.0f };
        for (uint32_t i = 0; i < 32; i++) {
            float l = rounded(x[i] * inv, -n, n - 1.0f), wl = w[i] * l;
            s_xl[i % 16] += wl * x[i];
            s_ll[i % 16] += wl * l;
        }
        float xl = collet_lanes_fold(s_xl), scale = xl / collet_lanes_fold(s_ll), score = xl * scale;
        if (score > best) { // false for 0 / 0
            best = score;
            d = scale;
        }
    }
    return d;
}

typedef struct affine {
    const float *x, *w;
    float wx[32]; // w (x - mean): about the mean, the minimum drops out of the sums
    float n, mean, w_inv;
    float best, d, min; // what has the best score so far
} affine;

// Codes of scale 1/inv and minimum low, and the scale and minimum that are best for them.
static void affine_try(affine *a, float inv, float low)
{
    float middle = (a->mean - low) * inv; // codes about it, lest one large weight cancel what the others say
    float s_l[16] = { 0.0f }, s_xl[16] = { 0.0f }, s_ll[16] = { 0.0f };
    for (uint32_t i = 0; i < 32; i++) {
        float l = rounded((a->x[i] - low) * inv, 0.0f, a->n) - middle, wl = a->w[i] * l;
        s_l[i % 16] += wl;
        s_xl[i % 16] += a->wx[i] * l;
        s_ll[i % 16] += wl * l;
    }
    float l1 = collet_lanes_fold(s_l), xl = collet_lanes_fold(s_xl), l_mean = l1 * a->w_inv;
    float scale = xl / (collet_lanes_fold(s_ll) - l1 * l_mean), score = xl * scale;
    if (score > a->best) {
        a->best = score;
        a->d = scale;
        a->min = a->mean - scale * (middle + l_mean);
    }
}

float collet_search_affine(float *min, const float *x, const float *w, float n)
{
    float max, low = collet_range(&max, x, 32), s_w[16] = { 0.0f }, s_x[16] = { 0.0f };
    affine a = { .x = x, .w = w, .n = n, .min = low };
    if (max > low) {
        for (uint32_t i = 0; i < 32; i++) {
            s_w[i % 16] += w[i];
            s_x[i % 16] += w[i] * x[i];
        }
        a.w_inv = 1.0f / collet_lanes_fold(s_w);
        a.mean = collet_lanes_fold(s_x) * a.w_inv;
        for (uint32_t i = 0; i < 32; i++)
            a.wx[i] = w[i] * (x[i] - a.mean);
        for (int32_t k = -COLLET_SEARCH_AFFINE_TRIES; k <= COLLET_SEARCH_AFFINE_TRIES; k++) {
            float steps = n + COLLET_SEARCH_AFFINE_STEP * (float)k;
            affine_try(&a, steps / (max - low), low);
            affine_try(&a, steps / (max - a.min), a.min);
        }
        for (uint32_t k = 0; k < COLLET_SEARCH_AFFINE_ROUNDS && a.d > 0.0f; k++)
            affine_try(&a, 1.0f / a.d, a.min);
    }
    *min = a.min;
    return a.d;
}

// Twice the points halfway between two values, plus 256; at one, the larger value wins.
static const float halfway[15] = { 25, 69, 108, 142, 172, 199, 224, 247, 270, 294, 319, 347, 378, 414, 458 };

uint32_t collet_iq4_code(float y)
{
    float place = y * 2.0f + 256.0f; // rounded here, so that it can be compared as an integer
    uint32_t code = 0;
    for (uint32_t k = 0; k < 15; k++)
        code += place >= halfway[k];
    return code;
}

float collet_search_iq4(const float *x, const float *w)
{
    float peak = collet_signed_peak(x, 32), best = 0.0f, d = 0.0f;
    if (!(fabsf(peak) >= COLLET_SEARCH_TINY))
        return 0.0f;
    for (int32_t k = -COLLET_SEARCH_IQ4_TRIES; k <= COLLET_SEARCH_IQ4_TRIES + 1; k++) {
        // The last try puts the peak at the other end of the table.
        float at = k <= COLLET_SEARCH_IQ4_TRIES ? (float)(values[0] + k) : -(float)values[0];
        float inv = at / peak, s_xv[16] = { 0.0f }, s_vv[16] = { 0.0f };
        for (uint32_t i = 0; i < 32; i++) {
            float v = values[collet_iq4_code(x[i] * inv)], wv = w[i] * v;
            s_xv[i % 16] += wv * x[i];
            s_vv[i % 16] += wv * v;
        }
        float xv = collet_lanes_fold(s_xv), scale = xv / collet_lanes_fold(s_vv), score = xv * scale;
        if (score > best) {
            best = score;
            d = scale;
        }
    }
    return d;
}
