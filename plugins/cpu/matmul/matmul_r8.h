// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_r8.h - panels times tokens, once for every format and ISA.
//
// Included after r8_avx2.h or r8_avx512.h, which bring the dot products. A format's file says how to get at its codes
// and calls r8_run with constants, so that the compiler makes a loop of its own for it. Every format comes down to
//     y[r] += d[r] * a.d * sum over sub-blocks h of scale[h][r] * dot[h][r]  +  sum over h of m[h][r] * a.sum[h]
// where m carries the minimum, or what was added to the codes to make them unsigned. Columns are the outer loop and up
// to eight tokens the inner one: a group of codes is unpacked once for all of them, and their sums stay in registers.
#ifndef COLLET_PLUGINS_CPU_MATMUL_MATMUL_R8_H
#define COLLET_PLUGINS_CPU_MATMUL_MATMUL_R8_H

#include "plugins/cpu/matmul/matmul.h"
#include "plugins/cpu/matmul/r8_format.h"

// How far ahead the one stream of weights is fetched: what is under way at 20 GB/s and 100 ns, less what the hardware
// fetches by itself.
#define R8_AHEAD_BYTES 1024

// 32 columns of a panel, apart from their codes.
typedef struct r8_block {
    r8_scales scales;
    __m256 m[2];
} r8_block;

R8_INLINE __m256 r8_halves(const uint8_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

// 2^(e - 128); the two smallest are denormal (plugins/common/quant_mxfp4.c).
R8_INLINE __m256 r8_powers(const uint8_t *p)
{
    const __m256i e = _mm256_cvtepu8_epi32(r8_eight(p)), one = _mm256_set1_epi32(1);
    const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, one), 23);
    const __m256i denormal = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(denormal, normal, _mm256_cmpgt_epi32(e, one)));
}

R8_INLINE __m256 r8_d(const uint8_t *p, const r8_format f)
{
    return f.d == R8_D_F32    ? _mm256_loadu_ps((const float *)(const void *)p)
           : f.d == R8_D_E8M0 ? r8_powers(p)
                              : r8_halves(p);
}

R8_INLINE void r8_prefetch(const uint8_t *p, uint32_t n_bytes)
{
    for (uint32_t i = 0; i < n_bytes; i += 64)
        _mm_prefetch((const char *)p + R8_AHEAD_BYTES + i, _MM_HINT_T0);
}

// The last panel may have fewer rows than eight.
R8_INLINE void r8_store(const collet_cpu_matmul_args *a, uint32_t panel, uint32_t token, __m256 sum)
{
    float *y = a->y + token * a->y_stride + (uint64_t)panel * R8_ROWS;
    const uint32_t rows = a->n_out - panel * R8_ROWS;
    if (rows >= R8_ROWS) {
        _mm256_storeu_ps(y, sum);
    } else {
        float all[R8_ROWS];
        _mm256_storeu_ps(all, sum);
        memcpy(y, all, rows * sizeof *y);
    }
}

// 32 columns of n tokens; act is the first one's block.
R8_INLINE void r8_add_block(__m256 sum[8], const collet_cpu_act *act, const uint8_t *codes, const r8_block *w,
                            const int n, const r8_format f)
{
    __m256 v[8];
    r8_values(v, act, codes, f.codes, &w->scales, n, f.bits, f.is_super ? f.n_sub : 1);
    for (int c = 0; c < n; c++) {
        sum[c] = _mm256_fmadd_ps(v[c], _mm256_broadcast_ss(&act[c].d), sum[c]);
        if (f.m && f.n_sub == 1)
            sum[c] = _mm256_fmadd_ps(w->m[0], _mm256_broadcast_ss(&act[c].s), sum[c]);
        for (int h = 0; f.m && f.n_sub == 2 && h < 2; h++)
            sum[c] = _mm256_fmadd_ps(w->m[h], _mm256_broadcast_ss(&act[c].half[h]), sum[c]);
    }
}

// ---- records of 32 columns ----

R8_INLINE void r8_blocks(__m256 sum[8], const collet_cpu_act *act, const uint8_t *p, uint32_t n_in, const int n,
                         const r8_format f)
{
    const uint32_t head = r8_d_bytes(f) + (f.m == R8_M_STORED ? 16 : 0), record = head + f.code_bytes;
    for (uint32_t b = 0; b < n_in / 32; b++, p += record, act += n) {
        const __m256 d = r8_d(p, f);
        r8_block w;
        r8_scales_none(&w.scales, d);
        if (f.m == R8_M_STORED)
            w.m[0] = r8_halves(p + 16);
        else if (f.m == R8_M_OFFSET)
            w.m[0] = _mm256_mul_ps(d, _mm256_set1_ps(-(float)f.offset));
        if (n < 8)
            r8_prefetch(p, record);
        r8_add_block(sum, act, p + head, &w, n, f);
    }
}

// ---- records of 256 columns, in eight blocks ----

R8_INLINE void r8_supers(__m256 sum[8], const collet_cpu_act *act, const uint8_t *p, uint32_t n_in, const int n,
                         const r8_format f)
{
    const uint32_t head = f.m == R8_M_STORED ? 32 : 16, scales = (uint32_t)f.n_sub * 8;
    const uint32_t sub_head = f.m == R8_M_STORED && !f.nibble_scales ? 2 * scales : scales;
    const uint32_t sub = sub_head + f.code_bytes;
    for (uint32_t k = 0; k < n_in / 256; k++) {
        r8_block w;
        const __m256 d = r8_halves(p);
        const __m256 m = _mm256_mul_ps(f.m == R8_M_STORED ? r8_halves(p + 16) : d,
                                       _mm256_set1_ps(f.m == R8_M_STORED ? -1.0f : -(float)f.offset));
        p += head;
        for (int b = 0; b < 8; b++, p += sub, act += n) {
            for (int h = 0; h < f.n_sub; h++) {
                __m128i scale = r8_eight(p + 8 * h), min = scale; // R8_M_OFFSET: the minimum is a multiple of the scale
                if (f.nibble_scales) {
                    scale = _mm_and_si128(min, _mm_set1_epi8(15));
                    min = _mm_and_si128(_mm_srli_epi16(min, 4), _mm_set1_epi8(15));
                } else if (f.m == R8_M_STORED) {
                    min = r8_eight(p + 8 * h + scales);
                }
                r8_scales_set(&w.scales, h, d, scale, f.signed_scales);
                w.m[h] = _mm256_mul_ps(m, r8_bytes(min, f.signed_scales));
            }
            if (n < 8)
                r8_prefetch(p, sub);
            r8_add_block(sum, act, p + sub_head, &w, n, f);
        }
    }
}

R8_INLINE void r8_panel(const collet_cpu_matmul_args *a, uint32_t panel, uint32_t token, const int n, const r8_format f)
{
    const collet_cpu_act *act = a->act + (uint64_t)token * (a->n_in / 32);
    const uint8_t *p = a->w + panel * a->panel_bytes;
    __m256 sum[8];
    for (int c = 0; c < n; c++)
        sum[c] = _mm256_setzero_ps();
    if (f.is_super)
        r8_supers(sum, act, p, a->n_in, n, f);
    else
        r8_blocks(sum, act, p, a->n_in, n, f);
    for (int c = 0; c < n; c++)
        r8_store(a, panel, token + (uint32_t)c, sum[c]);
}

R8_INLINE void r8_run(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end, uint32_t token_begin,
                      uint32_t token_end, r8_format f)
{
    if (f.bits == 0 && R8_SIGNED_OFFSET) {
        f.m = R8_M_OFFSET;
        f.offset = R8_SIGNED_OFFSET;
    }
    for (uint32_t panel = panel_begin; panel < panel_end; panel++)
        for (uint32_t token = token_begin, n; token < token_end; token += n) {
            n = collet_cpu_act_together(token_end - token);
            switch (n) {
            case 8:
                r8_panel(a, panel, token, 8, f);
                break;
            case 7:
                r8_panel(a, panel, token, 7, f);
                break;
            case 6:
                r8_panel(a, panel, token, 6, f);
                break;
            case 5:
                r8_panel(a, panel, token, 5, f);
                break;
            case 4:
                r8_panel(a, panel, token, 4, f);
                break;
            case 3:
                r8_panel(a, panel, token, 3, f);
                break;
            case 2:
                r8_panel(a, panel, token, 2, f);
                break;
            default:
                r8_panel(a, panel, token, 1, f);
                break;
            }
        }
}

#endif
