// SPDX-License-Identifier: Apache-2.0
// plugins/cpu/matmul/matmul_r8_neon.h - panels times tokens, once for every format: matmul_r8.h for AArch64.
//
// Included after r8_neon.h or r8_dotprod.h, which bring the dot products. The sum is the one that matmul_r8.h gives, in
// the same order: integers are exact and the rest is the same chain of fused multiply-adds, so the bits are those of
// the other levels. A panel's eight rows are two vectors of four here; 32 registers hold eight tokens' sums of one.
#ifndef COLLET_PLUGINS_CPU_MATMUL_MATMUL_R8_NEON_H
#define COLLET_PLUGINS_CPU_MATMUL_MATMUL_R8_NEON_H

#include "plugins/cpu/matmul/matmul.h"
#include "plugins/cpu/matmul/r8_format.h"

// How far ahead the one stream of weights is fetched. Not measured: no AArch64 machine was at hand.
#define R8_AHEAD_BYTES 1024

// A float of each row of a panel.
typedef struct r8_rows {
    float32x4_t v[2];
} r8_rows;

// 32 columns of a panel, apart from their codes.
typedef struct r8_block {
    r8_rows d, m[2];
    int32x4_t scale[2][2]; // of sub-block, half of the rows
} r8_block;

R8_INLINE r8_rows r8_times(r8_rows a, float b)
{
    return (r8_rows){ { vmulq_n_f32(a.v[0], b), vmulq_n_f32(a.v[1], b) } };
}

R8_INLINE r8_rows r8_halves(const uint8_t *p)
{
    const float16x8_t v = vreinterpretq_f16_u8(vld1q_u8(p));
    return (r8_rows){ { vcvt_f32_f16(vget_low_f16(v)), vcvt_high_f32_f16(v) } };
}

// 2^(e - 128); the two smallest are denormal (plugins/common/quant_mxfp4.c).
R8_INLINE float32x4_t r8_power(uint32x4_t e)
{
    const uint32x4_t one = vdupq_n_u32(1);
    const uint32x4_t normal = vshlq_n_u32(vsubq_u32(e, one), 23);
    const uint32x4_t denormal = vshlq_u32(vdupq_n_u32(0x00200000), vreinterpretq_s32_u32(e));
    return vreinterpretq_f32_u32(vbslq_u32(vcgtq_u32(e, one), normal, denormal));
}

R8_INLINE r8_rows r8_powers(const uint8_t *p)
{
    const uint16x8_t e = vmovl_u8(vld1_u8(p));
    return (r8_rows){ { r8_power(vmovl_u16(vget_low_u16(e))), r8_power(vmovl_high_u16(e)) } };
}

R8_INLINE r8_rows r8_d(const uint8_t *p, const r8_format f)
{
    if (f.d == R8_D_F32)
        return (r8_rows){ { vreinterpretq_f32_u8(vld1q_u8(p)), vreinterpretq_f32_u8(vld1q_u8(p + 16)) } };
    return f.d == R8_D_E8M0 ? r8_powers(p) : r8_halves(p);
}

// A byte of each row as integers, and as floats.
R8_INLINE void r8_scale(int32x4_t out[2], uint8x8_t v, int is_signed)
{
    const int16x8_t wide = is_signed ? vmovl_s8(vreinterpret_s8_u8(v)) : vreinterpretq_s16_u16(vmovl_u8(v));
    out[0] = vmovl_s16(vget_low_s16(wide));
    out[1] = vmovl_high_s16(wide);
}

R8_INLINE r8_rows r8_bytes(uint8x8_t v, int is_signed)
{
    int32x4_t wide[2];
    r8_scale(wide, v, is_signed);
    return (r8_rows){ { vcvtq_f32_s32(wide[0]), vcvtq_f32_s32(wide[1]) } };
}

R8_INLINE void r8_prefetch(const uint8_t *p, uint32_t n_bytes)
{
    for (uint32_t i = 0; i < n_bytes; i += 64)
        __builtin_prefetch(p + R8_AHEAD_BYTES + i);
}

// The last panel may have fewer rows than eight.
R8_INLINE void r8_store(const collet_cpu_matmul_args *a, uint32_t panel, uint32_t token, r8_rows sum)
{
    float *y = a->y + token * a->y_stride + (uint64_t)panel * R8_ROWS;
    const uint32_t rows = a->n_out - panel * R8_ROWS;
    if (rows >= R8_ROWS) {
        vst1q_f32(y, sum.v[0]);
        vst1q_f32(y + 4, sum.v[1]);
    } else {
        float all[R8_ROWS];
        vst1q_f32(all, sum.v[0]);
        vst1q_f32(all + 4, sum.v[1]);
        memcpy(y, all, rows * sizeof *y);
    }
}

// 32 columns of n tokens; act is the first one's block.
R8_INLINE void r8_add_block(r8_rows sum[8], const collet_cpu_act *act, const uint8_t *codes, const r8_block *w,
                            const int n, const r8_format f)
{
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
        int32x4_t dot[8], second[8];
        if (f.is_super && f.n_sub == 2) {
            r8_dots(dot, act, codes, f.codes, h, n, 0, 4, f.bits);
            r8_dots(second, act, codes, f.codes, h, n, 4, 8, f.bits);
        } else {
            r8_dots(dot, act, codes, f.codes, h, n, 0, 8, f.bits);
        }
#pragma GCC unroll 8
        for (int c = 0; c < n; c++) {
            if (f.is_super)
                dot[c] = vmulq_s32(dot[c], w->scale[0][h]);
            if (f.is_super && f.n_sub == 2)
                dot[c] = vmlaq_s32(dot[c], second[c], w->scale[1][h]);
            float32x4_t s = vfmaq_f32(sum[c].v[h], w->d.v[h], vmulq_n_f32(vcvtq_f32_s32(dot[c]), act[c].d));
            if (f.m && f.n_sub == 1)
                s = vfmaq_n_f32(s, w->m[0].v[h], act[c].s);
            for (int k = 0; f.m && f.n_sub == 2 && k < 2; k++)
                s = vfmaq_n_f32(s, w->m[k].v[h], act[c].half[k]);
            sum[c].v[h] = s;
        }
    }
}

// ---- records of 32 columns ----

R8_INLINE void r8_blocks(r8_rows sum[8], const collet_cpu_act *act, const uint8_t *p, uint32_t n_in, const int n,
                         const r8_format f)
{
    const uint32_t head = r8_d_bytes(f) + (f.m == R8_M_STORED ? 16 : 0), record = head + f.code_bytes;
    for (uint32_t b = 0; b < n_in / 32; b++, p += record, act += n) {
        r8_block w = { .d = r8_d(p, f) };
        if (f.m == R8_M_STORED)
            w.m[0] = r8_halves(p + 16);
        else if (f.m == R8_M_OFFSET)
            w.m[0] = r8_times(w.d, -(float)f.offset);
        if (n < 8)
            r8_prefetch(p, record);
        r8_add_block(sum, act, p + head, &w, n, f);
    }
}

// ---- records of 256 columns, in eight blocks ----

R8_INLINE void r8_supers(r8_rows sum[8], const collet_cpu_act *act, const uint8_t *p, uint32_t n_in, const int n,
                         const r8_format f)
{
    const uint32_t head = f.m == R8_M_STORED ? 32 : 16, scales = (uint32_t)f.n_sub * 8;
    const uint32_t sub_head = f.m == R8_M_STORED && !f.nibble_scales ? 2 * scales : scales;
    const uint32_t sub = sub_head + f.code_bytes;
    for (uint32_t k = 0; k < n_in / 256; k++) {
        r8_block w = { .d = r8_halves(p) };
        const r8_rows m =
            r8_times(f.m == R8_M_STORED ? r8_halves(p + 16) : w.d, f.m == R8_M_STORED ? -1.0f : -(float)f.offset);
        p += head;
        for (int b = 0; b < 8; b++, p += sub, act += n) {
            for (int h = 0; h < f.n_sub; h++) {
                uint8x8_t scale = vld1_u8(p + 8 * h),
                          min = scale; // R8_M_OFFSET: the minimum is a multiple of the scale
                if (f.nibble_scales) {
                    scale = vand_u8(min, vdup_n_u8(15));
                    min = vshr_n_u8(min, 4);
                } else if (f.m == R8_M_STORED) {
                    min = vld1_u8(p + 8 * h + scales);
                }
                const r8_rows mins = r8_bytes(min, f.signed_scales);
                r8_scale(w.scale[h], scale, f.signed_scales);
                w.m[h] = (r8_rows){ { vmulq_f32(m.v[0], mins.v[0]), vmulq_f32(m.v[1], mins.v[1]) } };
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
    r8_rows sum[8];
    for (int c = 0; c < n; c++)
        sum[c] = (r8_rows){ { vdupq_n_f32(0.0f), vdupq_n_f32(0.0f) } };
    if (f.is_super)
        r8_supers(sum, act, p, a->n_in, n, f);
    else
        r8_blocks(sum, act, p, a->n_in, n, f);
    for (int c = 0; c < n; c++)
        r8_store(a, panel, token + (uint32_t)c, sum[c]);
}

R8_INLINE void r8_run(const collet_cpu_matmul_args *a, uint32_t panel_begin, uint32_t panel_end, uint32_t token_begin,
                      uint32_t token_end, const r8_format f)
{
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
