// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/rope_f32_avx512.c - rotates pairs of all heads of a row by angles computed once a row.
#include <string.h>

#include "plugins/cpu/math_avx512.h"
#include "plugins/cpu/ops/ops.h"

// Pairs whose angles are kept at a time: 1 KiB of stack, and one piece for heads of up to 256 elements.
enum { PIECE = 128 };

// Pairs (i, i + half): two streams of sixteen.
static void rotate_neox(float *y, const float *x, const float *c, const float *s, uint32_t half, uint32_t n)
{
    for (uint32_t i = 0; i < n; i += 16) {
        const __m512 cosine = _mm512_load_ps(c + i), sine = _mm512_load_ps(s + i);
        __mmask16 mask = collet_f32x16_mask(n - i);
        __m512 a = _mm512_maskz_loadu_ps(mask, x + i), b = _mm512_maskz_loadu_ps(mask, x + half + i);
        _mm512_mask_storeu_ps(y + i, mask, _mm512_fmsub_ps(a, cosine, _mm512_mul_ps(b, sine)));
        _mm512_mask_storeu_ps(y + half + i, mask, _mm512_fmadd_ps(a, sine, _mm512_mul_ps(b, cosine)));
    }
}

// Pairs (2i, 2i + 1): eight a vector, each angle twice; fmaddsub subtracts in even lanes and adds in odd ones.
static void rotate_norm(float *y, const float *x, const float *c, const float *s, uint32_t n)
{
    const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    for (uint32_t i = 0; i < n; i += 8) {
        __m512 cosine = _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(_mm256_load_ps(c + i)));
        __m512 sine = _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(_mm256_load_ps(s + i)));
        __mmask16 mask = collet_f32x16_mask(2 * (n - i));
        __m512 v = _mm512_maskz_loadu_ps(mask, x + 2 * i);
        __m512 other = _mm512_mul_ps(_mm512_permute_ps(v, 0xb1), sine);
        _mm512_mask_storeu_ps(y + 2 * i, mask, _mm512_fmaddsub_ps(v, cosine, other));
    }
}

static void angles(float *c, float *s, const float *freq, uint32_t n, int32_t position, float mscale)
{
    for (uint32_t i = 0; i < n; i += 16) {
        __m512 sine, cosine;
        collet_f32x16_sincos(&sine, &cosine, position, _mm512_maskz_loadu_ps(collet_f32x16_mask(n - i), freq + i));
        _mm512_store_ps(c + i, _mm512_mul_ps(cosine, _mm512_set1_ps(mscale)));
        _mm512_store_ps(s + i, _mm512_mul_ps(sine, _mm512_set1_ps(mscale)));
    }
}

void collet_cpu_rope_f32_avx512(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    _Alignas(64) float c[PIECE], s[PIECE];
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
