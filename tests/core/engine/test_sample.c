// SPDX-License-Identifier: Apache-2.0
// tests/core/engine/test_sample.c - the chain of cuts, held against the definition of each.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/sample.h"
#include "core/engine/sample_scan.h"

#define N_VOCAB 1000

static float logits[N_VOCAB];

static int fill(void **state)
{
    (void)state;
    collet_rng rng;
    collet_rng_seed(&rng, 7);
    for (int i = 0; i < N_VOCAB; i++)
        logits[i] = (float)(8.0 * collet_rng_next(&rng) - 4.0);
    logits[123] = 6.0f;
    logits[77] = 5.5f;
    return 0;
}

static const collet_sampling plain = { .temperature = 1.0f, .top_p = 1.0f, .repetition_penalty = 1.0f };
static const collet_history nothing_said = { 0 };

// Draws n tokens and counts them.
static void count_draws(const collet_sampling *s, const collet_history *h, uint32_t n, uint32_t counts[N_VOCAB])
{
    collet_sampler *sampler = collet_sampler_create(N_VOCAB);
    collet_rng rng;
    collet_rng_seed(&rng, s->seed);
    memset(counts, 0, N_VOCAB * sizeof *counts);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t token = N_VOCAB;
        assert_int_equal(collet_sampler_draw(sampler, logits, s, h, &rng, &token), COLLET_OK);
        assert_true(token < N_VOCAB);
        counts[token]++;
    }
    collet_sampler_destroy(sampler);
}

static double probability(uint32_t id, double temperature)
{
    double sum = 0.0;
    for (int i = 0; i < N_VOCAB; i++)
        sum += exp(logits[i] / temperature);
    return exp(logits[id] / temperature) / sum;
}

static void test_sample__greedy_takes_the_largest_lowest_id_first(void **state)
{
    (void)state;
    const collet_sampling greedy = COLLET_SAMPLING_GREEDY;
    uint32_t counts[N_VOCAB];
    count_draws(&greedy, &nothing_said, 3, counts);
    assert_int_equal(counts[123], 3);
    logits[900] = 6.0f; // an equal with a higher id changes nothing
    count_draws(&greedy, &nothing_said, 3, counts);
    assert_int_equal(counts[123], 3);
}

static void test_sample__draws_follow_the_softmax(void **state)
{
    (void)state;
    const uint32_t n = 200000;
    uint32_t counts[N_VOCAB];
    count_draws(&plain, &nothing_said, n, counts);
    double chi2 = 0.0;
    for (uint32_t i = 0; i < N_VOCAB; i++) {
        double want = n * probability(i, 1.0);
        chi2 += (counts[i] - want) * (counts[i] - want) / want;
    }
    // 999 degrees of freedom: mean 999, deviation 44.7; the seed is fixed, the bound is 4 deviations.
    assert_true(chi2 < 999 + 4 * 44.7);
}

static void test_sample__top_k_keeps_k(void **state)
{
    (void)state;
    collet_sampling s = plain;
    uint32_t counts[N_VOCAB], n_seen = 0;
    s.top_k = 2;
    count_draws(&s, &nothing_said, 2000, counts);
    for (int i = 0; i < N_VOCAB; i++)
        n_seen += counts[i] > 0;
    assert_int_equal(n_seen, 2);
    assert_true(counts[123] > counts[77] && counts[77] > 0);
}

static void test_sample__top_p_keeps_the_smallest_set_that_holds_it(void **state)
{
    (void)state;
    collet_sampling s = plain;
    uint32_t counts[N_VOCAB];
    for (int k = 1; k < 10; k++) {
        s.top_p = 0.1f * (float)k;
        count_draws(&s, &nothing_said, 3000, counts);
        double held = 0.0, smallest = 1.0;
        for (uint32_t i = 0; i < N_VOCAB; i++)
            if (counts[i] > 0) {
                held += probability(i, 1.0);
                smallest = fmin(smallest, probability(i, 1.0));
            }
        if (k == 9)
            continue; // not every one of the kept is drawn in 3000
        assert_true(held - smallest < (double)s.top_p + 1e-6);
    }
}

static void test_sample__min_p_drops_what_is_far_from_the_best(void **state)
{
    (void)state;
    collet_sampling s = plain;
    uint32_t counts[N_VOCAB];
    s.min_p = 0.3f;
    count_draws(&s, &nothing_said, 3000, counts);
    for (uint32_t i = 0; i < N_VOCAB; i++)
        assert_true(counts[i] == 0 || probability(i, 1.0) >= 0.3 * probability(123, 1.0) * (1 - 1e-6));
    assert_true(counts[77] > 0);
}

static void test_sample__penalties_look_where_they_should(void **state)
{
    (void)state;
    const uint32_t said[] = { 123, 500, 77, 77 }; // prompt: 123, 500; answer: 77 twice
    const collet_history history = { .ids = said, .n_prompt = 2, .n = 4 };
    collet_sampling s = COLLET_SAMPLING_GREEDY;
    uint32_t counts[N_VOCAB];
    s.presence_penalty = 100.0f; // the answer's only
    count_draws(&s, &history, 1, counts);
    assert_int_equal(counts[123], 1);
    s.presence_penalty = 0.0f;
    s.repetition_penalty = 100.0f; // prompt and answer
    count_draws(&s, &history, 1, counts);
    assert_int_equal(counts[123] + counts[77], 0);
    s.repetition_penalty = 1.0f;
    s.frequency_penalty = -0.3f; // twice in the answer: 5.5 + 0.6 > 6.0
    count_draws(&s, &history, 1, counts);
    assert_int_equal(counts[77], 1);
}

static void test_sample__bias_adds_and_forbids(void **state)
{
    (void)state;
    const collet_logit_bias bias[] = { { 123, -INFINITY }, { 5, 100.0f } };
    collet_sampling s = COLLET_SAMPLING_GREEDY;
    uint32_t counts[N_VOCAB];
    s.bias = bias;
    s.n_bias = 1;
    count_draws(&s, &nothing_said, 1, counts);
    assert_int_equal(counts[77], 1);
    s.n_bias = 2;
    count_draws(&s, &nothing_said, 1, counts);
    assert_int_equal(counts[5], 1);
}

static void test_sample__a_seed_repeats(void **state)
{
    (void)state;
    uint32_t first[N_VOCAB], again[N_VOCAB], other[N_VOCAB];
    collet_sampling s = plain;
    s.seed = 42;
    count_draws(&s, &nothing_said, 500, first);
    count_draws(&s, &nothing_said, 500, again);
    s.seed = 43;
    count_draws(&s, &nothing_said, 500, other);
    assert_memory_equal(first, again, sizeof first);
    assert_memory_not_equal(first, other, sizeof first);
}

static void test_sample__logits_that_are_no_numbers_are_refused(void **state)
{
    (void)state;
    collet_sampler *sampler = collet_sampler_create(3);
    collet_rng rng;
    uint32_t token = 9;
    collet_rng_seed(&rng, 1);
    const float bad[][3] = { { 1.0f, NAN, 0.0f }, { -INFINITY, -INFINITY, -INFINITY }, { INFINITY, 0.0f, 0.0f } };
    for (size_t i = 0; i < COLLET_COUNT(bad); i++) {
        assert_int_equal(collet_sampler_draw(sampler, bad[i], &plain, &nothing_said, &rng, &token), COLLET_E_FORMAT);
        assert_int_equal(token, 9);
    }
    collet_sampler_destroy(sampler);
}

static void test_sample__settings_out_of_range_are_named(void **state)
{
    (void)state;
    collet_error err = COLLET_ERROR_INIT;
    collet_sampling s = plain;
    s.top_p = 1.5f;
    assert_int_equal(collet_sampling_check(&s, N_VOCAB, &err), COLLET_E_INVALID);
    assert_string_equal(err.msg, "top_p is 1.5, wanted 0..1");
    s = plain;
    s.temperature = NAN;
    assert_int_equal(collet_sampling_check(&s, N_VOCAB, &err), COLLET_E_INVALID);
    const collet_logit_bias bias = { N_VOCAB, 1.0f };
    s = plain;
    s.bias = &bias;
    s.n_bias = 1;
    assert_int_equal(collet_sampling_check(&s, N_VOCAB, &err), COLLET_E_INVALID);
}

static void test_sample__top_logits_are_sorted_and_complete(void **state)
{
    (void)state;
    uint32_t ids[N_VOCAB];
    float values[N_VOCAB];
    collet_top_logits(logits, N_VOCAB, N_VOCAB, ids, values);
    for (uint32_t i = 0; i < N_VOCAB; i++) {
        assert_true(values[i] == logits[ids[i]]);
        assert_true(i == 0 || values[i] < values[i - 1] || (values[i] == values[i - 1] && ids[i] > ids[i - 1]));
    }
    assert_int_equal(ids[0], 123);
}

// The selection of the best k, for every k, whatever the order and however many are equal; it once did not end.
static void test_sample__every_top_k_of_every_order_ends_and_keeps_the_best(void **state)
{
    (void)state;
    collet_sampling s = plain;
    s.temperature = 1e6f; // flat: whoever is kept is drawn soon
    collet_rng rng;
    collet_rng_seed(&rng, 3);
    for (uint32_t round = 0; round < 300; round++) {
        float few[24];
        const uint32_t n = 2 + round % 23, n_values = 2 + round % 7;
        for (uint32_t i = 0; i < n; i++)
            few[i] = (float)(uint32_t)(collet_rng_next(&rng) * n_values);
        collet_sampler *sampler = collet_sampler_create(n);
        for (s.top_k = 1; s.top_k <= n; s.top_k++)
            for (uint32_t draw = 0; draw < 8; draw++) {
                uint32_t token = n, n_better = 0;
                assert_int_equal(collet_sampler_draw(sampler, few, &s, &nothing_said, &rng, &token), COLLET_OK);
                for (uint32_t i = 0; i < n; i++)
                    n_better += few[i] > few[token] || (few[i] == few[token] && i < token);
                assert_true(n_better < s.top_k);
            }
        collet_sampler_destroy(sampler);
    }
}

// ---- a whole vocabulary in a few passes, against one that sorts everything ----

typedef struct ranked {
    uint32_t id;
    double logit;
} ranked;

static int by_rank(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->logit != y->logit)
        return x->logit > y->logit ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

static int by_id(const void *a, const void *b)
{
    return ((const ranked *)a)->id < ((const ranked *)b)->id ? -1 : 1;
}

static double mass_of(const ranked *r, uint32_t n, double temperature)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < n; i++)
        sum += exp((r[i].logit - r[0].logit) / temperature);
    return sum;
}

// The chain word by word: sort, cut, cut, cut, draw; `all` has room for n.
static uint32_t draw_plainly(ranked *all, const float *l, uint32_t n, const collet_sampling *s, collet_rng *rng)
{
    for (uint32_t i = 0; i < n; i++)
        all[i] = (ranked){ i, (double)l[i] };
    qsort(all, n, sizeof *all, by_rank);
    const double top = all[0].logit;
    const bool is_cut = s->top_k > 0 && s->top_k < n;
    uint32_t kept = is_cut ? s->top_k : n;
    if (s->top_p < 1.0f) {
        const double share = (double)s->top_p * mass_of(all, kept, 1.0);
        double sum = 0.0;
        uint32_t k = 0;
        while (k < kept && sum < share)
            sum += exp(all[k++].logit - top);
        kept = k;
    }
    while (s->min_p > 0.0f && (float)all[kept - 1].logit < (float)top + logf(s->min_p))
        kept--;
    double r = collet_rng_next(rng) * mass_of(all, kept, (double)s->temperature);
    if (!is_cut && s->top_p >= 1.0f) // nothing was sorted: drawn by id
        qsort(all, kept, sizeof *all, by_id);
    for (uint32_t i = 0; i < kept; i++) {
        r -= exp((all[i].logit - top) / (double)s->temperature);
        if (r < 0.0)
            return all[i].id;
    }
    return all[kept - 1].id;
}

static void test_sample__passes_over_chunks_draw_what_sorting_everything_draws(void **state)
{
    (void)state;
    static const uint32_t sizes[] = { 1, 2, 127, 128, 129, 1000, 8192, 20001 };
    for (size_t k = 0; k < COLLET_COUNT(sizes); k++) {
        const uint32_t n = sizes[k];
        collet_sampler *sampler = collet_sampler_create(n);
        float *l = malloc(n * sizeof *l);
        ranked *all = malloc(n * sizeof *all);
        collet_rng values, ours, theirs;
        collet_rng_seed(&values, n);
        collet_rng_seed(&ours, 5);
        theirs = ours;
        for (uint32_t round = 0; round < 60; round++) {
            const bool coarse = round % 3 == 0; // many equals
            for (uint32_t i = 0; i < n; i++)
                l[i] = coarse ? (float)(uint32_t)(collet_rng_next(&values) * 6.0)
                              : (float)(12.0 * collet_rng_next(&values) - 6.0);
            if (round % 4 == 1)
                for (uint32_t i = 0; i < n; i += 2)
                    l[i] = -INFINITY; // forbidden
            l[n / 2] = 9.0f;
            const collet_sampling s = { .temperature = round % 2 ? 0.7f : 3.0f,
                                        .top_k = round % 5 == 1 ? 40 : round % 5 == 2 ? 300 : 0,
                                        .top_p = round % 7 == 1 ? 0.95f : round % 7 == 2 ? 0.3f : 1.0f,
                                        .min_p = round % 6 == 2 ? 0.01f : 0.0f,
                                        .repetition_penalty = 1.0f };
            uint32_t got = n;
            assert_int_equal(collet_sampler_draw(sampler, l, &s, &nothing_said, &ours, &got), COLLET_OK);
            assert_int_equal(got, draw_plainly(all, l, n, &s, &theirs));
        }
        free(all);
        free(l);
        collet_sampler_destroy(sampler);
    }
}

static void test_sample_scan__chunks_have_their_maximum_mass_and_weights(void **state)
{
    (void)state;
    collet_rng rng;
    collet_rng_seed(&rng, 11);
    for (uint32_t n = 1; n <= 700; n += n < 140 ? 1 : 37) {
        float *x = malloc(n * sizeof *x), most[6], weight[COLLET_SCAN_CHUNK]; // the sanitizer guards x's end
        double mass[6], total = 0.0;
        float top = -INFINITY;
        for (uint32_t i = 0; i < n; i++) {
            x[i] = (float)(200.0 * collet_rng_next(&rng) - 150.0);
            top = fmaxf(top, x[i]);
        }
        const float temperature = 0.1f + (float)(n % 9);
        assert_true(collet_scan_max(most, x, n));
        const double got = collet_scan_mass(mass, x, n, top, temperature);
        for (uint32_t c = 0; c < collet_scan_n_chunks(n); c++) {
            const uint32_t begin = c * COLLET_SCAN_CHUNK;
            const uint32_t size = n - begin < COLLET_SCAN_CHUNK ? n - begin : COLLET_SCAN_CHUNK;
            float want_most = -INFINITY;
            double want = 0.0, sum = 0.0;
            collet_scan_weights(weight, x + begin, size, top, temperature);
            for (uint32_t i = 0; i < size; i++) {
                const double e = exp(((double)x[begin + i] - (double)top) / (double)temperature);
                want_most = fmaxf(want_most, x[begin + i]);
                want += e;
                sum += (double)weight[i];
                // the argument's own rounding counts as well: half a unit of (x - top) / temperature
                assert_true(fabs((double)weight[i] - e) <= 2e-5 * e + 2e-38);
            }
            assert_true(most[c] == want_most);
            assert_true(fabs(mass[c] - want) <= 2e-5 * want + 1e-36);
            assert_true(fabs(mass[c] - sum) <= 1e-5 * sum + 1e-36);
            total += mass[c];
        }
        assert_true(fabs(got - total) <= 1e-12 * total);
        free(x);
    }
}

static void test_sample_scan__one_that_is_no_number_is_found_anywhere(void **state)
{
    (void)state;
    float x[300], most[3];
    for (uint32_t at = 0; at < 300; at++) {
        for (uint32_t i = 0; i < 300; i++)
            x[i] = i == at ? NAN : -1.0f;
        assert_false(collet_scan_max(most, x, 300));
    }
    double mass[1];
    const float one[] = { 2.0f, -INFINITY, 2.0f - 1e-6f };
    assert_true(collet_scan_mass(mass, one, 3, 2.0f, 1e-40f) == 1.0); // colder than floats can say: greedy
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_sample__greedy_takes_the_largest_lowest_id_first, fill),
        cmocka_unit_test_setup(test_sample__draws_follow_the_softmax, fill),
        cmocka_unit_test_setup(test_sample__top_k_keeps_k, fill),
        cmocka_unit_test(test_sample__every_top_k_of_every_order_ends_and_keeps_the_best),
        cmocka_unit_test_setup(test_sample__top_p_keeps_the_smallest_set_that_holds_it, fill),
        cmocka_unit_test_setup(test_sample__min_p_drops_what_is_far_from_the_best, fill),
        cmocka_unit_test_setup(test_sample__penalties_look_where_they_should, fill),
        cmocka_unit_test_setup(test_sample__bias_adds_and_forbids, fill),
        cmocka_unit_test_setup(test_sample__a_seed_repeats, fill),
        cmocka_unit_test_setup(test_sample__logits_that_are_no_numbers_are_refused, fill),
        cmocka_unit_test_setup(test_sample__settings_out_of_range_are_named, fill),
        cmocka_unit_test_setup(test_sample__top_logits_are_sorted_and_complete, fill),
        cmocka_unit_test(test_sample__passes_over_chunks_draw_what_sorting_everything_draws),
        cmocka_unit_test(test_sample_scan__chunks_have_their_maximum_mass_and_weights),
        cmocka_unit_test(test_sample_scan__one_that_is_no_number_is_found_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
