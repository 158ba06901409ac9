// SPDX-License-Identifier: Apache-2.0
// core/engine/sample_scan.h - the two passes over a whole vocabulary that sampling is made of, in chunks.
//
// A chunk's maximum says whether anything in it can matter, so a draw reads the logits once and then a few chunks; a
// chunk's mass says whether the token drawn is in it. Both read COLLET_SCAN_CHUNK numbers for each one they write.
#ifndef COLLET_CORE_ENGINE_SAMPLE_SCAN_H
#define COLLET_CORE_ENGINE_SAMPLE_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#define COLLET_SCAN_CHUNK 128u

static inline uint32_t collet_scan_n_chunks(uint32_t n)
{
    return (n + COLLET_SCAN_CHUNK - 1) / COLLET_SCAN_CHUNK;
}

// most[c] = the largest of x[128 c, 128 c + 128); false when some x is NaN.
// Memory: nothing is read from x[n] on
bool collet_scan_max(float *most, const float *x, uint32_t n);

// mass[c] = sum of exp((x[i] - top) / temperature) over chunk c, and their sum returned; top is the largest x.
// Numerics: relative error below 2e-6 of each exponential; 0 below exp(-87)
double collet_scan_mass(double *mass, const float *x, uint32_t n, float top, float temperature);

// exp((x[i] - top) / temperature) of one chunk, to the bit as they went into its mass.
void collet_scan_weights(float *weight, const float *x, uint32_t n, float top, float temperature);

#endif
