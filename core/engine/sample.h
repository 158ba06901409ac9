// SPDX-License-Identifier: Apache-2.0
// core/engine/sample.h - from logits to a token: penalties, bias, then a chain of cuts, then one draw.
//
// Order of the chain: logit bias; repetition (Keskar et al. 2019), presence and frequency penalties; top-k; top-p
// (Holtzman et al. 2020); min-p (Nguyen et al. 2024); temperature; draw. A temperature of 0 takes the largest logit
// after penalties, the lowest id of equals. The repetition penalty looks at prompt and answer, presence and frequency
// at the answer only, as vLLM does.
#ifndef COLLET_CORE_ENGINE_SAMPLE_H
#define COLLET_CORE_ENGINE_SAMPLE_H

#include <stdbool.h>

#include "collet/base.h"

typedef struct collet_logit_bias {
    uint32_t id;
    float bias;
} collet_logit_bias;

typedef struct collet_sampling {
    float temperature;        // 0: greedy
    uint32_t top_k;           // 0: off
    float top_p;              // 1: off
    float min_p;              // 0: off
    float repetition_penalty; // 1: off
    float presence_penalty;   // 0: off
    float frequency_penalty;  // 0: off
    uint64_t seed;
    const collet_logit_bias *bias; // borrowed until the request is destroyed
    uint32_t n_bias;
} collet_sampling;

#define COLLET_SAMPLING_GREEDY                    \
    {                                             \
        .top_p = 1.0f, .repetition_penalty = 1.0f \
    }

// INVALID with the field's name, its range and what was given.
collet_status collet_sampling_check(const collet_sampling *s, uint32_t n_vocab, collet_error *err);

// xoshiro256** (Blackman, Vigna 2018), seeded through splitmix64: one per request.
typedef struct collet_rng {
    uint64_t s[4];
} collet_rng;
void collet_rng_seed(collet_rng *rng, uint64_t seed);
double collet_rng_next(collet_rng *rng); // [0, 1)

// Memory for one draw at a time, made once per engine.
typedef struct collet_sampler collet_sampler;
collet_sampler *collet_sampler_create(uint32_t n_vocab); // NULL: no memory
void collet_sampler_destroy(collet_sampler *s);

// What was said so far: history[0, n_prompt) is the prompt, [n_prompt, n) the answer.
typedef struct collet_history {
    const uint32_t *ids;
    uint32_t n_prompt, n;
} collet_history;

// Draws a token. logits (n_vocab) stay untouched.  Hot: no allocation
// Errors: FORMAT: a logit is NaN, or all are -infinity
collet_status collet_sampler_draw(collet_sampler *s, const float *logits, const collet_sampling *sampling,
                                  const collet_history *history, collet_rng *rng, uint32_t *token);

// Writes the n largest (id, logit), largest first, lowest id first among equals.
void collet_top_logits(const float *logits, uint32_t n_vocab, uint32_t n, uint32_t *ids, float *values);

#endif
