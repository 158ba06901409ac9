// SPDX-License-Identifier: Apache-2.0
// plugins/common/quant_search.h - the searches of encoders: which scale (and minimum) of 32 elements loses least.
//
// The loss is sum w (x - value)^2. For fixed codes the best scale is a quotient of sums (least squares) and the loss is
// smallest where score = (sum w x l)^2 / sum w l^2 is largest, so a search tries factors near the obvious one, rounds,
// and keeps the scale with the best score. Codes are made afterwards, from the scale as it is stored.
//
// Sums run in 16 lanes (element i in lane i mod 16), which are then folded in halves: the order in which vectors add.
// Products are rounded before they are added. So vector encoders give the same bytes as these, on every machine.
//
// Memory:  x, w, imatrix: 32 floats.  Threads: [any-thread] pure
#ifndef COLLET_PLUGINS_COMMON_QUANT_SEARCH_H
#define COLLET_PLUGINS_COMMON_QUANT_SEARCH_H

#include <stdint.h>

// Where no value of a block reaches this, the block is zero: f16 has no scale for it.
#define COLLET_SEARCH_TINY 1e-15f

// Tries of a symmetric scale: 1/d = -(n + step k) / peak for k = -tries .. tries.
#define COLLET_SEARCH_SCALE_TRIES 9
#define COLLET_SEARCH_SCALE_STEP 0.1f
// Of a scale with a minimum: 1/d = (n + step k) / (max - min), min being the smallest value and then the best so far;
// then rounds of codes from the best scale and minimum, and the best scale and minimum for these codes.
#define COLLET_SEARCH_AFFINE_TRIES 9
#define COLLET_SEARCH_AFFINE_STEP 0.1f
#define COLLET_SEARCH_AFFINE_ROUNDS 3
// Of iq4: 1/d = (-127 + k) / peak.
#define COLLET_SEARCH_IQ4_TRIES 7

// Sum of the 16 lanes.
float collet_lanes_fold(const float s[16]);
// Sum of squares of n floats, n a multiple of 16.
float collet_lanes_squares(const float *x, uint32_t n);

// The 32 importances from i on; NULL where there are none, or none above 0: then nothing is known of the block.
const float *collet_importances(const float *imatrix, uint64_t i);
// w[i] = importances[i] sqrt(sigma2 + x[i]^2).
void collet_search_weights(float *w, const float *x, const float *importances, float sigma2);

// q4_0 (n = 8) and q5_0 (16): codes -n .. n - 1. Returns the scale; 0: a block of zeros.
float collet_search_scale(const float *x, const float *w, float n);
// q4_1 (n = 15) and q5_1 (31): codes 0 .. n. Returns the scale and gives the minimum.
float collet_search_affine(float *min, const float *x, const float *w, float n);
// iq4_nl and iq4_xs: codes are indices of COLLET_IQ4_VALUES.
float collet_search_iq4(const float *x, const float *w);

// The index of the value nearest to y.
uint32_t collet_iq4_code(float y);

#endif
