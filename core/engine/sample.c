// SPDX-License-Identifier: Apache-2.0
// core/engine/sample.c
#include "core/engine/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"

#define FIRST_SORTED 256u // how many of the best are sorted at first when top-p does not say how many it needs

typedef struct candidate {
    uint32_t id;
    float logit;
} candidate;

struct collet_sampler {
    uint32_t n_vocab;
    float *logits;         // with bias and penalties
    candidate *candidates; // n_vocab
    double *weights;       // n_vocab
    uint32_t *counts;      // n_vocab, zero between draws
};

// ---- random numbers ----

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

void collet_rng_seed(collet_rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        rng->s[i] = splitmix64(&seed);
}

double collet_rng_next(collet_rng *rng)
{
    uint64_t *s = rng->s, result = rotate_left(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return (double)(result >> 11) * 0x1p-53;
}

// ---- settings ----

collet_status collet_sampling_check(const collet_sampling *s, uint32_t n_vocab, collet_error *err)
{
    const struct {
        const char *name;
        double value, min, max;
    } ranges[] = {
        { "temperature", s->temperature, 0.0, 100.0 },
        { "top_p", s->top_p, 0.0, 1.0 },
        { "min_p", s->min_p, 0.0, 1.0 },
        { "repetition_penalty", s->repetition_penalty, 1e-3, 1e3 },
        { "presence_penalty", s->presence_penalty, -1e3, 1e3 },
        { "frequency_penalty", s->frequency_penalty, -1e3, 1e3 },
    };
    for (size_t i = 0; i < COLLET_COUNT(ranges); i++)
        if (!(ranges[i].value >= ranges[i].min && ranges[i].value <= ranges[i].max))
            return collet_fail(err, COLLET_E_INVALID, "%s is %g, wanted %g..%g", ranges[i].name, ranges[i].value,
                               ranges[i].min, ranges[i].max);
    if (s->top_p == 0.0f)
        return collet_fail(err, COLLET_E_INVALID, "top_p is 0, which keeps nothing; wanted above 0, up to 1");
    for (uint32_t i = 0; i < s->n_bias; i++)
        if (s->bias[i].id >= n_vocab || isnan(s->bias[i].bias))
            return collet_fail(err, COLLET_E_INVALID,
                               "logit_bias: token %u is not in the vocabulary of %u, or its bias "
                               "is no number",
                               s->bias[i].id, n_vocab);
    return COLLET_OK;
}

collet_sampler *collet_sampler_create(uint32_t n_vocab)
{
    collet_sampler *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->n_vocab = n_vocab;
    s->logits = malloc(n_vocab * sizeof *s->logits);
    s->candidates = malloc(n_vocab * sizeof *s->candidates);
    s->weights = malloc(n_vocab * sizeof *s->weights);
    s->counts = calloc(n_vocab, sizeof *s->counts);
    if (s->logits && s->candidates && s->weights && s->counts)
        return s;
    collet_sampler_destroy(s);
    return NULL;
}

void collet_sampler_destroy(collet_sampler *s)
{
    if (!s)
        return;
    free(s->logits);
    free(s->candidates);
    free(s->weights);
    free(s->counts);
    free(s);
}

// ---- penalties ----

static void penalize(collet_sampler *s, const collet_sampling *p, const collet_history *h)
{
    if (p->repetition_penalty != 1.0f)
        for (uint32_t i = 0; i < h->n; i++) {
            float *logit = &s->logits[h->ids[i]];
            if (s->counts[h->ids[i]]++ == 0) // once per token, however often it occurred
                *logit = *logit > 0.0f ? *logit / p->repetition_penalty : *logit * p->repetition_penalty;
        }
    for (uint32_t i = 0; i < h->n; i++)
        s->counts[h->ids[i]] = 0;
    if (p->presence_penalty == 0.0f && p->frequency_penalty == 0.0f)
        return;
    for (uint32_t i = h->n_prompt; i < h->n; i++)
        s->counts[h->ids[i]]++;
    for (uint32_t i = h->n_prompt; i < h->n; i++) {
        uint32_t id = h->ids[i];
        if (s->counts[id] > 0)
            s->logits[id] -= p->presence_penalty + p->frequency_penalty * (float)s->counts[id];
        s->counts[id] = 0;
    }
}

static const float *adjusted(collet_sampler *s, const float *logits, const collet_sampling *p, const collet_history *h)
{
    bool changes =
        p->n_bias > 0 || p->repetition_penalty != 1.0f || p->presence_penalty != 0.0f || p->frequency_penalty != 0.0f;
    if (!changes)
        return logits;
    memcpy(s->logits, logits, s->n_vocab * sizeof *logits);
    for (uint32_t i = 0; i < p->n_bias; i++)
        s->logits[p->bias[i].id] += p->bias[i].bias;
    penalize(s, p, h);
    return s->logits;
}

// ---- order ----

static bool before(candidate a, candidate b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

static int compare(const void *a, const void *b)
{
    return before(*(const candidate *)a, *(const candidate *)b) ? -1 : 1;
}

// Hoare's selection: afterwards the k best are in front, in no order.
static void select_best(candidate *c, uint32_t n, uint32_t k)
{
    uint32_t low = 0, high = n;
    while (high - low > 1 && k > low && k < high) {
        candidate pivot = c[low + (high - 1 - low) / 2]; // never the last, or two elements are split into two and none
        uint32_t i = low, j = high - 1;
        for (;;) {
            while (before(c[i], pivot))
                i++;
            while (before(pivot, c[j]))
                j--;
            if (i >= j)
                break;
            candidate swap = c[i];
            c[i++] = c[j];
            c[j--] = swap;
        }
        if (k <= j + 1)
            high = j + 1;
        else
            low = j + 1;
    }
}

static void sort_best(candidate *c, uint32_t n, uint32_t k)
{
    if (k < n)
        select_best(c, n, k);
    qsort(c, k < n ? k : n, sizeof *c, compare);
}

void collet_top_logits(const float *logits, uint32_t n_vocab, uint32_t n, uint32_t *ids, float *values)
{
    for (uint32_t k = 0; k < n; k++) { // insertion into a short list
        ids[k] = UINT32_MAX;
        values[k] = -INFINITY;
    }
    for (uint32_t id = 0; id < n_vocab; id++) {
        if (n == 0 || !(logits[id] > values[n - 1] || (ids[n - 1] == UINT32_MAX)))
            continue;
        uint32_t k = n - 1;
        while (k > 0 && (ids[k - 1] == UINT32_MAX || values[k - 1] < logits[id])) {
            ids[k] = ids[k - 1];
            values[k] = values[k - 1];
            k--;
        }
        ids[k] = id;
        values[k] = logits[id];
    }
}

// ---- drawing ----

// How many of the sorted prefix are within top_p of everything's mass; sorts more where the prefix is not enough.
static uint32_t cut_top_p(collet_sampler *s, uint32_t n, float top_p)
{
    double total = 0.0, top = -INFINITY;
    for (uint32_t i = 0; i < n; i++)
        top = fmax(top, (double)s->candidates[i].logit);
    for (uint32_t i = 0; i < n; i++)
        total += exp((double)s->candidates[i].logit - top);
    for (uint32_t sorted = FIRST_SORTED;; sorted *= 8) {
        sort_best(s->candidates, n, sorted);
        double sum = 0.0;
        for (uint32_t i = 0; i < n && i < sorted; i++) {
            sum += exp((double)s->candidates[i].logit - top);
            if (sum >= (double)top_p * total)
                return i + 1;
        }
        if (sorted >= n)
            return n;
    }
}

static uint32_t draw(collet_sampler *s, uint32_t n, float temperature, collet_rng *rng)
{
    double top = -INFINITY, sum = 0.0;
    for (uint32_t i = 0; i < n; i++)
        top = fmax(top, (double)s->candidates[i].logit);
    for (uint32_t i = 0; i < n; i++) {
        s->weights[i] = exp(((double)s->candidates[i].logit - top) / (double)temperature);
        sum += s->weights[i];
    }
    double r = collet_rng_next(rng) * sum;
    for (uint32_t i = 0; i < n; i++) {
        r -= s->weights[i];
        if (r < 0.0)
            return s->candidates[i].id;
    }
    uint32_t last = n - 1; // rounding left a crumb: the last that can be drawn at all
    while (last > 0 && s->weights[last] == 0.0)
        last--;
    return s->candidates[last].id;
}

// The largest logit and its lowest id; false when one is NaN.
static bool largest(const float *logits, uint32_t n, uint32_t *id, float *value)
{
    float best = -INFINITY;
    uint32_t best_id = 0;
    bool number = true;
    for (uint32_t i = 0; i < n; i++) {
        number &= logits[i] == logits[i];
        if (logits[i] > best) {
            best = logits[i];
            best_id = i;
        }
    }
    *id = best_id;
    *value = best;
    return number;
}

collet_status collet_sampler_draw(collet_sampler *s, const float *logits, const collet_sampling *sampling,
                                  const collet_history *history, collet_rng *rng, uint32_t *token)
{
    const float *l = adjusted(s, logits, sampling, history);
    uint32_t best_id;
    float best;
    if (!largest(l, s->n_vocab, &best_id, &best) || !isfinite(best))
        return COLLET_E_FORMAT;
    if (sampling->temperature == 0.0f) {
        *token = best_id;
        return COLLET_OK;
    }
    uint32_t n = 0;
    // min-p: p >= min_p * p_max  <=>  logit >= max + ln(min_p), whatever the temperature (applied before it)
    float floor = sampling->min_p > 0.0f ? best + logf(sampling->min_p) : -INFINITY;
    bool cut_first = sampling->top_k == 0 && sampling->top_p >= 1.0f;
    for (uint32_t i = 0; i < s->n_vocab; i++)
        if (!cut_first || l[i] >= floor)
            s->candidates[n++] = (candidate){ .id = i, .logit = l[i] };
    if (sampling->top_k > 0 && sampling->top_k < n) {
        sort_best(s->candidates, n, sampling->top_k);
        n = sampling->top_k;
    }
    if (sampling->top_p < 1.0f)
        n = cut_top_p(s, n, sampling->top_p);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (s->candidates[i].logit >= floor)
            s->candidates[kept++] = s->candidates[i];
    *token = draw(s, kept, sampling->temperature, rng);
    return COLLET_OK;
}
