// SPDX-License-Identifier: Apache-2.0
// core/engine/sample_scan.c - four numbers at a time with the compiler's vectors, which every machine has.
//
// Measured: 262144 logits on a core of Zen 4: largest 35 us, masses 330 us (bench_step, greedy and temperature)
#include "core/engine/sample_scan.h"

#include <math.h>
#include <string.h>

typedef float f32x4 __attribute__((vector_size(16)));
typedef int32_t i32x4 __attribute__((vector_size(16))); // what comparisons give: all bits or none
typedef uint32_t u32x4 __attribute__((vector_size(16)));

static inline f32x4 load(const float *x)
{
    f32x4 v;
    memcpy(&v, x, sizeof v);
    return v;
}

static inline f32x4 all(float x)
{
    return (f32x4){ x, x, x, x };
}

static inline f32x4 choose(i32x4 mask, f32x4 a, f32x4 b)
{
    return (f32x4)((mask & (i32x4)a) | (~mask & (i32x4)b));
}

static inline f32x4 larger(f32x4 a, f32x4 b)
{
    return choose(a > b, a, b);
}

static float largest_of(f32x4 v)
{
    float most = v[0];
    for (int i = 1; i < 4; i++)
        most = v[i] > most ? v[i] : most;
    return most;
}

// The numbers of chunk c; the last one is filled up with -infinity in `last`.
static const float *chunk(float *last, const float *x, uint32_t n, uint32_t c)
{
    const uint32_t begin = c * COLLET_SCAN_CHUNK;
    if (n - begin >= COLLET_SCAN_CHUNK)
        return x + begin;
    for (uint32_t i = 0; i < COLLET_SCAN_CHUNK; i++)
        last[i] = i < n - begin ? x[begin + i] : -INFINITY;
    return last;
}

bool collet_scan_max(float *most, const float *x, uint32_t n)
{
    i32x4 no_number = { 0 };
    for (uint32_t c = 0; c < collet_scan_n_chunks(n); c++) {
        float last[COLLET_SCAN_CHUNK];
        const float *from = chunk(last, x, n, c);
        f32x4 m[4] = { load(from), load(from + 4), load(from + 8), load(from + 12) };
        i32x4 bad = (m[0] != m[0]) | (m[1] != m[1]) | (m[2] != m[2]) | (m[3] != m[3]);
        for (uint32_t i = 16; i < COLLET_SCAN_CHUNK; i += 16)
            for (uint32_t k = 0; k < 4; k++) {
                const f32x4 v = load(from + i + 4 * k);
                bad |= v != v;
                m[k] = larger(v, m[k]);
            }
        no_number |= bad;
        most[c] = largest_of(larger(larger(m[0], m[1]), larger(m[2], m[3])));
    }
    return !(no_number[0] | no_number[1] | no_number[2] | no_number[3]);
}

// e^x for x <= 0: a power of two times a polynomial on [-ln 2 / 2, ln 2 / 2].
static inline f32x4 exp_of(f32x4 x)
{
    const f32x4 rounder = all(12582912.0f); // 1.5 * 2^23: adding it leaves an integer in the low bits
    const i32x4 tiny = x < all(-87.0f);
    x = choose(tiny, all(-87.0f), x);
    const f32x4 shifted = x * all(1.44269504f) + rounder, whole = shifted - rounder;
    const f32x4 r = (x - whole * all(0.693359375f)) + whole * all(2.12194440e-4f); // ln 2 in two parts
    f32x4 p = all(1.3888889e-3f);
    p = p * r + all(8.3333333e-3f);
    p = p * r + all(4.1666667e-2f);
    p = p * r + all(1.6666667e-1f);
    p = p * r + all(0.5f);
    p = p * r + all(1.0f);
    p = p * r + all(1.0f);
    const u32x4 exponent = (u32x4)shifted << 23; // the integer's low bits; the rounder's own are shifted out
    return choose(tiny, all(0.0f), (f32x4)((u32x4)p + exponent));
}

// Of temperatures so small that they mean greedy, the inverse stays finite: 0 times infinity is no number.
static float inverse(float temperature)
{
    return 1.0f / fmaxf(temperature, 1e-30f);
}

void collet_scan_weights(float *weight, const float *x, uint32_t n, float top, float temperature)
{
    const f32x4 cold = all(inverse(temperature));
    for (uint32_t i = 0; i < n; i += 4) {
        float part[4];
        for (uint32_t k = 0; k < 4; k++)
            part[k] = i + k < n ? x[i + k] : -INFINITY;
        const f32x4 e = exp_of((load(part) - all(top)) * cold);
        memcpy(weight + i, &e, sizeof(float) * (n - i < 4 ? n - i : 4));
    }
}

double collet_scan_mass(double *mass, const float *x, uint32_t n, float top, float temperature)
{
    const f32x4 cold = all(inverse(temperature));
    double total = 0.0;
    for (uint32_t c = 0; c < collet_scan_n_chunks(n); c++) {
        float last[COLLET_SCAN_CHUNK];
        const float *from = chunk(last, x, n, c);
        f32x4 sum[2] = { all(0.0f), all(0.0f) };
        for (uint32_t i = 0; i < COLLET_SCAN_CHUNK; i += 8)
            for (uint32_t k = 0; k < 2; k++)
                sum[k] += exp_of((load(from + i + 4 * k) - all(top)) * cold);
        const f32x4 s = sum[0] + sum[1];
        mass[c] = (double)s[0] + (double)s[1] + (double)s[2] + (double)s[3];
        total += mass[c];
    }
    return total;
}
