// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/ops/rope_f32_avx2.c - rotates pairs of all heads of a row by angles computed once a row.
#include <string.h>

#include "plugins/cpu/math_avx2.h"
#include "plugins/cpu/ops/ops.h"

// Pairs whose angles are kept at a time: 1 KiB of stack, and one piece for heads of up to 256 elements.
enum { PIECE = 128 };

// Pairs (i, i + half): two streams of eight. first and second may be the outputs.
static void rotate_neox(float *y, const float *x, const float *c, const float *s, uint32_t half, uint32_t n)
{
    for (uint32_t i = 0; i < n; i += 8) {
        const __m256 cosine = _mm256_load_ps(c + i), sine = _mm256_load_ps(s + i);
        if (i + 8 <= n) {
            __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + half + i);
            _mm256_storeu_ps(y + i, _mm256_fmsub_ps(a, cosine, _mm256_mul_ps(b, sine)));
            _mm256_storeu_ps(y + half + i, _mm256_fmadd_ps(a, sine, _mm256_mul_ps(b, cosine)));
        } else {
            __m256i mask = collet_f32x8_mask(n - i);
            __m256 a = _mm256_maskload_ps(x + i, mask), b = _mm256_maskload_ps(x + half + i, mask);
            _mm256_maskstore_ps(y + i, mask, _mm256_fmsub_ps(a, cosine, _mm256_mul_ps(b, sine)));
            _mm256_maskstore_ps(y + half + i, mask, _mm256_fmadd_ps(a, sine, _mm256_mul_ps(b, cosine)));
        }
    }
}

// Pairs (2i, 2i + 1): four a vector, each angle twice; fmaddsub subtracts in even lanes and adds in odd ones.
static void rotate_norm(float *y, const float *x, const float *c, const float *s, uint32_t n)
{
    const __m256i twice = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    for (uint32_t i = 0; i < n; i += 4) {
        __m256 cosine = _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_load_ps(c + i)), twice);
        __m256 sine = _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_load_ps(s + i)), twice);
        if (i + 4 <= n) {
            __m256 v = _mm256_loadu_ps(x + 2 * i);
            __m256 other = _mm256_mul_ps(_mm256_permute_ps(v, 0xb1), sine);
            _mm256_storeu_ps(y + 2 * i, _mm256_fmaddsub_ps(v, cosine, other));
        } else {
            __m256i mask = collet_f32x8_mask(2 * (n - i));
            __m256 v = _mm256_maskload_ps(x + 2 * i, mask);
            __m256 other = _mm256_mul_ps(_mm256_permute_ps(v, 0xb1), sine);
            _mm256_maskstore_ps(y + 2 * i, mask, _mm256_fmaddsub_ps(v, cosine, other));
        }
    }
}

static void angles(float *c, float *s, const float *freq, uint32_t n, int32_t position, float mscale)
{
    for (uint32_t i = 0; i < n; i += 8) {
        __m256 sine, cosine;
        collet_f32x8_sincos(&sine, &cosine, position, _mm256_maskload_ps(freq + i, collet_f32x8_mask(n - i)));
        _mm256_store_ps(c + i, _mm256_mul_ps(cosine, _mm256_set1_ps(mscale)));
        _mm256_store_ps(s + i, _mm256_mul_ps(sine, _mm256_set1_ps(mscale)));
    }
}

void collet_cpu_rope_f32_avx2(const collet_cpu_ops_args *a, uint32_t begin, uint32_t end)
{
    _Alignas(32) float c[PIECE], s[PIECE];
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
