// SPDX-License-Identifier: Apache-2.0
// core/text/merge.c - joining the characters of one word into tokens: always the cheapest pair, the leftmost of equals.
//
// Both kinds of vocabulary do the same and differ in what a pair costs: BPE has a list of pairs in order, SentencePiece
// gives the joined text's token a score. Short words look at all pairs each time, which beats any structure; long ones
// (a megabyte without a blank) keep bids in a heap and are O(n log n).
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/text/tokenizer_impl.h"
#include "core/text/utf8.h"

#define NEVER UINT32_MAX
// Symbols up to which all pairs are looked at each time. 16, 32 and 64 encode English text equally fast.
#define SHORT_MAX 32u

typedef struct collet_symbol {
    uint32_t begin, end; // in the word
    uint32_t id;         // piece; COLLET_NO_PIECE: a character the vocabulary lacks. Dead once `end` is 0
    uint32_t prev, next; // NEVER: none
} symbol;

// An offer to join a symbol with the next one. It holds as long as both end where they did.
typedef struct collet_bid {
    uint32_t cost, left;
    uint32_t end; // of the right one
    uint32_t id;  // of both together
} bid;

// What joining costs, and the joined piece; NEVER when the two do not join.
static inline uint32_t join_cost(uint32_t *id, const collet_tokenizer *t, const char *word, const symbol *left,
                                 const symbol *right)
{
    if (t->is_bpe) {
        const collet_pair *pair = collet_bpe_pair(t, left->id, right->id);
        if (!pair)
            return NEVER;
        *id = pair->joined;
        return pair->rank;
    }
    *id = collet_vocab_find(&t->vocab, word + left->begin, right->end - left->begin);
    return *id == COLLET_NO_PIECE ? NEVER : t->costs[*id];
}

// One symbol per byte (BPE) or character (SentencePiece; bytes of no character stand alone).
static inline symbol first_symbol(const collet_tokenizer *t, const char *word, size_t at, size_t n)
{
    symbol s = { .begin = (uint32_t)at };
    if (t->is_bpe) {
        s.end = s.begin + 1;
        s.id = t->byte_ids[(uint8_t)word[at]];
    } else {
        size_t length = collet_utf8_length(word + at, n - at);
        s.end = s.begin + (uint32_t)(length ? length : 1);
        s.id = collet_vocab_find(&t->vocab, word + at, s.end - s.begin);
    }
    return s;
}

// What did not become a token is written byte by byte. A byte without a token is left out by BPE (bpe.c says why) and
// unknown to SentencePiece, whose load made sure that there is an unknown token then.
static collet_status push_symbol(collet_encoder *e, const char *word, const symbol *s)
{
    const collet_tokenizer *t = e->t;
    if (s->id < t->vocab.n_tokens)
        return collet_encoder_push(e, s->id);
    collet_status st = COLLET_OK;
    for (uint32_t i = s->begin; i < s->end && st == COLLET_OK; i++) {
        uint32_t id = t->byte_ids[(uint8_t)word[i]];
        if (id < t->vocab.n_tokens)
            st = collet_encoder_push(e, id);
        else if (!t->is_bpe)
            st = collet_encoder_push(e, (uint32_t)t->unk);
    }
    return st;
}

// ---- short words ----

static collet_status merge_short(collet_encoder *e, const char *word, symbol *s, uint32_t n)
{
    uint32_t costs[SHORT_MAX], ids[SHORT_MAX]; // of symbol i with the one behind it
    for (uint32_t i = 0; i + 1 < n; i++)
        costs[i] = join_cost(&ids[i], e->t, word, &s[i], &s[i + 1]);
    while (n > 1) {
        uint32_t best = 0;
        for (uint32_t i = 1; i + 1 < n; i++)
            if (costs[i] < costs[best])
                best = i;
        if (costs[best] == NEVER)
            break;
        s[best].end = s[best + 1].end;
        s[best].id = ids[best];
        n--;
        for (uint32_t i = best + 1; i < n; i++) {
            s[i] = s[i + 1];
            costs[i - 1] = costs[i];
            ids[i - 1] = ids[i];
        }
        if (best > 0)
            costs[best - 1] = join_cost(&ids[best - 1], e->t, word, &s[best - 1], &s[best]);
        if (best + 1 < n)
            costs[best] = join_cost(&ids[best], e->t, word, &s[best], &s[best + 1]);
    }
    collet_status st = COLLET_OK;
    for (uint32_t i = 0; i < n && st == COLLET_OK; i++)
        st = push_symbol(e, word, &s[i]);
    return st;
}

// ---- long words ----

typedef struct heap {
    bid *data;
    size_t n;
} heap;

static inline bool is_before(const bid *a, const bid *b)
{
    return a->cost != b->cost ? a->cost < b->cost : a->left < b->left;
}

static void heap_push(heap *h, bid b)
{
    size_t at = h->n++;
    while (at > 0 && is_before(&b, &h->data[(at - 1) / 2])) {
        h->data[at] = h->data[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    h->data[at] = b;
}

static bid heap_pop(heap *h)
{
    bid top = h->data[0], last = h->data[--h->n];
    size_t at = 0;
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= h->n)
            break;
        if (child + 1 < h->n && is_before(&h->data[child + 1], &h->data[child]))
            child++;
        if (!is_before(&h->data[child], &last))
            break;
        h->data[at] = h->data[child];
        at = child;
    }
    h->data[at] = last;
    return top;
}

static void offer(heap *h, const collet_tokenizer *t, const char *word, const symbol *s, uint32_t left)
{
    if (left == NEVER || s[left].next == NEVER)
        return;
    const symbol *right = &s[s[left].next];
    uint32_t id = 0, cost = join_cost(&id, t, word, &s[left], right);
    if (cost != NEVER)
        heap_push(h, (bid){ .cost = cost, .left = left, .end = right->end, .id = id });
}

static collet_status reserve(collet_encoder *e, size_t n)
{
    if (n <= e->n_symbols_max)
        return COLLET_OK;
    free(e->symbols);
    free(e->bids);
    e->n_symbols_max = 0;
    e->symbols = malloc(n * sizeof *e->symbols);
    e->bids = malloc(n * 2 * sizeof *e->bids); // each join takes one bid and makes two: never more than twice n
    if (!e->symbols || !e->bids)
        return collet_fail(e->err, COLLET_E_NOMEM, "no memory for a word of %zu characters", n);
    e->n_symbols_max = n;
    return COLLET_OK;
}

static collet_status merge_long(collet_encoder *e, const char *word, size_t n_bytes)
{
    collet_status st = reserve(e, n_bytes);
    if (st != COLLET_OK)
        return st;
    symbol *s = e->symbols;
    heap h = { .data = e->bids };
    uint32_t n = 0;
    for (size_t at = 0; at < n_bytes; at = s[n++].end) {
        s[n] = first_symbol(e->t, word, at, n_bytes);
        s[n].prev = n == 0 ? NEVER : n - 1;
        s[n].next = s[n].end == n_bytes ? NEVER : n + 1;
    }
    for (uint32_t i = 0; i < n; i++)
        offer(&h, e->t, word, s, i);
    while (h.n > 0) {
        bid b = heap_pop(&h);
        symbol *left = &s[b.left];
        if (left->end == 0 || left->next == NEVER || s[left->next].end != b.end)
            continue; // one of the two has been joined with another since
        symbol *right = &s[left->next];
        left->end = right->end;
        left->id = b.id;
        left->next = right->next;
        right->end = 0;
        if (left->next != NEVER)
            s[left->next].prev = b.left;
        offer(&h, e->t, word, s, left->prev);
        offer(&h, e->t, word, s, b.left);
    }
    for (uint32_t i = 0; i != NEVER && st == COLLET_OK; i = s[i].next)
        st = push_symbol(e, word, &s[i]);
    return st;
}

// ---- a word ----

static collet_status merge(collet_encoder *e, const char *word, size_t n_bytes)
{
    symbol s[SHORT_MAX];
    uint32_t n = 0;
    for (size_t at = 0; at < n_bytes; at = s[n++].end) {
        if (n == SHORT_MAX)
            return merge_long(e, word, n_bytes);
        s[n] = first_symbol(e->t, word, at, n_bytes);
    }
    return merge_short(e, word, s, n);
}

collet_status collet_merge_word(collet_encoder *e, const char *word, size_t n_bytes)
{
    enum { UNTRIED, WHOLE, IN_PARTS };
    const collet_tokenizer *t = e->t;
    uint32_t id = collet_vocab_find(&t->vocab, word, n_bytes);
    if (id >= t->vocab.n_tokens)
        return merge(e, word, n_bytes);
    uint8_t known = t->ignore_merges ? WHOLE : atomic_load_explicit(&t->whole[id], memory_order_relaxed);
    if (known == WHOLE)
        return collet_encoder_push(e, id);
    size_t before = e->n_ids;
    collet_status st = merge(e, word, n_bytes);
    if (st == COLLET_OK && known == UNTRIED) {
        bool whole = e->n_ids == before + 1 && e->ids[before] == id;
        atomic_store_explicit(&t->whole[id], whole ? WHOLE : IN_PARTS, memory_order_relaxed);
    }
    return st;
}
