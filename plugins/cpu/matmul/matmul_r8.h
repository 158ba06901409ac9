// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_r8.h - panels times tokens, once for every format and ISA.
//
// Included after r8_avx2.h or r8_avx512.h, which bring the dot products. Each format's file calls one of the three
// shapes below with constants, so that the compiler makes a loop of its own for it. A block is unpacked once for up to
// four tokens; the next record is prefetched while this one is multiplied.
#ifndef COLLET_PLUGINS_CPU_MATMUL_MATMUL_R8_H
#define COLLET_PLUGINS_CPU_MATMUL_MATMUL_R8_H

#include "plugins/cpu/matmul/matmul.h"

typedef void r8_unpack_fn(const uint8_t *codes, __m256i w[8]);

// What a format's file says about its records (matmul_pack.c).
typedef struct r8_format {
    r8_unpack_fn *unpack;
    uint32_t code_bytes; // of 32 columns
    int bits;            // of an unsigned code; 0: signed bytes
    int offset;          // taken off every unsigned code
    int has_min;
    int signed_scales; // of 16-column sub-blocks
} r8_format;

// One token's activations.
typedef struct r8_token {
    const uint8_t *q;
    const float *d, *s, *h;
} r8_token;

R8_INLINE r8_token r8_token_at(const collet_cpu_matmul_args *a, uint32_t token)
{
    r8_token t = { .q = a->act + token * a->act_bytes };
    t.d = (const float *)(const void *)(t.q + a->n_in);
    t.s = t.d + a->n_in / 32;
    t.h = t.s + a->n_in / 32;
    return t;
}

R8_INLINE __m256 r8_halves(const uint8_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

R8_INLINE __m256 r8_bytes(const uint8_t *p, int is_signed)
{
    const __m128i v = _mm_loadl_epi64((const __m128i *)(const void *)p);
    return _mm256_cvtepi32_ps(is_signed ? _mm256_cvtepi8_epi32(v) : _mm256_cvtepu8_epi32(v));
}

R8_INLINE void r8_prefetch(const uint8_t *p, uint32_t n_bytes)
{
    for (uint32_t i = 0; i < n_bytes; i += 64)
        _mm_prefetch((const char *)p + i, _MM_HINT_T0);
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

// ---- 32-element formats ----

R8_INLINE void r8_blocks(const collet_cpu_matmul_args *a, uint32_t panel, uint32_t token, const int n,
                         const r8_format f)
{
    const uint32_t head = f.has_min ? 32 : 16, record = head + f.code_bytes, n_blocks = a->n_in / 32;
    const uint8_t *p = a->w + panel * a->panel_bytes;
    r8_token t[4];
    __m256 sum[4];
    for (int c = 0; c < n; c++) {
        t[c] = r8_token_at(a, token + (uint32_t)c);
        sum[c] = _mm256_setzero_ps();
    }
    for (uint32_t b = 0; b < n_blocks; b++, p += record) {
        __m256i w[8];
        r8_prefetch(p + 2 * record, record);
        f.unpack(p + head, w);
        const __m256 d = r8_halves(p), m = f.has_min ? r8_halves(p + 16) : _mm256_setzero_ps();
        for (int c = 0; c < n; c++) {
            const uint8_t *q = t[c].q + 32 * b;
            const __m256i dot = f.bits ? r8_dot(w, q, 0, 8, f.bits) : r8_dot_signed(w, q);
            __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(dot), _mm256_broadcast_ss(t[c].d + b));
            const __m256 s = _mm256_broadcast_ss(t[c].s + b);
            if (f.offset)
                v = _mm256_fnmadd_ps(_mm256_set1_ps((float)f.offset), s, v);
            sum[c] = _mm256_fmadd_ps(d, v, sum[c]);
            if (f.has_min)
                sum[c] = _mm256_fmadd_ps(m, s, sum[c]);
        }
    }
    for (int c = 0; c < n; c++)
        r8_store(a, panel, token + (uint32_t)c, sum[c]);
}

// ---- 256-element formats with a scale and a minimum for each 32 columns ----

R8_INLINE void r8_super32(const collet_cpu_matmul_args *a, uint32_t panel, uint32_t token, const int n,
                          const r8_format f)
{
    const uint32_t sub = 16 + f.code_bytes, record = 32 + 8 * sub, n_records = a->n_in / 256;
    const uint8_t *p = a->w + panel * a->panel_bytes;
    r8_token t[4];
    __m256 sum[4];
    for (int c = 0; c < n; c++) {
        t[c] = r8_token_at(a, token + (uint32_t)c);
        sum[c] = _mm256_setzero_ps();
    }
    for (uint32_t k = 0; k < n_records; k++, p += record) {
        const __m256 d = r8_halves(p), dmin = r8_halves(p + 16);
        const uint8_t *at = p + 32;
        __m256 scaled[4], taken[4];
        for (int c = 0; c < n; c++)
            scaled[c] = taken[c] = _mm256_setzero_ps();
        for (uint32_t b = 8 * k; b < 8 * k + 8; b++, at += sub) {
            __m256i w[8];
            r8_prefetch(at + 4 * sub, sub);
            f.unpack(at + 16, w);
            const __m256 scale = r8_bytes(at, 0), min = r8_bytes(at + 8, 0);
            for (int c = 0; c < n; c++) {
                const __m256 dot = _mm256_cvtepi32_ps(r8_dot(w, t[c].q + 32 * b, 0, 8, f.bits));
                const __m256 v = _mm256_mul_ps(dot, _mm256_broadcast_ss(t[c].d + b));
                scaled[c] = _mm256_fmadd_ps(scale, v, scaled[c]);
                taken[c] = _mm256_fmadd_ps(min, _mm256_broadcast_ss(t[c].s + b), taken[c]);
            }
        }
        for (int c = 0; c < n; c++)
            sum[c] = _mm256_fnmadd_ps(dmin, taken[c], _mm256_fmadd_ps(d, scaled[c], sum[c]));
    }
    for (int c = 0; c < n; c++)
        r8_store(a, panel, token + (uint32_t)c, sum[c]);
}

// ---- 256-element formats with a scale (and a minimum) for each 16 columns ----

R8_INLINE void r8_super16(const collet_cpu_matmul_args *a, uint32_t panel, uint32_t token, const int n,
                          const r8_format f)
{
    const uint32_t sub_head = f.has_min ? 32 : 16, sub = sub_head + f.code_bytes, head = f.has_min ? 32 : 16;
    const uint32_t record = head + 8 * sub, n_records = a->n_in / 256;
    const uint8_t *p = a->w + panel * a->panel_bytes;
    r8_token t[4];
    __m256 sum[4];
    for (int c = 0; c < n; c++) {
        t[c] = r8_token_at(a, token + (uint32_t)c);
        sum[c] = _mm256_setzero_ps();
    }
    for (uint32_t k = 0; k < n_records; k++, p += record) {
        const __m256 d = r8_halves(p), dmin = f.has_min ? r8_halves(p + 16) : _mm256_setzero_ps();
        const uint8_t *at = p + head;
        __m256 scaled[4], taken[4];
        for (int c = 0; c < n; c++)
            scaled[c] = taken[c] = _mm256_setzero_ps();
        for (uint32_t b = 8 * k; b < 8 * k + 8; b++, at += sub) {
            __m256i w[8];
            r8_prefetch(at + 4 * sub, sub);
            f.unpack(at + sub_head, w);
            for (int half = 0; half < 2; half++) {
                const __m256 scale = r8_bytes(at + 8 * half, f.signed_scales);
                const __m256 min = f.has_min ? r8_bytes(at + 16 + 8 * half, 0) : _mm256_setzero_ps();
                for (int c = 0; c < n; c++) {
                    const __m256 dot = _mm256_cvtepi32_ps(r8_dot(w, t[c].q + 32 * b, 4 * half, 4, f.bits));
                    __m256 v = _mm256_mul_ps(dot, _mm256_broadcast_ss(t[c].d + b));
                    const __m256 s = _mm256_broadcast_ss(t[c].h + 2 * b + (uint32_t)half);
                    if (f.offset)
                        v = _mm256_fnmadd_ps(_mm256_set1_ps((float)f.offset), s, v);
                    scaled[c] = _mm256_fmadd_ps(scale, v, scaled[c]);
                    if (f.has_min)
                        taken[c] = _mm256_fmadd_ps(min, s, taken[c]);
                }
            }
        }
        for (int c = 0; c < n; c++) {
            sum[c] = _mm256_fmadd_ps(d, scaled[c], sum[c]);
            if (f.has_min)
                sum[c] = _mm256_fnmadd_ps(dmin, taken[c], sum[c]);
        }
    }
    for (int c = 0; c < n; c++)
        r8_store(a, panel, token + (uint32_t)c, sum[c]);
}

// ---- tokens by four, two, one ----

typedef void r8_shape_fn(const collet_cpu_matmul_args *a, uint32_t panel, uint32_t token, const int n,
                         const r8_format f);

R8_INLINE void r8_run(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end, uint32_t token_begin,
                      uint32_t token_end, r8_shape_fn *shape, const r8_format f)
{
    for (uint32_t panel = panel_begin; panel < panel_end; panel++) {
        uint32_t token = token_begin;
        for (; token + 4 <= token_end; token += 4)
            shape(a, panel, token, 4, f);
        if (token + 2 <= token_end) {
            shape(a, panel, token, 2, f);
            token += 2;
        }
        if (token < token_end)
            shape(a, panel, token, 1, f);
    }
}

// ---- unpacking 32 columns of eight rows ----

R8_INLINE __m256i r8_load(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

R8_INLINE void r8_nibbles(const uint8_t *codes, __m256i w[8])
{
    const __m256i mask = _mm256_set1_epi8(15);
    for (int j = 0; j < 4; j++) {
        const __m256i v = r8_load(codes + 32 * j);
        w[j] = _mm256_and_si256(v, mask);
        w[j + 4] = _mm256_and_si256(_mm256_srli_epi16(v, 4), mask);
    }
}

R8_INLINE void r8_nibbles_and_bit(const uint8_t *codes, __m256i w[8])
{
    const __m256i high = r8_load(codes + 128), bit = _mm256_set1_epi8(16);
    r8_nibbles(codes, w);
    for (int g = 0; g < 8; g++) {
        const __m256i at4 = g < 4 ? _mm256_slli_epi16(high, 4 - g) : _mm256_srli_epi16(high, g - 4);
        w[g] = _mm256_or_si256(w[g], _mm256_and_si256(at4, bit));
    }
}

R8_INLINE void r8_pairs(const uint8_t *codes, __m256i w[8])
{
    const __m256i mask = _mm256_set1_epi8(3);
    for (int g = 0; g < 8; g++)
        w[g] = _mm256_and_si256(_mm256_srli_epi16(r8_load(codes + 32 * (g / 4)), 2 * (g % 4)), mask);
}

R8_INLINE void r8_nibbles_and_pairs(const uint8_t *codes, __m256i w[8])
{
    __m256i high[8];
    r8_nibbles(codes, w);
    r8_pairs(codes + 128, high);
    for (int g = 0; g < 8; g++)
        w[g] = _mm256_or_si256(w[g], _mm256_slli_epi16(high[g], 4));
}

R8_INLINE void r8_eight_bits(const uint8_t *codes, __m256i w[8])
{
    for (int g = 0; g < 8; g++)
        w[g] = r8_load(codes + 32 * g);
}

// Nibbles through the table of iq4_nl, given twice.
R8_INLINE void r8_looked_up(const uint8_t *codes, __m256i w[8], const int8_t values[16])
{
    const __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)values));
    r8_nibbles(codes, w);
    for (int g = 0; g < 8; g++)
        w[g] = _mm256_shuffle_epi8(table, w[g]);
}

#endif
