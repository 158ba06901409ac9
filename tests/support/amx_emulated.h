// SPDX-License-Identifier: Apache-2.0
// tests/support/amx_emulated.h - in plain C, the AVX-512 and AMX intrinsics that the AMX kernels use.
//
// The kernels' sources are compiled once more with this in front of them (tests/plugins/cpu/CMakeLists.txt), so that
// machines with AVX2 check everything but the instructions. A tile instruction without a loaded configuration, or one
// beyond a tile's 16 rows of 64 bytes, aborts. Written from Intel's manual, volume 2.
#ifndef COLLET_TESTS_SUPPORT_AMX_EMULATED_H
#define COLLET_TESTS_SUPPORT_AMX_EMULATED_H

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EMULATED static __attribute__((unused))

typedef union lanes {
    __m512 ps;
    __m512i si;
    float f[16];
    uint32_t u[16];
    uint64_t q[8];
    uint16_t h[32];
    uint8_t b[64];
} lanes;

EMULATED uint16_t emulated_bf16(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    if (isnan(x))
        return (uint16_t)(u >> 16 | 0x40);
    if ((u & 0x7f800000) == 0) // denormal operands are zero
        return (uint16_t)(u >> 16 & 0x8000);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

// ---- AVX-512 ----

EMULATED __m512 emulated_mul_ps(__m512 av, __m512 bv)
{
    lanes r = { .u = { 0 } };
    const lanes a = { .ps = av };
    const lanes b = { .ps = bv };
    for (int i = 0; i < 16; i++)
        r.f[i] = a.f[i] * b.f[i];
    return r.ps;
}

EMULATED __m512 emulated_fmadd_ps(__m512 av, __m512 bv, __m512 cv)
{
    lanes r = { .u = { 0 } };
    const lanes a = { .ps = av };
    const lanes b = { .ps = bv };
    const lanes c = { .ps = cv };
    for (int i = 0; i < 16; i++)
        r.f[i] = fmaf(a.f[i], b.f[i], c.f[i]);
    return r.ps;
}

EMULATED __m512 emulated_fnmadd_ps(__m512 av, __m512 bv, __m512 cv)
{
    lanes r = { .u = { 0 } };
    const lanes a = { .ps = av };
    const lanes b = { .ps = bv };
    const lanes c = { .ps = cv };
    for (int i = 0; i < 16; i++)
        r.f[i] = fmaf(-a.f[i], b.f[i], c.f[i]);
    return r.ps;
}

EMULATED __m512 emulated_set1_ps(float x)
{
    lanes r = { .u = { 0 } };
    for (int i = 0; i < 16; i++)
        r.f[i] = x;
    return r.ps;
}

EMULATED __m512 emulated_cvtepi32_ps(__m512i av)
{
    lanes r = { .u = { 0 } };
    const lanes a = { .si = av };
    for (int i = 0; i < 16; i++)
        r.f[i] = (float)(int32_t)a.u[i];
    return r.ps;
}

EMULATED __m512 emulated_maskz_loadu_ps(uint32_t mask, const float *p)
{
    lanes r = { .u = { 0 } };
    for (int i = 0; i < 16; i++)
        r.f[i] = mask >> i & 1 ? p[i] : 0.0f;
    return r.ps;
}

EMULATED __m512i emulated_maskz_loadu_epi16(uint32_t mask, const void *p)
{
    lanes r = { .u = { 0 } };
    for (int i = 0; i < 32; i++)
        if (mask >> i & 1)
            memcpy(&r.h[i], (const uint8_t *)p + 2 * i, 2);
    return r.si;
}

EMULATED __m512i emulated_set1_epi32(int x)
{
    lanes r = { .u = { 0 } };
    for (int i = 0; i < 16; i++)
        r.u[i] = (uint32_t)x;
    return r.si;
}

EMULATED __m512i emulated_set1_epi8(char x)
{
    lanes r = { .u = { 0 } };
    for (int i = 0; i < 64; i++)
        r.b[i] = (uint8_t)x;
    return r.si;
}

EMULATED __m512i emulated_xor_si512(__m512i av, __m512i bv)
{
    lanes r = { .u = { 0 } };
    const lanes a = { .si = av };
    const lanes b = { .si = bv };
    for (int i = 0; i < 16; i++)
        r.u[i] = a.u[i] ^ b.u[i];
    return r.si;
}

EMULATED __m512i emulated_and_si512(__m512i av, __m512i bv)
{
    lanes r = { .u = { 0 } };
    const lanes a = { .si = av };
    const lanes b = { .si = bv };
    for (int i = 0; i < 16; i++)
        r.u[i] = a.u[i] & b.u[i];
    return r.si;
}

EMULATED __m512i emulated_slli_epi32(__m512i av, unsigned n)
{
    lanes r = { .u = { 0 } };
    const lanes a = { .si = av };
    for (int i = 0; i < 16; i++)
        r.u[i] = n < 32 ? a.u[i] << n : 0;
    return r.si;
}

EMULATED __m512i emulated_srli_epi32(__m512i av, unsigned n)
{
    lanes r = { .u = { 0 } };
    const lanes a = { .si = av };
    for (int i = 0; i < 16; i++)
        r.u[i] = n < 32 ? a.u[i] >> n : 0;
    return r.si;
}

EMULATED __m512i emulated_ternarylogic_epi32(__m512i av, __m512i bv, __m512i cv, int table)
{
    const lanes a = { .si = av }, b = { .si = bv }, c = { .si = cv };
    lanes r = { .u = { 0 } };
    for (int i = 0; i < 16; i++)
        for (int k = 0; k < 32; k++) {
            const uint32_t at = (a.u[i] >> k & 1) << 2 | (b.u[i] >> k & 1) << 1 | (c.u[i] >> k & 1);
            r.u[i] |= ((uint32_t)table >> at & 1) << k;
        }
    return r.si;
}

EMULATED __m512i emulated_unpacklo_epi32(__m512i av, __m512i bv)
{
    lanes r = { .u = { 0 } };
    const lanes a = { .si = av };
    const lanes b = { .si = bv };
    for (int i = 0; i < 16; i++)
        r.u[i] = (i % 2 ? b : a).u[i / 4 * 4 + i % 4 / 2];
    return r.si;
}

EMULATED __m512i emulated_unpackhi_epi32(__m512i av, __m512i bv)
{
    lanes r = { .u = { 0 } };
    const lanes a = { .si = av };
    const lanes b = { .si = bv };
    for (int i = 0; i < 16; i++)
        r.u[i] = (i % 2 ? b : a).u[i / 4 * 4 + 2 + i % 4 / 2];
    return r.si;
}

EMULATED __m512i emulated_unpacklo_epi64(__m512i av, __m512i bv)
{
    lanes r = { .u = { 0 } };
    const lanes a = { .si = av };
    const lanes b = { .si = bv };
    for (int i = 0; i < 8; i++)
        r.q[i] = (i % 2 ? b : a).q[i / 2 * 2];
    return r.si;
}

EMULATED __m512i emulated_unpackhi_epi64(__m512i av, __m512i bv)
{
    lanes r = { .u = { 0 } };
    const lanes a = { .si = av };
    const lanes b = { .si = bv };
    for (int i = 0; i < 8; i++)
        r.q[i] = (i % 2 ? b : a).q[i / 2 * 2 + 1];
    return r.si;
}

EMULATED __m512i emulated_shuffle_i32x4(__m512i av, __m512i bv, int at)
{
    lanes r = { .u = { 0 } };
    const lanes a = { .si = av };
    const lanes b = { .si = bv };
    for (int i = 0; i < 4; i++)
        memcpy(&r.u[4 * i], &(i < 2 ? a : b).u[4 * (at >> 2 * i & 3)], 16);
    return r.si;
}

EMULATED __m512i emulated_cvtepi8_epi32(__m128i av)
{
    int8_t a[16];
    lanes r;
    memcpy(a, &av, sizeof a);
    for (int i = 0; i < 16; i++)
        r.u[i] = (uint32_t)(int32_t)a[i];
    return r.si;
}

EMULATED __m512i emulated_cvtepu8_epi32(__m128i av)
{
    uint8_t a[16];
    lanes r;
    memcpy(a, &av, sizeof a);
    for (int i = 0; i < 16; i++)
        r.u[i] = a[i];
    return r.si;
}

EMULATED __m512bh emulated_cvtne2ps_pbh(__m512 av, __m512 bv)
{
    const lanes a = { .ps = av }, b = { .ps = bv };
    lanes r;
    for (int i = 0; i < 16; i++) {
        r.h[i] = emulated_bf16(b.f[i]);
        r.h[16 + i] = emulated_bf16(a.f[i]);
    }
    return (__m512bh)r.si;
}

EMULATED __m512 emulated_insertf32x8(__m512 av, __m256 half, int at)
{
    lanes r = { .ps = av };
    memcpy(&r.u[8 * at], &half, sizeof half);
    return r.ps;
}

EMULATED __m512i emulated_inserti64x4(__m512i av, __m256i half, int at)
{
    lanes r = { .si = av };
    memcpy(&r.u[8 * at], &half, sizeof half);
    return r.si;
}

EMULATED __m512 emulated_castps256_ps512(__m256 half)
{
    lanes r = { .u = { 0 } };
    memcpy(&r, &half, sizeof half);
    return r.ps;
}

EMULATED __m512i emulated_castsi256_si512(__m256i half)
{
    lanes r = { .u = { 0 } };
    memcpy(&r, &half, sizeof half);
    return r.si;
}

EMULATED __m512 emulated_castsi512_ps(__m512i v)
{
    return (__m512)v;
}

EMULATED __m512i emulated_castps_si512(__m512 v)
{
    return (__m512i)v;
}

EMULATED __m512i emulated_setzero_si512(void)
{
    return (__m512i){ 0 };
}

EMULATED __m512 emulated_loadu_ps(const void *p)
{
    lanes r;
    memcpy(&r, p, sizeof r);
    return r.ps;
}

EMULATED __m512i emulated_loadu_si512(const void *p)
{
    lanes r;
    memcpy(&r, p, sizeof r);
    return r.si;
}

EMULATED void emulated_storeu_ps(void *p, __m512 v)
{
    memcpy(p, &v, sizeof v);
}

EMULATED void emulated_storeu_si512(void *p, __m512i v)
{
    memcpy(p, &v, sizeof v);
}

// clang-format off
#undef _mm512_mul_ps
#define _mm512_mul_ps emulated_mul_ps
#undef _mm512_fmadd_ps
#define _mm512_fmadd_ps emulated_fmadd_ps
#undef _mm512_fnmadd_ps
#define _mm512_fnmadd_ps emulated_fnmadd_ps
#undef _mm512_set1_ps
#define _mm512_set1_ps emulated_set1_ps
#undef _mm512_cvtepi32_ps
#define _mm512_cvtepi32_ps emulated_cvtepi32_ps
#undef _mm512_maskz_loadu_ps
#define _mm512_maskz_loadu_ps emulated_maskz_loadu_ps
#undef _mm512_maskz_loadu_epi16
#define _mm512_maskz_loadu_epi16 emulated_maskz_loadu_epi16
#undef _mm512_set1_epi32
#define _mm512_set1_epi32 emulated_set1_epi32
#undef _mm512_set1_epi8
#define _mm512_set1_epi8 emulated_set1_epi8
#undef _mm512_xor_si512
#define _mm512_xor_si512 emulated_xor_si512
#undef _mm512_and_si512
#define _mm512_and_si512 emulated_and_si512
#undef _mm512_slli_epi32
#define _mm512_slli_epi32 emulated_slli_epi32
#undef _mm512_srli_epi32
#define _mm512_srli_epi32 emulated_srli_epi32
#undef _mm512_ternarylogic_epi32
#define _mm512_ternarylogic_epi32 emulated_ternarylogic_epi32
#undef _mm512_unpacklo_epi32
#define _mm512_unpacklo_epi32 emulated_unpacklo_epi32
#undef _mm512_unpackhi_epi32
#define _mm512_unpackhi_epi32 emulated_unpackhi_epi32
#undef _mm512_unpacklo_epi64
#define _mm512_unpacklo_epi64 emulated_unpacklo_epi64
#undef _mm512_unpackhi_epi64
#define _mm512_unpackhi_epi64 emulated_unpackhi_epi64
#undef _mm512_shuffle_i32x4
#define _mm512_shuffle_i32x4 emulated_shuffle_i32x4
#undef _mm512_cvtepi8_epi32
#define _mm512_cvtepi8_epi32 emulated_cvtepi8_epi32
#undef _mm512_cvtepu8_epi32
#define _mm512_cvtepu8_epi32 emulated_cvtepu8_epi32
#undef _mm512_cvtne2ps_pbh
#define _mm512_cvtne2ps_pbh emulated_cvtne2ps_pbh
#undef _mm512_insertf32x8
#define _mm512_insertf32x8 emulated_insertf32x8
#undef _mm512_inserti64x4
#define _mm512_inserti64x4 emulated_inserti64x4
#undef _mm512_castps256_ps512
#define _mm512_castps256_ps512 emulated_castps256_ps512
#undef _mm512_castsi256_si512
#define _mm512_castsi256_si512 emulated_castsi256_si512
#undef _mm512_castsi512_ps
#define _mm512_castsi512_ps emulated_castsi512_ps
#undef _mm512_castps_si512
#define _mm512_castps_si512 emulated_castps_si512
#undef _mm512_setzero_si512
#define _mm512_setzero_si512 emulated_setzero_si512
#undef _mm512_loadu_ps
#define _mm512_loadu_ps emulated_loadu_ps
#undef _mm512_loadu_si512
#define _mm512_loadu_si512 emulated_loadu_si512
#undef _mm512_storeu_ps
#define _mm512_storeu_ps emulated_storeu_ps
#undef _mm512_storeu_si512
#define _mm512_storeu_si512 emulated_storeu_si512
// clang-format on

// ---- AMX ----

typedef struct emulated_tiles {
    int is_configured;
    uint8_t n_rows[8];
    uint16_t n_col_bytes[8];
    uint8_t data[8][16][64];
} emulated_tiles;
static _Thread_local emulated_tiles emulated;

EMULATED void emulated_check(int tile)
{
    if (!emulated.is_configured || emulated.n_rows[tile] > 16 || emulated.n_col_bytes[tile] > 64)
        abort(); // #UD
}

EMULATED void emulated_loadconfig(const void *config)
{
    const uint8_t *p = config;
    if (p[0] != 1)
        abort(); // #GP
    memcpy(emulated.n_col_bytes, p + 16, sizeof emulated.n_col_bytes);
    memcpy(emulated.n_rows, p + 48, sizeof emulated.n_rows);
    emulated.is_configured = 1;
}

EMULATED void emulated_release(void)
{
    emulated.is_configured = 0;
}

EMULATED void emulated_zero(int tile)
{
    emulated_check(tile);
    memset(emulated.data[tile], 0, sizeof emulated.data[tile]);
}

EMULATED void emulated_loadd(int tile, const void *p, int64_t stride)
{
    emulated_zero(tile);
    for (int r = 0; r < emulated.n_rows[tile]; r++)
        memcpy(emulated.data[tile][r], (const uint8_t *)p + r * stride, emulated.n_col_bytes[tile]);
}

EMULATED void emulated_stored(int tile, void *p, int64_t stride)
{
    emulated_check(tile);
    for (int r = 0; r < emulated.n_rows[tile]; r++)
        memcpy((uint8_t *)p + r * stride, emulated.data[tile][r], emulated.n_col_bytes[tile]);
}

EMULATED float emulated_widen(uint16_t half)
{
    const uint32_t u = (half & 0x7f80) == 0 ? (uint32_t)(half & 0x8000) << 16 : (uint32_t)half << 16;
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

// c[m][n] += a[m][k] b[k][n], pairs of k side by side.
EMULATED void emulated_dpbf16ps(int c, int a, int b)
{
    emulated_check(a);
    emulated_check(b);
    emulated_check(c);
    for (int m = 0; m < emulated.n_rows[c]; m++)
        for (int n = 0; n < emulated.n_col_bytes[c] / 4; n++) {
            float sum[2] = { 0.0f, 0.0f }, all;
            for (int k = 0; k < emulated.n_col_bytes[a] / 4; k++)
                for (int i = 0; i < 2; i++) {
                    uint16_t x, w;
                    memcpy(&x, &emulated.data[a][m][4 * k + 2 * i], sizeof x);
                    memcpy(&w, &emulated.data[b][k][4 * n + 2 * i], sizeof w);
                    sum[i] += emulated_widen(x) * emulated_widen(w);
                }
            memcpy(&all, &emulated.data[c][m][4 * n], sizeof all);
            all += sum[0] + sum[1];
            memcpy(&emulated.data[c][m][4 * n], &all, sizeof all);
        }
}

// clang-format off
#undef _tile_loadconfig
#define _tile_loadconfig emulated_loadconfig
#undef _tile_release
#define _tile_release emulated_release
#undef _tile_zero
#define _tile_zero emulated_zero
#undef _tile_loadd
#define _tile_loadd emulated_loadd
#undef _tile_stored
#define _tile_stored emulated_stored
#undef _tile_dpbf16ps
#define _tile_dpbf16ps emulated_dpbf16ps
// clang-format on

#endif
