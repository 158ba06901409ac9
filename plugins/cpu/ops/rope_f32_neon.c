// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/rope_f32_neon.c - rotates pairs of all heads of a row by angles computed once a row.
#include "plugins/cpu/math_neon.h"
#include "plugins/cpu/ops/ops.h"

// Pairs whose angles are kept at a time: 1 KiB of stack, and one piece for heads of up to 256 elements.
enum { PIECE = 128 };

// Pairs (i, i + half): two streams of four. y may be x.
static void rotate_neox(float *y, const float *x, const float *c, const float *s, uint32_t half, uint32_t n)
{
    for (uint32_t i = 0; i < n; i += 4) {
        const float32x4_t cosine = vld1q_f32(c + i), sine = vld1q_f32(s + i);
        const float32x4_t a = collet_f32x4_load(x + i, n - i), b = collet_f32x4_load(x + half + i, n - i);
        collet_f32x4_store(y + i, vfmaq_f32(vnegq_f32(vmulq_f32(b, sine)), a, cosine), n - i);
        collet_f32x4_store(y + half + i, vfmaq_f32(vmulq_f32(b, cosine), a, sine), n - i);
    }
}

// Pairs (2i, 2i + 1): four at a time, which ld2 and st2 part and join.
static void rotate_norm(float *y, const float *x, const float *c, const float *s, uint32_t n)
{
    for (uint32_t i = 0; i < n; i += 4) {
        const float32x4_t cosine = vld1q_f32(c + i), sine = vld1q_f32(s + i);
        const uint32_t n_floats = 2 * (n - i);
        float all[8] = { 0 };
        if (n_floats < 8)
            memcpy(all, x + 2 * i, n_floats * sizeof *all);
        const float32x4x2_t v = vld2q_f32(n_floats < 8 ? all : x + 2 * i);
        const float32x4x2_t turned = { { vfmaq_f32(vnegq_f32(vmulq_f32(v.val[1], sine)), v.val[0], cosine),
                                         vfmaq_f32(vmulq_f32(v.val[0], sine), v.val[1], cosine) } };
        vst2q_f32(n_floats < 8 ? all : y + 2 * i, turned);
        if (n_floats < 8)
            memcpy(y + 2 * i, all, n_floats * sizeof *all);
    }
}

static void angles(float *c, float *s, const float *freq, uint32_t n, int32_t position, float mscale)
{
    for (uint32_t i = 0; i < n; i += 4) {
        float32x4_t sine, cosine;
        collet_f32x4_sincos(&sine, &cosine, position, collet_f32x4_load(freq + i, n - i));
        vst1q_f32(c + i, vmulq_n_f32(cosine, mscale));
        vst1q_f32(s + i, vmulq_n_f32(sine, mscale));
    }
}

void collet_cpu_rope_f32_neon(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    float c[PIECE], s[PIECE];
    const uint32_t half = a->n_rot / 2;
    for (uint32_t r = begin; r < end; r++) {
        for (uint32_t i = 0; i < half; i += PIECE) {
            const uint32_t n = half - i < PIECE ? half - i : PIECE;
            angles(c, s, a->w + i, n, a->index[r], a->scale);
            for (uint32_t h = 0; h < a->n_heads; h++) {
                const float *x = a->x + r * a->x_row + h * a->x_head;
                float *y = a->y + r * a->y_row + h * a->y_head;
                if (a->pairs == COLLET_ROPE_NEOX)
                    rotate_neox(y + i, x + i, c, s, half, n);
                else
                    rotate_norm(y + 2 * i, x + 2 * i, c, s, n);
            }
        }
        for (uint32_t h = 0; a->y != a->x && h < a->n_heads; h++)
            memcpy(a->y + r * a->y_row + h * a->y_head + a->n_rot, a->x + r * a->x_row + h * a->x_head + a->n_rot,
                   (a->n - a->n_rot) * sizeof(float));
    }
}
