// SPDX-License-Identifier: Apache-2.0
// core/engine/sample.c
#include "core/engine/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/engine/sample_scan.h"

#define FIRST_SORTED 64u // how many of the best are sorted at first when top-p does not say how many it needs

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
    float *most, *order;   // of each chunk of logits: the largest; scratch to select among them
    double *mass;          // of each chunk
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
    const uint32_t n_chunks = collet_scan_n_chunks(n_vocab);
    s->most = malloc(n_chunks * sizeof *s->most);
    s->order = malloc(n_chunks * sizeof *s->order);
    s->mass = malloc(n_chunks * sizeof *s->mass);
    if (s->logits && s->candidates && s->weights && s->counts && s->most && s->order && s->mass)
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
    free(s->most);
    free(s->order);
    free(s->mass);
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

// ---- gathering ----

// The k-th largest of the chunks' maxima: k logits are not below it, so none of the k best is. -infinity: k is large.
static float kth_most(collet_sampler *s, uint32_t k)
{
    const uint32_t n_chunks = collet_scan_n_chunks(s->n_vocab);
    uint32_t low = 0, high = n_chunks;
    if (k > n_chunks)
        return -INFINITY;
    memcpy(s->order, s->most, n_chunks * sizeof *s->order);
    float *v = s->order;
    while (high - low > 1) { // as select_best()
        const float pivot = v[low + (high - 1 - low) / 2];
        uint32_t i = low, j = high - 1;
        for (;;) {
            while (v[i] > pivot)
                i++;
            while (pivot > v[j])
                j--;
            if (i >= j)
                break;
            const float swap = v[i];
            v[i++] = v[j];
            v[j--] = swap;
        }
        if (k <= j + 1)
            high = j + 1;
        else
            low = j + 1;
    }
    return v[k - 1];
}

// Candidates: every logit from `floor` on, by id. Chunks with nothing that large are passed over.
static uint32_t gather(collet_sampler *s, const float *logits, float floor)
{
    uint32_t n = 0;
    for (uint32_t begin = 0, c = 0; begin < s->n_vocab; begin += COLLET_SCAN_CHUNK, c++)
        for (uint32_t i = begin; s->most[c] >= floor && i < begin + COLLET_SCAN_CHUNK && i < s->n_vocab; i++)
            if (logits[i] >= floor)
                s->candidates[n++] = (candidate){ .id = i, .logit = logits[i] };
    return n;
}

// The k best, in order.
static uint32_t gather_best(collet_sampler *s, const float *logits, uint32_t k)
{
    const uint32_t n = gather(s, logits, kth_most(s, k));
    sort_best(s->candidates, n, k);
    return k < n ? k : n;
}

// ---- cuts ----

// How many of n sorted candidates hold `share` of a mass, above their largest logit `top`; n + 1: not even all.
static uint32_t within(const collet_sampler *s, uint32_t n, float top, double share)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        sum += exp((double)s->candidates[i].logit - (double)top);
        if (sum >= share)
            return i + 1;
    }
    return n + 1;
}

// Top-p of n candidates that top-k has left, in order.
static uint32_t cut_top_p(const collet_sampler *s, uint32_t n, float top, float top_p)
{
    double total = 0.0;
    for (uint32_t i = 0; i < n; i++)
        total += exp((double)s->candidates[i].logit - (double)top);
    const uint32_t kept = within(s, n, top, (double)top_p * total);
    return kept < n ? kept : n;
}

// Top-p of the whole vocabulary: a few of the best, more of them where they do not hold enough.
static uint32_t gather_top_p(collet_sampler *s, const float *logits, float top, float top_p)
{
    const double share = (double)top_p * collet_scan_mass(s->mass, logits, s->n_vocab, top, 1.0f);
    for (uint32_t k = FIRST_SORTED;; k *= 8) {
        const uint32_t n = gather_best(s, logits, k < s->n_vocab ? k : s->n_vocab);
        const uint32_t kept = within(s, n, top, share);
        if (kept <= n)
            return kept;
        if (k >= s->n_vocab)
            return n; // rounding left a crumb
    }
}

// ---- drawing ----

static uint32_t draw(collet_sampler *s, uint32_t n, float top, float temperature, collet_rng *rng)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        s->weights[i] = exp(((double)s->candidates[i].logit - (double)top) / (double)temperature);
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

// The same of the whole vocabulary: first the chunk, then the token in it.
static uint32_t draw_any(collet_sampler *s, const float *logits, float top, float temperature, collet_rng *rng)
{
    const uint32_t n_chunks = collet_scan_n_chunks(s->n_vocab);
    double r = collet_rng_next(rng) * collet_scan_mass(s->mass, logits, s->n_vocab, top, temperature);
    uint32_t c = 0, last = 0; // last: chunk that can be drawn, should rounding leave a crumb
    for (; c < n_chunks && r >= s->mass[c]; c++) {
        r -= s->mass[c];
        if (s->mass[c] > 0.0)
            last = c;
    }
    if (c == n_chunks)
        c = last;
    const uint32_t begin = c * COLLET_SCAN_CHUNK, left = s->n_vocab - begin;
    const uint32_t n = left < COLLET_SCAN_CHUNK ? left : COLLET_SCAN_CHUNK;
    float weight[COLLET_SCAN_CHUNK];
    collet_scan_weights(weight, logits + begin, n, top, temperature);
    uint32_t token = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (weight[i] > 0.0f)
            token = i;
        r -= (double)weight[i];
        if (r < 0.0)
            break;
    }
    return begin + token;
}

// The largest logit and its lowest id; false when one is NaN.
static bool largest(collet_sampler *s, const float *logits, uint32_t *id, float *value)
{
    if (!collet_scan_max(s->most, logits, s->n_vocab))
        return false;
    uint32_t best = 0;
    for (uint32_t c = 1; c < collet_scan_n_chunks(s->n_vocab); c++)
        if (s->most[c] > s->most[best])
            best = c;
    *value = s->most[best];
    *id = best * COLLET_SCAN_CHUNK;
    while (logits[*id] != *value)
        ++*id;
    return true;
}

collet_status collet_sampler_draw(collet_sampler *s, const float *logits, const collet_sampling *sampling,
                                  const collet_history *history, collet_rng *rng, uint32_t *token)
{
    const float *l = adjusted(s, logits, sampling, history);
    uint32_t best_id;
    float best;
    if (!largest(s, l, &best_id, &best) || !isfinite(best))
        return COLLET_E_FORMAT;
    if (sampling->temperature == 0.0f) {
        *token = best_id;
        return COLLET_OK;
    }
    // min-p: p >= min_p * p_max  <=>  logit >= max + ln(min_p), whatever the temperature (applied before it)
    const float floor = sampling->min_p > 0.0f ? best + logf(sampling->min_p) : -INFINITY;
    const bool top_k = sampling->top_k > 0 && sampling->top_k < s->n_vocab, top_p = sampling->top_p < 1.0f;
    if (!top_k && !top_p && floor == -INFINITY) {
        *token = draw_any(s, l, best, sampling->temperature, rng);
        return COLLET_OK;
    }
    uint32_t n;
    if (top_k) {
        n = gather_best(s, l, sampling->top_k);
        if (top_p)
            n = cut_top_p(s, n, best, sampling->top_p);
    } else {
        n = top_p ? gather_top_p(s, l, best, sampling->top_p) : gather(s, l, floor);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (s->candidates[i].logit >= floor)
            s->candidates[kept++] = s->candidates[i];
    *token = draw(s, kept, best, sampling->temperature, rng);
    return COLLET_OK;
}
